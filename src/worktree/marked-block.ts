/** Our block in a Markdown file that people write in: between its two marks everything is ours, every other byte is its owner's. */

const firstMark = '<!-- >>> lakelet init: written by lakelet, changes in here are lost -->'
const lastMark = '<!-- <<< lakelet init -->'
const first = /^<!-- >>> lakelet init\b[^\n]*$/m

/**
 * The file with the block in it: where one was, else at the end. Keeps the file's line ends. `undefined`: a block begins and does not
 * end, so what is ours is unknown.
 */
export function withBlock(text: string, lines: string): string | undefined {
  const newline = /\r\n/.test(text) ? '\r\n' : '\n'
  const block = [firstMark, ...lines.split('\n'), lastMark].join(newline) + newline
  const begun = first.exec(text)
  if (begun === null) {
    if (text === '') return block
    return text + (text.endsWith('\n') ? newline : newline + newline) + block
  }
  const last = text.indexOf(lastMark, begun.index)
  if (last === -1) return undefined
  const end = text.indexOf('\n', last)
  return text.slice(0, begun.index) + block + (end === -1 ? '' : text.slice(end + 1))
}
