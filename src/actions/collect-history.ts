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
import { basesOf } from './history-volumes.ts'
import type { Services } from './services.ts'
import { eraseBase } from './take-base.ts'
import { volumeOf } from './volume-of.ts'

type Needs = Pick<Services, 'catalog' | 'storage' | 'computes' | 'volumes' | 'clock' | 'log'>

/** Drops bases that are not kept; `atLeast`: the oldest so many in any case. Answers what stays. */
export async function collectHistory(
  services: Needs,
  uid: BranchUid,
  retention: Millis,
  atLeast = 0,
): Promise<readonly ReadyBase[]> {
  const { catalog, clock, volumes, storage } = services
  const { bases } = catalog
  return volumes.run(uid, async () => {
    const branch = await catalog.branches.byUid(uid)
    if (branch?.state !== 'READY') return []
    const present = await basesOf(bases, branch)
    const extent = await storage.walExtent(volumeOf(branch))
    const goes = new Set([
      ...present.slice(0, atLeast),
      ...basesToDrop(present, toMicros(clock.now()), retention),
      // Somebody removed WAL that it needs.
      ...present.filter(({ redo }) => extent === undefined || redo < extent.oldest),
    ])
    const isOurs = new Set(present.map(({ uid }) => uid))
    for (const base of await bases.readyOf(branch.uid)) {
      const isReplaced = !isOurs.has(base.uid) // of a volume that the branch has no more
      if (isReplaced || goes.has(present.find(({ uid }) => uid === base.uid) ?? base)) {
        await eraseBase(services, base)
      }
    }
    const kept = present.filter((base) => !goes.has(base))
    await removeWal(services, branch, kept[0], atLeast > 0)
    return kept
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
