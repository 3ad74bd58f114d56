/** How far a log reaches, and how far a standby has followed it. */
import { parseLsn } from '../domain/lsn.ts'
import { parseSegmentName } from '../domain/wal.ts'
import { type Clock, millis } from '../lib/time.ts'
import type { LogReach, Replay, ReplayGoal } from '../ports/compute.ts'
import { type ConnectTo, type Row, type Session, withSession } from './connection.ts'

export const readLogReach = (to: ConnectTo): Promise<LogReach> =>
  withSession(to, async (session) => {
    const [row] = await session.query(
      `SELECT pg_current_wal_flush_lsn() AS flushed,
              pg_size_bytes(current_setting('wal_segment_size')) AS size,
              (SELECT name FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'
               ORDER BY right(name, 16) LIMIT 1) AS oldest`,
    )
    const size = Number(row?.size)
    const oldest = parseSegmentName(row?.oldest ?? '', size)
    if (oldest === undefined) throw new Error('a running compute has no WAL segment')
    return { flushed: positionIn(row, 'flushed'), oldest: oldest.number * BigInt(size) }
  })

export const readOldestHeld = (to: ConnectTo): Promise<bigint | undefined> =>
  withSession(to, async (session) => {
    const [row] = await session.query(`SELECT min(restart_lsn) AS held FROM pg_replication_slots`)
    return parseLsn(row?.held ?? '')
  })

/** Asks again and again over one connection: nothing in Postgres 15 to 18 waits for replay. */
export const awaitReplay = (
  to: ConnectTo,
  { through, oldest = 0n, patience }: ReplayGoal,
  clock: Clock,
): Promise<Replay> =>
  withSession(to, async (session) => {
    const end = clock.monotonic() + patience
    for (let wait = 1; ; wait = Math.min(50, wait * 1.5)) {
      const seen = await readReplay(session)
      if (seen.replayed >= through || seen.isPaused || seen.received < oldest) return seen
      if (clock.monotonic() >= end) return seen
      await clock.sleep(millis(wait))
    }
  })

async function readReplay(session: Session): Promise<Replay> {
  const [row] = await session.query(
    `SELECT coalesce(pg_last_wal_replay_lsn(), '0/0') AS replayed,
            greatest(pg_last_wal_replay_lsn(), pg_last_wal_receive_lsn(), '0/0') AS received,
            pg_get_wal_replay_pause_state() = 'paused' AS is_paused`,
  )
  return {
    replayed: positionIn(row, 'replayed'),
    received: positionIn(row, 'received'),
    isPaused: row?.is_paused === 't',
  }
}

/** A reload ends the pause between two attempts to connect, whatever it reads. */
export const followNow = (to: ConnectTo): Promise<void> =>
  withSession(to, async (session) => {
    await session.query('SELECT pg_reload_conf()')
  })

function positionIn(row: Row | undefined, column: string): bigint {
  const position = parseLsn(row?.[column] ?? '')
  if (position === undefined) throw new Error(`Postgres answered no LSN as ${column}`)
  return position
}
