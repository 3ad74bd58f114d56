/**
 * The end of a clone's first recovery. It runs as a standby without a primary and is asked for its
 * promotion from the start, so recovery ends where its WAL does. A promotion ends with one record;
 * crash recovery would end with a checkpoint that fsyncs every file it wrote. See
 * docs/adr/2026-11-23-branch-recovery.md.
 */
import { existsSync } from 'node:fs'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promoteSignal, standbySignal } from '../domain/clone-contents.ts'
import type { Lsn } from '../domain/lsn.ts'
import { isHistoryFile, timelineBegan } from '../domain/wal.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import type { Postmaster } from './postmaster.ts'

/** For the command line of such a start: nobody reads meanwhile, so no setting of the source binds it. */
export const promotionSettings: Readonly<Record<string, string>> = {
  hot_standby: 'off',
  primary_conninfo: '',
  primary_slot_name: '',
  recovery_target_timeline: 'latest',
  // Each page comes whole in the log at its first change since the checkpoint, so what Postgres would
  // fetch ahead is a page that it is about to get: random reads of a cold clone, for nothing.
  recovery_prefetch: 'off',
}

/** Whether the next (or present) recovery waits to be promoted: a clone's, and never a standby's. */
export const awaitsPromotion = ({
  dataDirectory,
  follows,
}: Pick<ComputeSpec, 'dataDirectory' | 'follows'>): boolean =>
  follows === undefined && existsSync(join(dataDirectory, standbySignal))

/**
 * May be asked as often as one likes until it is ready: the postmaster removes a request that it finds
 * at its own start, and passes a signal on only once there is a startup process.
 */
export async function askPromotion(postmaster: Postmaster, dataDirectory: string): Promise<void> {
  await writeFile(join(dataDirectory, promoteSignal), '')
  postmaster.signal('SIGUSR1')
}

/** A request that was made once too often. */
export const withdrawPromotion = (dataDirectory: string): Promise<void> =>
  rm(join(dataDirectory, promoteSignal), { force: true })

/** Where the newest timeline began; `undefined`: the cluster was never promoted. */
export async function newestTimelineBegan(dataDirectory: string): Promise<Lsn | undefined> {
  const wal = join(dataDirectory, 'pg_wal')
  const newest = (await readdir(wal)).filter(isHistoryFile).sort().at(-1)
  return newest === undefined ? undefined : timelineBegan(await readFile(join(wal, newest), 'utf8'))
}
