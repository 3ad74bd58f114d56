/** `lakelet branch reset` and `lakelet branch restore`: what would be lost is said before it is. */
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Branch, ResetPreview, Snapshot } from '../client/resources.ts'
import { readableBytes } from '../lib/byte-size.ts'
import {
  type CommandContext,
  clientOf,
  type FillCommand,
  sharedOptions,
} from './command-context.ts'
import { confirm } from './confirm.ts'
import { withoutReset } from './narrower-contract.ts'
import { awaitOperation, type WaitFlags, withWaitFlags } from './operation-output.ts'
import { branchArgument, findBranch, readTarget } from './psql-target.ts'
import { printable, printJson } from './terminal.ts'

interface Flags extends WaitFlags {
  readonly dryRun?: boolean
  readonly yes?: boolean
}

type Act = 'reset' | 'restore'
type Point = Readonly<Record<string, string>>

export const fillReset: FillCommand = (command, context) => {
  withFlags(command.argument(...branchArgument))
    .addHelpText(
      'after',
      `
Host, endpoint and uid stay. Sessions end; who connects again meets the new data. What the branch held is
kept as a snapshot for a day.

Examples:
  lakelet branch reset app/dev --dry-run
  lakelet branch reset app/dev --yes`,
    )
    .action((text: string, flags: Flags) => replace('reset', command, context, { text, flags }))
}

export const fillRestore: FillCommand = (command, context) => {
  withFlags(command.argument(...branchArgument))
    .requiredOption('--to <point>', 'a snapshot of the branch, a time, or a log position')
    .addHelpText(
      'after',
      `
Examples:
  lakelet branch restore app/dev --to before-reset-20261123-060102-dev
  lakelet branch restore app/dev --to 2026-11-23T06:00:00Z --dry-run
  lakelet branch restore app/dev --to 16/B374D848`,
    )
    .action((text: string, flags: Flags & { readonly to: string }) =>
      replace('restore', command, context, { text, flags, point: readPoint(flags.to) }),
    )
}

const withFlags = (command: Command): Command =>
  withWaitFlags(command)
    .option('--dry-run', 'say what would be lost, and change nothing')
    .option('-y, --yes', 'do not ask')

/** Pure: which of the three a word means. */
export function readPoint(to: string): Point {
  if (/^[0-9A-Fa-f]{1,8}\/[0-9A-Fa-f]{1,8}$/.test(to)) return { lsn: to }
  return /^\d{4}-\d{2}-\d{2}/.test(to) ? { time: to } : { snapshot: to }
}

async function replace(
  act: Act,
  command: Command,
  context: CommandContext,
  {
    text,
    flags,
    point = {},
  }: { readonly text: string; readonly flags: Flags; readonly point?: Point },
): Promise<void> {
  const { io } = context
  const client = await clientOf(command, context)
  const branch = await findBranch(client, readTarget(text, {}))
  const isJson = sharedOptions(command).output === 'json'
  const say = (line: string) => io.stdout.write(`${printable(line)}\n`)
  const explain = (error: unknown): never => {
    throw withoutReset(error, act, branch)
  }
  if (flags.dryRun === true) {
    const preview = await client.previewReset(branch, act, point).catch(explain)
    if (isJson) printJson(preview, io)
    else for (const line of linesOf(act, preview)) say(line)
    return
  }
  if (flags.yes !== true && io.stdin.isTTY === true) {
    const lines = linesOf(act, await client.previewReset(branch, act, point).catch(explain))
    for (const line of lines) io.stderr.write(`${printable(line)}\n`)
    await confirm(act === 'reset' ? 'Reset it?' : 'Restore it?', io)
  }
  const operation = await client.act(branch, act, point).catch(explain)
  if (flags.wait === false) return printJson(operation, io)
  const doing = `${act === 'reset' ? 'Resetting' : 'Restoring'} ${branch}`
  const done = (await awaitOperation(client, operation, flags, doing, io)) as Branch
  if (isJson) return printJson(done, io)
  say(`${branch} ${act === 'reset' ? `holds what ${sourceOf(done)} held` : 'is restored'}.`)
  const kept = await previousState(client, act, branch)
  if (kept !== undefined) {
    say(`What it held before is kept until ${kept.status?.expire_time}:`)
    say(`  lakelet branch restore ${branch} --to ${kept.snapshot_id}`)
  }
}

const sourceOf = ({ status }: Branch): string =>
  `${status?.source_branch ?? 'its source'} at ${status?.source_branch_time ?? 'that moment'}`

/** The snapshot that the last reset or restore of the branch made. */
async function previousState(
  client: LakeletClient,
  act: Act,
  branch: string,
): Promise<Snapshot | undefined> {
  let last: Snapshot | undefined
  for await (const snapshot of client.snapshots.list(branch.split('/branches/')[0] ?? '')) {
    const isOurs =
      snapshot.status?.source_branch === branch &&
      snapshot.snapshot_id?.startsWith(`before-${act}-`)
    if (isOurs && (snapshot.create_time ?? '') >= (last?.create_time ?? '')) last = snapshot
  }
  return last
}

function* linesOf(act: Act, preview: ResetPreview): Generator<string> {
  const { branch, source_branch: source, source_snapshot: snapshot, time, lsn, lost = {} } = preview
  const to = source ?? snapshot ?? time ?? lsn
  const verb = act === 'reset' ? 'Resetting' : 'Restoring'
  yield `${verb} ${branch} to ${to} loses what was committed to it since ${lost.since}:`
  yield lost.transactions === undefined
    ? '  how much that is, nobody wrote down'
    : `  at most ${some(lost.transactions, 'transaction')} that wrote, ${readableBytes(lost.wal_bytes ?? 0)} of log`
  yield `  ${some(lost.sessions ?? 0, 'session')} would end`
  yield 'What it holds now is kept as a snapshot for a day.'
}

const some = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`
