/**
 * What a clone of a data directory leaves out. The lists follow Postgres's own base backup
 * (src/backend/backup/basebackup.c): files of one run, slots that would hold back WAL for nobody,
 * directories that are emptied at every start, and the WAL, which lives outside of the volume.
 */

/** Asks the next start to recover as a standby does; an empty file. */
export const standbySignal = 'standby.signal'

/** Asks a standby to end its recovery; an empty file. */
export const promoteSignal = 'promote'

/** Names at the top of a data directory that a clone never takes from its source. */
export const leftOut = [
  'postmaster.pid',
  'postmaster.opts',
  standbySignal,
  'recovery.signal',
  promoteSignal,
  'pg_wal',
] as const

/** Replication slots: directories of the source's consumers. */
export const slotDirectory = 'pg_replslot'

/** Directories that a clone has, empty. */
const emptied: ReadonlySet<string> = new Set([
  slotDirectory,
  'pg_dynshmem',
  'pg_notify',
  'pg_serial',
  'pg_snapshots',
  'pg_stat_tmp',
  'pg_subtrans',
])

/** Written last, so that its redo point is not behind any file (backup mode). */
export const controlFilePath = 'global/pg_control'

export type CloneRule = 'take' | 'leave out' | 'take empty' | 'take last'

const names: ReadonlySet<string> = new Set(leftOut)

/** `path` is relative to the data directory, with `/` between its parts. */
export function cloneRule(path: string): CloneRule {
  if (names.has(path)) return 'leave out'
  if (emptied.has(path)) return 'take empty'
  if (path === controlFilePath) return 'take last'
  // Sorts and hash joins of sessions that the clone does not have.
  if (/(^|\/)pgsql_tmp[^/]*$/.test(path)) return 'leave out'
  return 'take'
}
