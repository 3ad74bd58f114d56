/**
 * `global/pg_control` (src/include/catalog/pg_control.h): the few fields at its start, whose places
 * are the same in Postgres 15 to 18.
 */
import { type Lsn, lsn } from './lsn.ts'

export interface ControlFile {
  readonly systemId: bigint
  readonly state: ClusterState
  /** Where the last checkpoint's own record begins. */
  readonly checkpoint: Lsn
  /** Where recovery from that checkpoint begins. */
  readonly redo: Lsn
  readonly timeline: number
}

const states = [
  'starting up',
  'shut down',
  'shut down in recovery',
  'shutting down',
  'in crash recovery',
  'in archive recovery',
  'in production',
] as const
export type ClusterState = (typeof states)[number]

/** PG_CONTROL_VERSION: 1300 since Postgres 13, 1800 in 18. */
const oldestVersion = 1300
const newestVersion = 1999

export function parseControlFile(bytes: Buffer): ControlFile {
  if (bytes.length < 52) throw new Error(`pg_control is cut short: ${bytes.length} bytes`)
  const version = bytes.readUInt32LE(8)
  if (version < oldestVersion || version > newestVersion) {
    throw new Error(`pg_control has version ${version}, which is none of Postgres 15 to 18`)
  }
  const state = states[bytes.readUInt32LE(16)]
  if (state === undefined) throw new Error('pg_control holds a cluster state that does not exist')
  return {
    systemId: bytes.readBigUInt64LE(0),
    state,
    checkpoint: lsn(bytes.readBigUInt64LE(32)),
    redo: lsn(bytes.readBigUInt64LE(40)),
    timeline: bytes.readUInt32LE(48),
  }
}
