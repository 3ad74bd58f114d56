/**
 * `lakelet migrate rehearse`: the migrations on a throw-away branch of production, with its data and its sizes, and what
 * they would have meant for those who use it. The branch goes whatever happens: at the end, at a signal, and if we are
 * killed by its own ttl.
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:os'
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Branch } from '../client/resources.ts'
import { openSession } from '../database/open-database.ts'
import { type WatchReport, watchMigration } from '../database/watch-migration.ts'
import { readableBytes } from '../lib/byte-size.ts'
import { type Millis, millis, systemClock } from '../lib/time.ts'
import { wireDuration } from './body-flags.ts'
import { type CommandContext, type FillCommand, sharedOptions } from './command-context.ts'
import { awaitOperation } from './operation-output.ts'
import { findBranch, findProject, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import {
  appliedSince,
  type Migrations,
  neededMigrations,
  readStatus,
  runMigrations,
  warningsOf,
} from './run-migrations.ts'
import { type CliIo, coloursFor, note, printable, printJson } from './terminal.ts'
import { accessTo, findPlace, type Place, type Reached, reach } from './worktree-branch.ts'

interface RehearseFlags {
  readonly source?: string
  readonly ttl: string
  readonly keep?: boolean
}

export const fillRehearse: FillCommand = (command, context) => {
  command
    .option('--source <BRANCH>', "PROJECT/BRANCH or an id; default: the project's default branch")
    .option('--ttl <time>', 'when the branch ends by itself, should nobody remove it', '1h')
    .option('--keep', 'leave the branch there, to look into it')
    .addHelpText(
      'after',
      `
Told are the longest time that each lock on a table that was there before was held (locks that stop nobody's reads or
writes are left out, those of less than some 20 ms may be missed), how long a reader and a writer would have waited at
the worst moment, the slowest statements, and which tables were written anew. On production the same takes as
long, plus what it waits for others. Ends with the exit code of what ran.

Examples:
  lakelet migrate rehearse
  lakelet migrate rehearse --source store/staging --keep`,
    )
    .action(async (flags: RehearseFlags) => rehearse(command, context, flags))
}

async function rehearse(
  command: Command,
  context: CommandContext,
  flags: RehearseFlags,
): Promise<void> {
  const { io } = context
  const ttl = wireDuration('--ttl', flags.ttl)
  const place = await findPlace(io)
  const migrations = await neededMigrations(place, io)
  const server = await reach(command, context)
  const source = await findSource(server.client, flags.source, place)
  const isJson = sharedOptions(command).output === 'json'
  const { signal, letGo } = holdSignals()
  try {
    const branch = await makeBranch(server.client, source, ttl, io)
    try {
      if (signal() === undefined) {
        const rehearsal = await run({ migrations, branch, place, server, io, isJson })
        context.setExitCode(rehearsal.exitCode)
        if (isJson)
          printJson(
            {
              ...bodyOf(rehearsal),
              source_branch: source,
              ...(flags.keep ? { branch: branch.name } : {}),
            },
            io,
          )
        else show(rehearsal, source, io)
      }
    } finally {
      if (flags.keep === true)
        note(`${branch.name} is kept until ${branch.status?.expire_time}`, io)
      else await remove(server.client, branch, io)
    }
  } finally {
    letGo()
  }
  const stopped = signal()
  if (stopped !== undefined) context.setExitCode(128 + constants.signals[stopped])
}

/** Full name. */
async function findSource(
  client: LakeletClient,
  text: string | undefined,
  { file }: Place,
): Promise<string> {
  const project = file.project === undefined ? {} : { project: file.project }
  if (text !== undefined) return findBranch(client, readTarget(text, project))
  const { name, status } = await client.projects.get(await findProject(client, file.project))
  const { default_branch } = status ?? {}
  if (default_branch !== undefined) return default_branch
  throw new Refusal(`${name} has no default branch`, 'Say which branch to rehearse on: --source ID')
}

/** From here on a signal does not end us: what was made goes first. */
function holdSignals(): { signal(): 'SIGINT' | 'SIGTERM' | 'SIGHUP' | undefined; letGo(): void } {
  const held = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  let seen: (typeof held)[number] | undefined
  const hold = (name: NodeJS.Signals) => {
    seen = held.find((one) => one === name)
  }
  for (const name of held) process.on(name, hold)
  return {
    signal: () => seen,
    letGo: () => {
      for (const name of held) process.off(name, hold)
    },
  }
}

async function makeBranch(
  client: LakeletClient,
  source: string,
  ttl: string,
  io: CliIo,
): Promise<Branch> {
  const id = `rehearsal-${randomBytes(4).toString('hex')}`
  const project = source.slice(0, source.indexOf('/branches/'))
  const operation = await client.branches.create(project, id, {
    spec: { source_branch: source, ttl },
  })
  await awaitOperation(client, operation, {}, `Branching off ${source}`, io)
  return client.branches.get(`${project}/branches/${id}`)
}

async function remove(client: LakeletClient, { name, status }: Branch, io: CliIo): Promise<void> {
  try {
    const operation = await client.branches.delete(name, { purge: true })
    await awaitOperation(client, operation, {}, `Removing ${name}`, io)
  } catch (error) {
    const says = error instanceof Error ? error.message : String(error)
    note(`${name} is still there, until ${status?.expire_time}: ${says}`, io)
  }
}

interface Rehearsal {
  readonly line: string
  readonly exitCode: number
  readonly took: Millis
  readonly applied: readonly string[] | undefined
  readonly watch: WatchReport
}

interface Run {
  readonly migrations: Migrations
  readonly branch: Branch
  readonly place: Place
  readonly server: Reached
  readonly io: CliIo
  readonly isJson: boolean
}

async function run({ migrations, branch, place, server, io, isJson }: Run): Promise<Rehearsal> {
  const { client, connection } = server
  const { userName: login } = await client.me()
  const access = await accessTo(client, connection, branch, place.file, login, io)
  const session = await openSession(access, 'lakelet rehearsal')
  try {
    const before = await readStatus(migrations, session)
    for (const warning of before === undefined ? [] : warningsOf(before)) note(warning, io)
    const watching = await watchMigration(session, systemClock)
    const start = systemClock.monotonic()
    const exitCode = await runMigrations(migrations, access, place.file, io, isJson)
    const took = millis(systemClock.monotonic() - start)
    const watch = await watching.stop()
    if (exitCode === 0 && watch.sessions === 0) {
      throw new Refusal(
        `${JSON.stringify(migrations.line)} ended well, but nobody came to the branch of the rehearsal: it went to another database`,
        'It must take the address from the environment (DATABASE_URL or PGHOST and the like), before any file.',
      )
    }
    const applied = appliedSince(before, await readStatus(migrations, session))
    return { line: migrations.line, exitCode, took, applied, watch }
  } finally {
    await session.close()
  }
}

const inSeconds = (length: Millis): string => `${(length / 1000).toFixed(3)}s`

function bodyOf({ line, exitCode, took, applied, watch }: Rehearsal) {
  return {
    command: line,
    exit_code: exitCode,
    duration: inSeconds(took),
    applied,
    locks: watch.locks.map(({ held, ...lock }) => ({ ...lock, held: inSeconds(held) })),
    waits: watch.waits.map(({ relation, reads, writes }) => ({
      relation,
      reads: inSeconds(reads),
      writes: inSeconds(writes),
    })),
    statements: watch.statements.map(({ text, ran }) => ({ text, duration: inSeconds(ran) })),
    rewritten: watch.rewritten,
    looks: watch.looks,
    longest_gap: inSeconds(watch.longestGap),
  }
}

function show(rehearsal: Rehearsal, source: string, io: CliIo): void {
  const { line, exitCode, took, applied, watch } = rehearsal
  const { bold } = coloursFor(io.stdout, io)
  const where = source.replace(/^projects\/([^/]+)\/branches\//, '$1/')
  const rows: readonly (readonly [string, readonly string[]])[] = [
    [
      'Rehearsed',
      [`${line}, on a branch of ${where}: exit code ${exitCode} after ${inSeconds(took)}`],
    ],
    ['Applied', applied === undefined ? [] : [applied.join(', ') || 'nothing: none was pending']],
    [
      'Locks',
      watch.locks.map(({ relation, mode, held }) => `${relation}: ${mode}, ${inSeconds(held)}`),
    ],
    [
      'Waits',
      watch.waits.map(
        ({ relation, reads, writes }) =>
          `${relation}: a reader ${reads === 0 ? 'not at all' : inSeconds(reads)}, a writer ${inSeconds(writes)}`,
      ),
    ],
    [
      'Rewritten',
      watch.rewritten.map(({ relation, bytes }) => `${relation}, ${readableBytes(bytes)}`),
    ],
    [
      'Slowest',
      watch.statements.map(({ text, ran }) => `${inSeconds(ran)}  ${text.slice(0, 100)}`),
    ],
  ]
  for (const [what, lines] of rows) {
    lines.forEach((text, at) => {
      io.stdout.write(`${bold((at === 0 ? what : '').padEnd(9))} ${printable(text)}\n`)
    })
  }
  if (watch.waits.length === 0) io.stdout.write('Nobody would have waited, as far as was seen.\n')
}
