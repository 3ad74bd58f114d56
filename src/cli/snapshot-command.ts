/**
 * `lakelet snapshot VERB`: create, list, delete, and branch from, in short names; the same four in the API's
 * own grammar are verbs of `lakelet postgres`.
 */
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Snapshot } from '../client/resources.ts'
import { expirationField } from './body-flags.ts'
import {
  type CommandContext,
  clientOf,
  type FillCommand,
  sharedOptions,
} from './command-context.ts'
import { finishOperation, type WaitFlags, withWaitFlags } from './operation-output.ts'
import { branchArgument, findBranch, findProject, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { type CliIo, printable, printJson } from './terminal.ts'

const snapshotArgument = [
  '<SNAPSHOT>',
  'PROJECT/SNAPSHOT, projects/PROJECT/snapshots/SNAPSHOT, or the id in the only project',
] as const

interface EndFlags extends WaitFlags {
  readonly ttl?: string
  /** False when `--no-expiry` was given. */
  readonly expiry?: boolean
}

export const fillSnapshot: FillCommand = (group, context) => {
  addCreate(group, context)
  addList(group, context)
  addDelete(group, context)
  addBranch(group, context)
}

function addCreate(group: Command, context: CommandContext): void {
  const command = group
    .command('create')
    .description('Keep a branch as it is now.')
    .argument(...branchArgument)
    .argument('<SNAPSHOT_ID>', 'id of the new snapshot')
    .option(
      '--ttl <time>',
      'how long it lives: 604800s, 168h, 7d, 3w; default: until it is deleted',
    )
    .addHelpText(
      'after',
      '\nExample:\n  lakelet snapshot create app/production before-release --ttl 7d',
    )
  withWaitFlags(command).action(async (text: string, id: string, flags: EndFlags) => {
    const target = readTarget(text, {})
    const end = expirationField(flags)?.spec ?? { no_expiry: true }
    const client = await clientOf(command, context)
    const branch = await findBranch(client, target)
    const project = branch.slice(0, branch.indexOf('/branches/'))
    const body = { spec: { source_branch: branch, ...end } }
    const operation = await client.snapshots.create(project, id, body)
    await finishOperation(client, operation, flags, { say: `Taking snapshot ${id}` }, context.io)
  })
}

function addList(group: Command, context: CommandContext): void {
  const command = group
    .command('list')
    .description('List the snapshots of a project.')
    .argument('[PROJECT]', 'id or name of the project; default: the only one')
  command.action(async (text: string | undefined) => {
    const client = await clientOf(command, context)
    const project = await findProject(client, text?.replace(/^projects\//, ''))
    const snapshots: Snapshot[] = []
    for await (const snapshot of client.snapshots.list(project)) snapshots.push(snapshot)
    if (sharedOptions(command).output === 'json') return printJson(snapshots, context.io)
    printSnapshots(snapshots, context.io)
  })
}

function addDelete(group: Command, context: CommandContext): void {
  const command = group
    .command('delete')
    .description('Delete a snapshot. Branches that were made from it stay.')
    .argument(...snapshotArgument)
  withWaitFlags(command).action(async (text: string, flags: WaitFlags) => {
    const client = await clientOf(command, context)
    const name = await findSnapshot(client, text)
    const operation = await client.snapshots.delete(name)
    const how = { say: `Deleting ${name}`, isSilent: true }
    await finishOperation(client, operation, flags, how, context.io)
  })
}

function addBranch(group: Command, context: CommandContext): void {
  const command = group
    .command('branch')
    .description('Create a branch with the data of a snapshot.')
    .argument(...snapshotArgument)
    .argument('<BRANCH_ID>', 'id of the new branch')
    .option('--ttl <time>', 'how long the branch lives: 604800s, 168h, 7d, 3w')
    .option('--no-expiry', 'the branch lives until it is deleted')
    .addHelpText('after', '\nExample:\n  lakelet snapshot branch app/before-release again --ttl 6h')
  withWaitFlags(command).action(async (text: string, id: string, flags: EndFlags) => {
    const end = expirationField(flags)?.spec ?? {} // the server has a default, or says what is missing
    const client = await clientOf(command, context)
    const snapshot = await findSnapshot(client, text)
    const project = snapshot.slice(0, snapshot.indexOf('/snapshots/'))
    const body = { spec: { source_snapshot: snapshot, ...end } }
    const operation = await client.branches.create(project, id, body)
    await finishOperation(client, operation, flags, { say: `Creating branch ${id}` }, context.io)
  })
}

async function findSnapshot(client: LakeletClient, text: string): Promise<string> {
  const full = /^projects\/([^/]+)\/snapshots\/([^/]+)$/.exec(text)
  const [, project, snapshot] = full ?? /^(?:([^/]+)\/)?([^/]+)$/.exec(text) ?? []
  if (snapshot === undefined) {
    throw new Refusal(
      `${JSON.stringify(text)} names no snapshot`,
      'Give PROJECT/SNAPSHOT or projects/PROJECT/snapshots/SNAPSHOT.',
    )
  }
  return `${await findProject(client, project)}/snapshots/${snapshot}`
}

function printSnapshots(snapshots: readonly Snapshot[], io: CliIo): void {
  if (snapshots.length === 0) {
    io.stderr.write('No snapshots. Take one: lakelet snapshot create PROJECT/BRANCH ID\n')
    return
  }
  const rows = snapshots.map(({ name, create_time: created = '', status }) => [
    name,
    status?.source_branch ?? '-',
    created,
    status?.expire_time === undefined ? 'stays' : `until ${status.expire_time}`,
  ])
  const widths = [0, 1, 2].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  for (const row of rows) {
    const line = row.map((text, at) => printable(text).padEnd(widths[at] ?? 0)).join('  ')
    io.stdout.write(`${line}\n`)
  }
}
