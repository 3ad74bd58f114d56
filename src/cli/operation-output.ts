/** What a write prints: its operation with `--no-wait`, else the resource that came of it. */
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Operation } from '../client/resources.ts'
import { humanDurationForms, parseHumanDuration } from '../lib/human-duration.ts'
import { Refusal } from './refusal.ts'
import { type CliIo, coloursFor, printJson } from './terminal.ts'

export interface WaitFlags {
  /** False when `--no-wait` was given. */
  readonly wait?: boolean
  readonly timeout?: string
}

export const withWaitFlags = (command: Command): Command =>
  command
    .option('--no-wait', 'do not wait for the end: print the operation')
    .option('--timeout <time>', 'how long to wait for the end', '30m')

/** The response, unless nobody waits for it. */
export async function finishOperation(
  client: LakeletClient,
  operation: Operation,
  { wait = true, timeout = '30m' }: WaitFlags,
  { say, isSilent = false }: { readonly say: string; readonly isSilent?: boolean },
  io: CliIo,
): Promise<unknown> {
  if (!wait) {
    printJson(operation, io)
    return undefined
  }
  const patience = parseHumanDuration(timeout)
  if (patience === undefined) {
    throw new Refusal(`--timeout: ${JSON.stringify(timeout)} is not ${humanDurationForms}`)
  }
  const clear = showProgress(`${say}…`, io)
  let response: unknown
  try {
    response = await client.wait(operation, { patience, sayPatience: timeout })
  } finally {
    clear()
  }
  if (!isSilent) printJson(response, io)
  return response
}

/** One line on a terminal, gone again when the work is done; nothing at all in a pipe. */
function showProgress(text: string, io: CliIo): () => void {
  if (io.stderr.isTTY !== true || io.env.TERM === 'dumb') return () => undefined
  io.stderr.write(coloursFor(io.stderr, io).dim(text))
  return () => io.stderr.write('\r\u001b[K')
}
