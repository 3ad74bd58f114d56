/**
 * Holding a running source so that a clone of its data and the WAL copied afterwards recover to one
 * moment. Everything is tied to one session: when it ends, for whatever reason (our death included),
 * Postgres drops the temporary slot and leaves backup mode by itself.
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
    const reserved = await reserveWal(session)
    await failpoint('compute.bracket.reserved')
    return kind === 'atomic'
      ? atomic(session, reserved, steps, clock)
      : backup(session, steps, clock)
  })

/** From the returned LSN on, no WAL is removed while the session lives. */
async function reserveWal(session: Session): Promise<bigint> {
  const [row] = await session.query(
    `SELECT lsn FROM pg_create_physical_replication_slot(
       'lakelet_bracket_' || pg_backend_pid(), immediately_reserve => true, temporary => true)`,
  )
  return required(row?.lsn)
}

async function atomic(
  session: Session,
  reserved: bigint,
  steps: BracketSteps,
  clock: Clock,
): Promise<Bracketed> {
  const [row] = await session.query(
    `SELECT redo_lsn, pg_current_wal_insert_lsn() AS insert_lsn FROM pg_control_checkpoint()`,
  )
  const redo = required(row?.redo_lsn)
  const insert = required(row?.insert_lsn)
  // The slot reserves from the redo point of the newest checkpoint, which may still be under way:
  // pg_control, and so the clone, then names the one before, whose WAL goes the moment that the
  // newest is done. A checkpoint of our own waits for it and brings pg_control past the slot.
  if (redo < reserved || insert - redo > checkpointAbove) await session.query('CHECKPOINT')
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
