/**
 * Holding a running source so that a clone of its data and the WAL copied afterwards recover to one
 * moment. Its WAL stays by itself (`ComputeSpec.keepsWal`): nobody but us removes any, under the lock of the
 * branch. Backup mode is tied to the session: when that ends, for whatever reason (our death included),
 * Postgres leaves it.
 */
import { parseLsn } from '../domain/lsn.ts'
import { failpoint } from '../lib/failpoint.ts'
import { type Clock, type EpochMs, minutes } from '../lib/time.ts'
import type { BracketSteps, LogMark } from '../ports/compute.ts'
import { type ConnectTo, type Session, withSession } from './connection.ts'

/** More redo than this costs a client more than the checkpoint that spares it. */
export const checkpointAbove = 56n * 1024n * 1024n

/** For one statement inside: a checkpoint of a busy source is the longest. */
const statementPatience = minutes(5)

export interface Bracketed {
  readonly backupLabel: string | undefined
  readonly time: EpochMs
  /** Everything in the clone's files is described before it. */
  readonly end: bigint
}

export const bracketSource = (
  to: ConnectTo,
  kind: 'atomic' | 'backup',
  steps: BracketSteps,
  clock: Clock,
): Promise<Bracketed> =>
  withSession({ ...to, patience: statementPatience }, async (session) => {
    await failpoint('compute.bracket.begun')
    return kind === 'atomic' ? atomic(session, steps, clock) : backup(session, steps, clock)
  })

async function atomic(session: Session, steps: BracketSteps, clock: Clock): Promise<Bracketed> {
  const [row] = await session.query(
    `SELECT redo_lsn, pg_current_wal_insert_lsn() AS insert_lsn FROM pg_control_checkpoint()`,
  )
  const redo = required(row?.redo_lsn)
  const insert = required(row?.insert_lsn)
  // One that is under way is not waited for: until it ends, pg_control and so the clone name the one before.
  if (insert - redo > checkpointAbove) await session.query('CHECKPOINT')
  await failpoint('compute.bracket.checkpointed')
  await steps.clone()
  await failpoint('compute.bracket.cloned')
  const { time, end } = await flushAcknowledged(session, clock)
  await steps.copyWal(undefined) // recovery starts where the clone's own pg_control says
  await failpoint('compute.bracket.copied')
  return { backupLabel: undefined, time, end }
}

async function backup(session: Session, steps: BracketSteps, clock: Clock): Promise<Bracketed> {
  const [begun] = await session.query(`SELECT pg_backup_start('lakelet', true) AS lsn`)
  const start = required(begun?.lsn)
  await failpoint('compute.bracket.checkpointed')
  await steps.clone()
  await failpoint('compute.bracket.cloned')
  const { time } = await flushAcknowledged(session, clock)
  // Its end record must be in the copied WAL, else recovery refuses the clone as inconsistent.
  const [ended] = await session.query(
    `SELECT labelfile, lsn FROM pg_backup_stop(wait_for_archive => false)`,
  )
  if (typeof ended?.labelfile !== 'string') throw new Error('pg_backup_stop returned no label')
  await steps.copyWal(start)
  await failpoint('compute.bracket.copied')
  return { backupLabel: ended.labelfile, time, end: required(ended.lsn) }
}

/**
 * Makes sure that the WAL on disk holds every commit that was acknowledged before the returned moment,
 * those of `synchronous_commit = off` included: our own commit is flushed, and with it all before it.
 */
async function flushAcknowledged(session: Session, clock: Clock): Promise<LogMark> {
  const time = clock.now()
  const [row] = await session.query(`SELECT pg_logical_emit_message(true, 'lakelet', '') AS lsn`)
  return { time, end: required(row?.lsn) }
}

export const markLog = (to: ConnectTo, clock: Clock): Promise<LogMark> =>
  withSession(to, (session) => flushAcknowledged(session, clock))

function required(text: string | null | undefined): bigint {
  const lsn = parseLsn(text ?? '')
  if (lsn === undefined) throw new Error(`Postgres answered ${text} where an LSN was expected`)
  return lsn
}
