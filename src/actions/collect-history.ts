/**
 * Removing what history does not need any more: bases by age, then WAL that no base, no crash recovery
 * and no replication slot needs. All under the branch's lock, which whoever recovers a point of it, or
 * copies its WAL, holds as well.
 */
import { holdsWalFor } from '../domain/backup.ts'
import { basesToDrop, type ReadyBase } from '../domain/base.ts'
import type { Branch } from '../domain/branch.ts'
import { earliest } from '../domain/lsn.ts'
import type { BranchUid } from '../domain/names.ts'
import { before, type Millis, toMicros } from '../lib/time.ts'
import { branchSource } from './branch-origin.ts'
import { isOfVolume } from './history-volumes.ts'
import type { Services } from './services.ts'
import { eraseBase } from './take-base.ts'
import { volumeOf } from './volume-of.ts'

type Needs = Pick<Services, 'catalog' | 'storage' | 'computes' | 'volumes' | 'clock' | 'log'>

export interface Kept {
  readonly bases: readonly ReadyBase[]
  /** Of the log; 0: there is none. */
  readonly end: bigint
}

/**
 * Drops bases that are not kept; `atLeast`: the oldest so many in any case. Answers what stays;
 * `undefined`: the branch is not READY any more.
 */
export async function collectHistory(
  services: Needs,
  uid: BranchUid,
  retention: Millis,
  atLeast = 0,
): Promise<Kept | undefined> {
  const { catalog, clock, volumes, storage } = services
  return volumes.run(uid, async () => {
    const branch = await catalog.branches.byUid(uid)
    if (branch?.state !== 'READY') return undefined
    const ready = await catalog.bases.readyOf(uid)
    const present = ready.filter((base) => isOfVolume(base, branch))
    const extent = await storage.walExtent(volumeOf(branch))
    const kept = new Set(present.slice(atLeast))
    for (const base of basesToDrop(present, toMicros(clock.now()), retention)) kept.delete(base)
    for (const base of kept) {
      // Somebody removed WAL that it needs.
      if (extent === undefined || base.redo < extent.oldest) kept.delete(base)
    }
    for (const base of ready) if (!kept.has(base)) await eraseBase(services, base)
    const bases = [...kept]
    await removeWal(services, branch, bases[0], atLeast > 0)
    return { bases, end: extent?.newest ?? 0n }
  })
}

async function removeWal(
  services: Needs,
  branch: Branch,
  oldest: ReadyBase | undefined,
  /** The disk runs short: a backup that misses WAL can be a full copy. */
  isPressed: boolean,
): Promise<void> {
  const { catalog, clock, storage, computes, log } = services
  const { compute } = await branchSource(services, branch.uid)
  const volume = volumeOf(branch)
  const redo = await storage.recoveryStart(volume)
  let from = oldest === undefined ? redo : earliest(redo, oldest.redo)
  const wanted = isPressed
    ? undefined
    : await catalog.backups.heldFrom(volume, before(clock.now(), holdsWalFor))
  if (wanted !== undefined) from = earliest(from, wanted)
  const isAwake = (await computes.look(compute)).kind === 'ready'
  if (isAwake) {
    const held = await computes.oldestHeld(compute)
    if (held !== undefined) from = earliest(from, held)
  } else if ((await storage.slotNames(volume)).length > 0) {
    return // what they ask for is known when it is awake
  }
  const removed = await storage.removeWalBefore(volume, from)
  if (removed > 0) log.info({ branch: branch.uid, segments: removed }, 'removed WAL of no use')
}
