/**
 * A volume that holds exactly the commits of a branch up to a point of its history: the newest base before
 * the point, and the branch's WAL from there, cut at the point. Its first start recovers to the end of
 * that WAL, as the clone of a running source does; so no recovery target is set, none can be missed, and
 * a start after a crash ends at the same place.
 */
import type { ReadyBase } from '../domain/base.ts'
import type { Branch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import { type Lsn, lsn } from '../domain/lsn.ts'
import type { BranchUid, EndpointUid } from '../domain/names.ts'
import type { Point } from '../domain/point.ts'
import { WalDamaged } from '../domain/wal-damage.ts'
import { failpoint } from '../lib/failpoint.ts'
import { type EpochMicros, toMicros } from '../lib/time.ts'
import type { DraftId, FoundPoint, VolumeId } from '../ports/storage.ts'
import { branchSource } from './branch-origin.ts'
import { basesOf, baseVolume } from './history-volumes.ts'
import { damaged, mustBePast, mustBeWritten, mustHaveBase } from './point-in-history.ts'
import type { Services } from './services.ts'
import { volumeOf } from './volume-of.ts'

type Needs = Pick<Services, 'catalog' | 'storage' | 'computes' | 'volumes' | 'clock'>

export interface PlacedPoint {
  /** Recovery of the volume has to come this far: `mustReach` tells. */
  readonly lsn: Lsn
  /** Of the last commit that it holds, or what was asked for where none was found near it. */
  readonly time: EpochMicros
}

/**
 * Makes the volume `target` of the branch at a point. Throws POINT_IN_FUTURE, POINT_OUTSIDE_HISTORY,
 * POINT_AFTER_END, HISTORY_DAMAGED, STORAGE_FULL.
 */
export async function placeAt(
  services: Needs,
  branchUid: BranchUid,
  point: Point,
  target: VolumeId,
  draft: DraftId,
): Promise<PlacedPoint> {
  const { catalog, storage, volumes, clock } = services
  mustBePast(point, toMicros(clock.now()))
  if (await storage.hasVolume(target)) await storage.deleteVolume(target) // a crash cut it short
  const { lock, compute } = await branchSource(services, branchUid)
  return volumes.run(lock, async () => {
    const branch = await catalog.branches.byUid(branchUid)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND') // deleted since it was accepted
    const volume = volumeOf(branch)
    const bases = await basesOf(catalog.bases, branch)
    const base = mustHaveBase(branch, bases, point)
    try {
      const { through, isAwake } = await settleLog(services, volume, compute)
      const found = await storage.findPoint(volume, {
        point,
        start: base.redo,
        from: base.consistent,
        through,
      })
      mustBeWritten(branch, point, found)
      await failpoint('place-at.found')
      // Asleep, the end is the end: what a crash tore there, recovery leaves out.
      const until = found.isEnd && !isAwake ? undefined : found.lsn
      await storage.cloneToDraft(baseVolume(base), draft, { kind: 'whole' })
      await storage.linkWal(draft, target)
      await storage.copyWal(volume, draft, target, undefined, until)
      await storage.prepareRecovery(draft, true)
      await storage.publish(draft, target)
      await failpoint('place-at.published')
      return { lsn: lsn(until ?? through), time: timeOf(point, found, base) }
    } catch (error) {
      throw error instanceof WalDamaged ? damaged(branch, bases, error) : error
    }
  })
}

/** The log reaches at least `through`, a position, when this returns. */
async function settleLog(
  { storage, computes }: Pick<Services, 'storage' | 'computes'>,
  volume: VolumeId,
  compute: EndpointUid,
): Promise<{ readonly through: bigint; readonly isAwake: boolean }> {
  if ((await computes.look(compute)).kind === 'ready') {
    return { through: (await computes.markLog(compute)).end, isAwake: true }
  }
  await computes.stop(compute, 'fast')
  return { through: (await storage.lastCheckpoint(volume)).position + 1n, isAwake: false }
}

/** Where nothing was committed between the base and the point, both hold the same. */
const timeOf = (point: Point, { lastCommit }: FoundPoint, base: ReadyBase): EpochMicros =>
  lastCommit ?? (point.kind === 'time' ? point.time : base.time)

/**
 * Recovery of a volume that `placeAt` made of this branch ended here. Short of what was there to be replayed, it met a record that is not whole, and
 * the volume is not what was asked for.
 */
export async function mustReach(
  { catalog, storage }: Pick<Services, 'catalog' | 'storage'>,
  branch: Pick<Branch, 'uid' | 'projectUid' | 'volumeUid' | 'branchId'>,
  { goal, reached }: { readonly goal: bigint; readonly reached: bigint },
): Promise<void> {
  if (reached >= goal) return
  const segment = await storage.segmentAt(volumeOf(branch), reached)
  const bases = await basesOf(catalog.bases, branch)
  throw damaged(branch, bases, new WalDamaged(segment, 'damaged', lsn(reached)))
}
