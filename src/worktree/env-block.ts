/**
 * Our block in an env file: everything between its first and last line is ours, every other byte is its owner's.
 * Read by shells and by the dotenv libraries of many languages.
 */

const firstLine = '# >>> lakelet dev: written by lakelet, changes in here are lost'
const lastLine = '# <<< lakelet dev'
const keyPrefix = '# worktree '

export interface Block {
  /** Of the worktree that it was written for. */
  readonly key: string
  /** Full name of the branch, whatever the variables are called. */
  readonly branch: string
  readonly values: Readonly<Record<string, string>>
}

/** The file with the block in it, where one was already or at the end. Keeps the file's line ends. */
export function placeBlock(text: string, { key, branch, values }: Block): string {
  const newline = /\r\n/.test(text) ? '\r\n' : '\n'
  const pairs = Object.entries(values).map(([name, value]) => `${name}=${quoted(value)}`)
  const block =
    [firstLine, `${keyPrefix}${key} ${branch}`, ...pairs, lastLine].join(newline) + newline
  const found = findBlock(text)
  if (found !== undefined) return text.slice(0, found.start) + block + text.slice(found.end)
  if (text === '') return block
  const gap = text.endsWith('\n') ? newline : newline + newline
  return text + gap + block
}

/** `undefined`: there is none. */
export function readBlock(text: string): Block | undefined {
  const found = findBlock(text)
  if (found === undefined) return undefined
  const inside = text.slice(found.start, found.end).split(/\r?\n/)
  const of = inside.find((line) => line.startsWith(keyPrefix))?.slice(keyPrefix.length) ?? ''
  const [key = '', branch = ''] = of.split(' ')
  const values: Record<string, string> = {}
  for (const line of inside) {
    const match = /^([A-Za-z_][A-Za-z0-9_]*)=(.*)$/.exec(line)
    if (match?.[1] !== undefined) values[match[1]] = unquoted(match[2] ?? '')
  }
  return { key, branch, values }
}

/** A block without an end goes as far as the lines look like ours. */
function findBlock(text: string): { readonly start: number; readonly end: number } | undefined {
  const begun = /^# >>> lakelet dev.*$/m.exec(text)
  if (begun === null) return undefined
  const rest = text.slice(begun.index)
  const ended = /^# <<< lakelet dev[^\n]*(?:\n|$)/m.exec(rest)
  if (ended !== null)
    return { start: begun.index, end: begun.index + ended.index + ended[0].length }
  const own = /^(?:#[^\n]*|[A-Za-z_][A-Za-z0-9_]*=[^\n]*)(?:\n|$)/gm
  let end = 0
  for (const match of rest.matchAll(own)) {
    if (match.index !== end) break
    end += match[0].length
  }
  return { start: begun.index, end: begun.index + end }
}

/** For a shell and for dotenv readers alike. */
function quoted(value: string): string {
  if (/^[A-Za-z0-9._~/:@%+,=-]*$/.test(value)) return value
  if (!/['\\\r\n]/.test(value)) return `'${value}'`
  return `"${value
    .replace(/[\\"$`]/g, '\\$&')
    .replace(/\r/g, '\\r')
    .replace(/\n/g, '\\n')}"`
}

function unquoted(text: string): string {
  if (/^'.*'$/.test(text)) return text.slice(1, -1)
  if (!/^".*"$/.test(text)) return text
  return text
    .slice(1, -1)
    .replace(/\\(.)/g, (_, char: string) => ({ n: '\n', r: '\r' })[char] ?? char)
}
