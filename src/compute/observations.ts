/** What a running compute tells of itself. */
import { parseLsn } from '../domain/lsn.ts'
import type { Position } from '../domain/reset-preview.ts'
import { type EpochMs, epochMs } from '../lib/time.ts'
import type { Activity } from '../ports/compute.ts'
import { superuser } from './configuration.ts'
import { type ConnectTo, withSession } from './connection.ts'

/**
 * The login name of a session never changes and only the server logs in as the superuser, so no
 * client can hide by what it calls itself.
 */
export const readActivity = (to: ConnectTo): Promise<Activity> =>
  withSession(to, async (session) => {
    const [row] = await session.query(
      `SELECT count(*) AS sessions,
              count(*) FILTER (WHERE backend_type = 'walsender' OR state <> 'idle') AS busy,
              floor(extract(epoch FROM max(state_change)) * 1000)::bigint AS last_active
         FROM pg_stat_activity
        WHERE backend_type IN ('client backend', 'walsender') AND usename IS DISTINCT FROM $1`,
      [superuser],
    )
    return {
      sessions: Number(row?.sessions ?? 0),
      busy: Number(row?.busy ?? 0),
      lastActive: row?.last_active == null ? undefined : epochMs(Number(row.last_active)),
    }
  })

export const readLogicalSize = (to: ConnectTo): Promise<number> =>
  withSession(to, async (session) => {
    const [row] = await session.query(
      'SELECT coalesce(sum(pg_database_size(oid)), 0) AS bytes FROM pg_database',
    )
    return Number(row?.bytes ?? 0)
  })

export const readCheckpointLsn = (to: ConnectTo): Promise<bigint> =>
  withSession(to, async (session) => {
    const [row] = await session.query('SELECT checkpoint_lsn FROM pg_control_checkpoint()')
    const lsn = parseLsn(row?.checkpoint_lsn ?? '')
    if (lsn === undefined) throw new Error('pg_control_checkpoint() answered no LSN')
    return lsn
  })

/** The first transaction id, epoch included, that has not been given out. */
export const nextXid = 'pg_snapshot_xmax(pg_current_snapshot())'

export const readNextXid = (to: ConnectTo): Promise<bigint> =>
  withSession(to, async (session) => {
    const [row] = await session.query(`SELECT ${nextXid} AS next`)
    return BigInt(row?.next ?? '')
  })

export const readPosition = (to: ConnectTo): Promise<Position> =>
  withSession(to, async (session) => {
    const [row] = await session.query(
      `SELECT pg_current_wal_insert_lsn() AS lsn, ${nextXid} AS next`,
    )
    const lsn = parseLsn(row?.lsn ?? '')
    if (lsn === undefined) throw new Error('pg_current_wal_insert_lsn() answered no LSN')
    return { lsn, xid: BigInt(row?.next ?? '') }
  })

export const readStartTime = (to: ConnectTo): Promise<EpochMs> =>
  withSession(to, async (session) => {
    const [row] = await session.query(
      'SELECT floor(extract(epoch FROM pg_postmaster_start_time()) * 1000)::bigint AS start',
    )
    return epochMs(Number(row?.start))
  })
