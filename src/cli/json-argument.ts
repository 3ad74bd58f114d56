/**
 * The value of `--json`: JSON in place, `@FILE`, or `@-` for standard input. It is checked here so that
 * a slip of the pen is named with its place, but it travels byte for byte: what it means is for the
 * server to say.
 */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

export async function readJsonArgument(argument: string, io: CliIo): Promise<string> {
  const { text, origin } = await load(argument, io)
  const offset = faultOffset(text)
  if (offset === undefined) return text
  const before = text.slice(0, offset)
  const line = before.split('\n').length
  const column = offset - before.lastIndexOf('\n')
  const found =
    offset >= text.length ? 'it ends too early' : `unexpected ${JSON.stringify(text[offset])}`
  throw new Refusal(
    `${origin} is not valid JSON: ${found} at line ${line}, column ${column} (position ${offset})`,
    'JSON needs double quotes around names and texts, and no comma after the last item; put single quotes around the whole in a shell.',
  )
}

async function load(argument: string, io: CliIo): Promise<{ text: string; origin: string }> {
  if (!argument.startsWith('@')) return { text: argument, origin: '--json' }
  if (argument === '@-') {
    let text = ''
    for await (const chunk of io.stdin) text += chunk.toString()
    return { text, origin: 'standard input' }
  }
  const path = resolve(io.cwd, argument.slice(1))
  try {
    return { text: await readFile(path, 'utf8'), origin: path }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    throw new Refusal(`--json: ${path} cannot be read (${code})`)
  }
}

/**
 * Where the text stops being JSON; `undefined`: it is JSON. Not every message of the engine holds a
 * position, but a longer prefix is never less wrong, so the first bad character is found by halving.
 */
export function faultOffset(text: string): number | undefined {
  if (judge(text) === 'whole') return undefined
  let good = 0
  let bad = text.length + 1
  while (bad - good > 1) {
    const middle = Math.floor((good + bad) / 2)
    if (judge(text.slice(0, middle)) === 'broken') bad = middle
    else good = middle
  }
  return good
}

/** `open`: could still become JSON. */
function judge(text: string): 'whole' | 'open' | 'broken' {
  try {
    JSON.parse(text)
    return 'whole'
  } catch (error) {
    const message = error instanceof Error ? error.message : ''
    if (/Unexpected end|Unterminated/.test(message)) return 'open'
    const position = /at position (\d+)/.exec(message)?.[1]
    return position !== undefined && Number(position) >= text.length ? 'open' : 'broken'
  }
}
