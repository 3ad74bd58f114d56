/** Asks a person before what cannot be taken back easily. A pipe is no person, and is not asked. */
import { Refusal } from './refusal.ts'
import type { CliIo } from './terminal.ts'

/** Throws unless the answer begins with y. */
export async function confirm(question: string, io: CliIo): Promise<void> {
  if (io.stdin.isTTY !== true || io.stderr.isTTY !== true) return
  io.stderr.write(`${question} [y/N] `)
  for await (const chunk of io.stdin) {
    if (/^\s*y/i.test(String(chunk))) return
    break
  }
  throw new Refusal('nothing was done', 'Answer y, or give --yes.')
}
