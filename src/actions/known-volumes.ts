/**
 * Which volume is whose: the one place that goes from rows to volumes for all of them. Whoever gives rows
 * further volumes adds them here, else the sweep takes those for strays.
 */
import { Fault } from '../domain/faults.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { CatalogSession, EndpointContext } from '../ports/catalog.ts'
import type { VolumeId } from '../ports/storage.ts'
import { baseVolume } from './history-volumes.ts'
import { readerVolumeOf } from './readers.ts'
import type { Services } from './services.ts'
import { volumeOf } from './volume-of.ts'

export interface KnownVolume {
  readonly volume: VolumeId
  /** What guards it; see `Services.volumes`. */
  readonly lock: string
  /** Told of when its volume is gone; `undefined`: it may be gone, or not yet there. */
  readonly owner:
    | { readonly kind: 'branch' | 'snapshot'; readonly projectUid: string; readonly id: string }
    | undefined
}

type Rows = Pick<CatalogSession, 'branches' | 'snapshots' | 'bases' | 'endpoints'>

/** Every volume that a row knows. */
export async function knownVolumes({
  branches,
  snapshots,
  bases,
  endpoints,
}: Rows): Promise<ReadonlyMap<VolumeId, KnownVolume>> {
  await failpoint('catalog.known-volumes')
  const known: KnownVolume[] = [
    ...(await branches.every()).map((branch) => ({
      volume: volumeOf(branch),
      lock: branch.uid,
      // One that is deleted has its data until its purge.
      owner:
        branch.state === 'READY' || (branch.state === 'DELETED' && branch.purgeTime !== undefined)
          ? { kind: 'branch' as const, projectUid: branch.projectUid, id: branch.branchId }
          : undefined,
    })),
    ...(await snapshots.every()).map((snapshot) => ({
      volume: volumeOf(snapshot),
      lock: snapshot.uid,
      owner:
        snapshot.state === 'AVAILABLE'
          ? { kind: 'snapshot' as const, projectUid: snapshot.projectUid, id: snapshot.snapshotId }
          : undefined,
    })),
    ...(await bases.everyUid()).map((base) => ({
      volume: baseVolume(base),
      lock: base.uid,
      owner: undefined, // the keeper of history takes another one
    })),
    ...(await endpoints.everyReader()).map(({ uid, projectUid }) => ({
      volume: readerVolumeOf({ uid: projectUid }, { uid }),
      lock: uid,
      owner: undefined, // made anew when it is wanted
    })),
  ]
  return new Map(known.map((each) => [each.volume, each]))
}

/** Throws BRANCH_DATA_MISSING when the volume of the branch is not there. */
export async function mustHaveData(
  { storage }: Pick<Services, 'storage'>,
  { branch }: Pick<EndpointContext, 'branch'>,
): Promise<void> {
  const volume = volumeOf(branch)
  if (await storage.hasVolume(volume)) return
  throw new Fault('BRANCH_DATA_MISSING', { branch: branch.branchId, volume })
}
