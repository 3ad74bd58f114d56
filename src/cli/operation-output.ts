/** What a write prints: its operation with `--no-wait`, else the resource that came of it. */
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Operation } from '../client/resources.ts'
import { humanDurationForms, parseHumanDuration } from '../lib/human-duration.ts'
import { Refusal } from './refusal.ts'
import { type CliIo, coloursFor, printable, printJson } from './terminal.ts'

export interface WaitFlags {
  /** False when `--no-wait` was given. */
  readonly wait?: boolean
  readonly timeout?: string
}

export const withWaitFlags = (command: Command): Command =>
  command
    .option('--no-wait', 'do not wait for the end: print the operation')
    .option('--timeout <time>', 'how long to wait for the end', '30m')

export async function finishOperation(
  client: LakeletClient,
  operation: Operation,
  flags: WaitFlags,
  { say, isSilent = false }: { readonly say: string; readonly isSilent?: boolean },
  io: CliIo,
): Promise<void> {
  if (flags.wait === false) return printJson(operation, io)
  const response = await awaitOperation(client, operation, flags, say, io)
  if (!isSilent) printJson(response, io)
}

/** The response of an operation once it is done, with a line of progress meanwhile. */
export async function awaitOperation(
  client: LakeletClient,
  operation: Operation,
  { timeout = '30m' }: WaitFlags,
  say: string,
  io: CliIo,
): Promise<unknown> {
  const patience = parseHumanDuration(timeout)
  if (patience === undefined) {
    throw new Refusal(`--timeout: ${JSON.stringify(timeout)} is not ${humanDurationForms}`)
  }
  const progress = showProgress(`${say}…`, io)
  try {
    return await client.wait(operation, {
      patience,
      sayPatience: timeout,
      onLook: ({ metadata }) => {
        const { doing, done = 0, total = 0 } = metadata?.progress ?? {}
        if (doing !== undefined) progress.show(`${say}: ${printable(doing)}, ${done} of ${total}…`)
      },
    })
  } finally {
    progress.clear()
  }
}

/** One line on a terminal, gone again when the work is done; nothing at all in a pipe. */
function showProgress(text: string, io: CliIo): { show(text: string): void; clear(): void } {
  if (io.stderr.isTTY !== true || io.env.TERM === 'dumb') {
    return { show: () => undefined, clear: () => undefined }
  }
  const clear = () => io.stderr.write('\r\u001b[K')
  const show = (line: string) => {
    clear()
    io.stderr.write(coloursFor(io.stderr, io).dim(line))
  }
  show(text)
  return { show, clear }
}
