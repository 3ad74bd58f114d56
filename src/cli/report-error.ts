/**
 * How a failed command ends: the reason on standard error, in the lines that scripts written for the
 * official grammar look for, then what to do about it; and exit code 1, always.
 */
import { ApiError } from '../client/api-error.ts'
import { type CliIo, coloursFor, printable } from './terminal.ts'

export function reportError(error: unknown, io: CliIo, debug: boolean): number {
  const colours = coloursFor(io.stderr, io)
  const say = (line: string) => io.stderr.write(`${line}\n`)
  const head = (text: string) => say(`${colours.red('Error:')} ${printable(text)}`)
  if (error instanceof ApiError) {
    head(`${error.message} (${error.status} ${error.code || error.statusText})`)
    say('')
    say(`Endpoint: ${error.method} ${printable(error.url)}`)
    say(`HTTP Status: ${error.status} ${printable(error.statusText)}`.trimEnd())
    say(`API error_code: ${printable(error.code)}`)
    say(`API message: ${printable(error.message)}`)
  } else {
    head(error instanceof Error ? error.message : String(error))
  }
  const hint = error instanceof Error && 'hint' in error ? error.hint : undefined
  if (typeof hint === 'string') say(`${colours.yellow('Hint:')} ${printable(hint)}`)
  if (debug && error instanceof Error) say(printable(error.stack ?? ''))
  return 1
}
