/**
 * `global/pg_control` (src/include/catalog/pg_control.h): the few fields at its start, whose places
 * are the same in Postgres 15 to 18.
 */
import { crc32cEnd, crc32cStart, crc32cStep } from './crc32c.ts'
import { type Lsn, lsn } from './lsn.ts'

export interface ControlFile {
  readonly systemId: bigint
  readonly state: ClusterState
  /** Where the last checkpoint's own record begins. */
  readonly checkpoint: Lsn
  /** Where recovery from that checkpoint begins. */
  readonly redo: Lsn
  readonly timeline: number
  /** The first transaction id, epoch included, that had not been given out at the last checkpoint. */
  readonly nextXid: bigint
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

const stateOffset = 16
/** The checksum follows the last field; these bounds hold it in every major. */
const leastChecksumOffset = 200
const mostChecksumOffset = 500

export function parseControlFile(bytes: Buffer): ControlFile {
  if (bytes.length < 72) throw new Error(`pg_control is cut short: ${bytes.length} bytes`)
  const version = bytes.readUInt32LE(8)
  if (version < oldestVersion || version > newestVersion) {
    throw new Error(`pg_control has version ${version}, which is none of Postgres 15 to 18`)
  }
  const state = states[bytes.readUInt32LE(stateOffset)]
  if (state === undefined) throw new Error('pg_control holds a cluster state that does not exist')
  return {
    systemId: bytes.readBigUInt64LE(0),
    state,
    checkpoint: lsn(bytes.readBigUInt64LE(32)),
    redo: lsn(bytes.readBigUInt64LE(40)),
    timeline: bytes.readUInt32LE(48),
    nextXid: bytes.readBigUInt64LE(64),
  }
}

/**
 * The control file of a clone as recovery should find it: "shut down in recovery" in place of "in
 * production". Both are recovered alike, but the first tells Postgres that the files are on disk, so it
 * does not open and fsync each of them (`SyncDataDirectory`, xlog.c). True of a clone, which is synced
 * as a whole before it becomes a volume. `undefined`: a clean shutdown, or a file that we cannot vouch
 * for (its checksum is nowhere to be found); it stays as it is. A clone whose log `goesOn` behind the
 * shutdown is marked as well: else Postgres would take the shutdown for the end of the log.
 */
export function withFilesSynced(bytes: Buffer, goesOn = false): Buffer | undefined {
  const { state } = parseControlFile(bytes)
  if (state === 'shut down in recovery' || (state === 'shut down' && !goesOn)) return undefined
  const offset = checksumOffset(bytes)
  if (offset === undefined) return undefined
  const changed = Buffer.from(bytes)
  changed.writeUInt32LE(states.indexOf('shut down in recovery'), stateOffset)
  changed.writeUInt32LE(checksumUpTo(changed, offset), offset)
  return changed
}

/** Of `minRecoveryPoint`; its timeline follows it. The same in Postgres 15 to 18. */
const minimumOffset = 136

/**
 * The control file of a clone that may end its recovery before the end of its WAL: up to this position the
 * log has to be replayed before its files are of one moment. `undefined`: a clean shutdown, whose files are.
 */
export function withMinimumRecovery(
  bytes: Buffer,
  { position, timeline }: { readonly position: bigint; readonly timeline: number },
): Buffer | undefined {
  const { state } = parseControlFile(bytes)
  if (state === 'shut down') return undefined
  const offset = checksumOffset(bytes)
  if (offset === undefined) throw new Error('the checksum of a pg_control is not to be found')
  const changed = Buffer.from(bytes)
  changed.writeUInt32LE(states.indexOf('shut down in recovery'), stateOffset)
  changed.writeBigUInt64LE(position, minimumOffset)
  changed.writeUInt32LE(timeline, minimumOffset + 8)
  changed.writeUInt32LE(checksumUpTo(changed, offset), offset)
  return changed
}

/** Its place differs between majors; the bytes tell. */
function checksumOffset(bytes: Buffer): number | undefined {
  let register = crc32cStart
  for (let offset = 0; offset <= Math.min(mostChecksumOffset, bytes.length - 4); offset += 1) {
    const isPlace = offset >= leastChecksumOffset && offset % 4 === 0
    if (isPlace && crc32cEnd(register) === bytes.readUInt32LE(offset)) return offset
    register = crc32cStep(register, bytes[offset] ?? 0)
  }
  return undefined
}

const checksumUpTo = (bytes: Buffer, offset: number): number =>
  crc32cEnd(bytes.subarray(0, offset).reduce(crc32cStep, crc32cStart))
