/**
 * A rehearsal: the migrations on a throw-away branch of another one, with its data and its sizes, watched from a second session.
 */
import { constants } from 'node:os'
import type { Branch } from '../client/resources.ts'
import { openSession } from '../database/open-database.ts'
import { type WatchReport, watchMigration } from '../database/watch-migration.ts'
import { readableBytes } from '../lib/byte-size.ts'
import { type Millis, millis, systemClock } from '../lib/time.ts'
import { Refusal } from './refusal.ts'
import {
  appliedSince,
  type Migrations,
  readStatus,
  runMigrations,
  warningsOf,
} from './run-migrations.ts'
import { type CliIo, coloursFor, note, printable } from './terminal.ts'
import { onThrowawayBranch } from './throwaway-branch.ts'
import { accessTo, type Place, type Reached } from './worktree-branch.ts'

export interface Rehearsal {
  readonly line: string
  readonly exitCode: number
  readonly took: Millis
  /** Names; `undefined`: the tool is not known. */
  readonly applied: readonly string[] | undefined
  readonly watch: WatchReport
}

export interface RehearsalWork {
  readonly migrations: Migrations
  readonly place: Place
  readonly server: Reached
  readonly io: CliIo
  /** What the migrations print goes to standard error. */
  readonly isJson: boolean
}

export interface RehearsalEnd {
  /** `undefined`: a signal came before the migrations began. */
  readonly rehearsal: Rehearsal | undefined
  /** Full name of the throw-away branch. */
  readonly branch: string
  /** Of the command; of the signal that came meanwhile. */
  readonly exitCode: number
  readonly isStopped: boolean
}

/** `source` is the full name of the branch to rehearse on, `ttl` as the wire has it. */
export async function rehearseOn(
  source: string,
  work: RehearsalWork,
  { ttl, isKept = false }: { readonly ttl: string; readonly isKept?: boolean },
): Promise<RehearsalEnd> {
  const { result, branch, stoppedBy } = await onThrowawayBranch(
    work.server.client,
    { source, prefix: 'rehearsal', ttl, isKept },
    work.io,
    (made) => run(made, work),
  )
  const exitCode =
    stoppedBy === undefined ? (result?.exitCode ?? 1) : 128 + constants.signals[stoppedBy]
  return { rehearsal: result, branch, exitCode, isStopped: stoppedBy !== undefined }
}

async function run(
  branch: Branch,
  { migrations, place, server, io, isJson }: RehearsalWork,
): Promise<Rehearsal> {
  const { client, connection } = server
  const { userName: login } = await client.me()
  const access = await accessTo(client, connection, branch, place.file, login, io)
  const session = await openSession(access, 'lakelet rehearsal')
  try {
    const before = await readStatus(migrations, session)
    for (const warning of before === undefined ? [] : warningsOf(before)) note(warning, io)
    const watching = await watchMigration(session, systemClock)
    const start = systemClock.monotonic()
    const exitCode = await runMigrations(migrations, access, place.file, io, { isQuiet: isJson })
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

/** As JSON has it; lengths of time as `0.731s`. */
export function rehearsalBody({ line, exitCode, took, applied, watch }: Rehearsal) {
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

export function showRehearsal(rehearsal: Rehearsal, source: string, io: CliIo): void {
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
