/**
 * What a command sees of the process: streams, environment, working directory. Standard output is
 * for data alone; everything said to a person goes to standard error.
 */
import picocolors from 'picocolors'

export interface Output {
  readonly isTTY?: boolean | undefined
  write(text: string): unknown
}

export interface CliIo {
  readonly stdin: AsyncIterable<string | Uint8Array> & { readonly isTTY?: boolean }
  readonly stdout: Output
  readonly stderr: Output
  readonly env: Readonly<Record<string, string | undefined>>
  readonly cwd: string
}

/** The real process. A reader that went away (`lakelet … | head`) is no error. */
export function processIo(): CliIo {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    process.exit(0)
  })
  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
  }
}

export type Colours = ReturnType<typeof picocolors.createColors>

/** Off when the stream is no terminal, when it is a dumb one, or when NO_COLOR is set at all. */
export const coloursFor = (output: Output, { env }: Pick<CliIo, 'env'>): Colours =>
  picocolors.createColors(output.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb')

/** Two-space JSON; on a terminal with its keys and texts in colour. */
export function printJson(value: unknown, io: CliIo): void {
  const text = JSON.stringify(value, undefined, 2)
  const colours = coloursFor(io.stdout, io)
  const shown = colours.isColorSupported
    ? text.replace(/^(\s*)("(?:[^"\\]|\\.)*")(:)|("(?:[^"\\]|\\.)*")/gm, (whole, ...groups) => {
        const [space, key, colon] = groups as (string | undefined)[]
        return key === undefined ? colours.green(whole) : `${space}${colours.cyan(key)}${colon}`
      })
    : text
  io.stdout.write(`${shown}\n`)
}

/** Text of others, made safe for a terminal: no escape sequences, line breaks kept. */
export const printable = (text: string): string =>
  text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '?')

/** Something that the caller should know and that stops nothing. */
export function note(text: string, io: CliIo): void {
  io.stderr.write(`${coloursFor(io.stderr, io).yellow('Note:')} ${printable(text)}\n`)
}
