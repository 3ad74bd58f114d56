/**
 * The heart of branching: a volume that holds exactly the commits of its source up to one moment.
 * The clone is made as a draft, so whatever dies on the way leaves nothing that anyone would use.
 */
import type { EndpointUid } from '../domain/names.ts'
import { type EpochMs, epochMs } from '../lib/time.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import type { Services } from './services.ts'

export interface Source {
  /** Asked under the lock: a reset or restore gives a branch another one. */
  volume(): Promise<VolumeId>
  /** What guards the volume; see `Services.volumes`. */
  readonly lock: string
  /** The compute that may be writing to it. */
  readonly compute: EndpointUid
}

export interface Placed {
  /** Of the clone: every commit acknowledged before it is there. */
  readonly time: EpochMs
  /**
   * Of a running source: recovery of the clone has to come this far, else WAL behind its checkpoint is lost or
   * damaged (`mustReach`). A stopped one tells nobody where its log ends.
   */
  readonly end: bigint | undefined
}

type Placing = Pick<Services, 'storage' | 'computes' | 'volumes' | 'clock'>

/** Clones `source` into the volume `target`. */
export async function placeVolume(
  services: Placing,
  source: Source,
  target: VolumeId,
  draft: DraftId,
): Promise<Placed> {
  const { storage } = services
  if (await storage.hasVolume(target)) await storage.deleteVolume(target) // a crash cut it short
  return cloneSource(services, source, target, draft, () => storage.publish(draft, target))
}

/**
 * The clone before it is a volume: its data in the draft, its WAL where that of `target` would be. A restart
 * throws both away, so who needs a clone for a while leaves it at that. `then` runs while nobody writes.
 */
export async function cloneSource(
  { storage, computes, volumes, clock }: Placing,
  source: Source,
  target: VolumeId,
  draft: DraftId,
  then: () => Promise<void> = () => Promise.resolve(),
): Promise<Placed> {
  return volumes.run(source.lock, async () => {
    const volume = await source.volume()
    const isRunning = (await computes.look(source.compute)).kind === 'ready'
    // One that crashed may have left backends that still write for a moment.
    if (!isRunning) await computes.stop(source.compute, 'fast')
    const placed = isRunning
      ? await cloneRunning({ storage, computes }, source.compute, { volume, target, draft })
      : await cloneStopped({ storage, clock }, { volume, target, draft })
    await then()
    return placed
  })
}

interface Clone {
  readonly volume: VolumeId
  readonly target: VolumeId
  readonly draft: DraftId
}

/** A stopped volume is consistent as it lies; one that crashed recovers on the branch. */
async function cloneStopped(
  { storage, clock }: Pick<Services, 'storage' | 'clock'>,
  { volume, target, draft }: Clone,
): Promise<Placed> {
  const time = epochMs(clock.now())
  await storage.cloneToDraft(volume, draft, { kind: 'whole' })
  await storage.linkWal(draft, target)
  await storage.copyWal(volume, draft, target)
  await storage.prepareRecovery(draft)
  return { time, end: undefined }
}

/**
 * Data first, WAL after it: WAL is always ahead of the data it describes, so recovery brings the
 * clone to the end of the copied WAL, which is the branch point.
 */
async function cloneRunning(
  { storage, computes }: Pick<Services, 'storage' | 'computes'>,
  compute: EndpointUid,
  { volume, target, draft }: Clone,
): Promise<Placed> {
  const kind = storage.can.atomicClone ? 'atomic' : 'backup'
  const { time, end, backupLabel } = await computes.bracket(compute, kind, {
    async clone() {
      await storage.cloneToDraft(volume, draft, {
        kind: kind === 'atomic' ? 'whole' : 'backup',
      })
      await storage.linkWal(draft, target)
    },
    async copyWal(fromLsn) {
      await storage.copyWal(volume, draft, target, fromLsn)
    },
  })
  if (backupLabel !== undefined) await storage.writeBackupLabel(draft, backupLabel)
  await storage.prepareRecovery(draft)
  return { time, end }
}
