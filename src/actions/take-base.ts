/**
 * Taking a base of a branch, awake or asleep, and removing one. The row comes first and goes last; between
 * them a crash leaves a row that says so (TAKING, DELETING), and the next start removes what is there.
 */
import type { Base, ReadyBase } from '../domain/base.ts'
import type { Branch } from '../domain/branch.ts'
import { type Lsn, lsn } from '../domain/lsn.ts'
import type { EndpointUid } from '../domain/names.ts'
import { failpoint } from '../lib/failpoint.ts'
import { type EpochMicros, epochMicros, toMicros } from '../lib/time.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import { branchSource } from './branch-origin.ts'
import { baseVolume } from './history-volumes.ts'
import { newBaseUid } from './new-uid.ts'
import type { Services } from './services.ts'
import { volumeOf } from './volume-of.ts'

type Needs = Pick<Services, 'catalog' | 'storage' | 'computes' | 'volumes' | 'clock'>

/**
 * `undefined`: the branch has been deleted meanwhile, or it crashed and nobody knows where its log ends
 * before its next start. Throws what storage and Postgres throw.
 */
export async function takeBase(
  services: Needs,
  branch: Pick<Branch, 'uid'>,
  /** Also into the room that is kept for what is there: it will give back more than it takes. */
  isUrgent = false,
): Promise<ReadyBase | undefined> {
  return services.volumes.run(branch.uid, () => takeWhileHeld(services, branch, isUrgent))
}

async function takeWhileHeld(
  services: Needs,
  branch: Pick<Branch, 'uid'>,
  isUrgent: boolean,
): Promise<ReadyBase | undefined> {
  const { catalog, storage, clock } = services
  const now = await catalog.branches.byUid(branch.uid)
  if (now?.state !== 'READY') return undefined
  const source = { volume: volumeOf(now), compute: (await branchSource(services, now.uid)).compute }
  if (!(await isWhole(services, source))) return undefined
  await (isUrgent ? storage.check() : storage.checkRoom())
  const base = {
    uid: newBaseUid(),
    projectUid: now.projectUid,
    branchUid: now.uid,
    volumeUid: now.volumeUid,
    createTime: clock.now(),
  }
  await catalog.bases.insert(base)
  await failpoint('take-base.inserted')
  try {
    const seen = await cloneBase(services, source, base)
    await failpoint('take-base.published')
    const redo = lsn(await storage.recoveryStart(baseVolume(base)))
    const ready: ReadyBase = { ...base, state: 'READY', redo, ...seen }
    await catalog.bases.ready(ready)
    return ready
  } catch (error) {
    await eraseBase(services, base)
    throw error
  }
}

async function isWhole(
  { storage, computes }: Pick<Services, 'storage' | 'computes'>,
  { volume, compute }: Running,
): Promise<boolean> {
  if ((await computes.look(compute)).kind === 'ready') return true
  await computes.stop(compute, 'fast') // backends of one that crashed may still write for a moment
  return (await storage.lastCheckpoint(volume)).isShutDown
}

interface Running {
  readonly volume: VolumeId
  /** That may be writing to it. */
  readonly compute: EndpointUid
}

interface Seen {
  readonly consistent: Lsn
  readonly time: EpochMicros
}

async function cloneBase(
  { storage, computes, clock }: Pick<Services, 'storage' | 'computes' | 'clock'>,
  { volume, compute }: Running,
  base: Pick<Base, 'projectUid' | 'uid'>,
): Promise<Seen> {
  const draft = base.uid as string as DraftId
  const clone = (kind: 'whole' | 'backup') => storage.cloneToDraft(volume, draft, { kind })
  let end: bigint
  if ((await computes.look(compute)).kind !== 'ready') {
    await clone('whole')
    const { position } = await storage.lastCheckpoint(volume)
    const search = { point: undefined, start: position, from: position, through: position + 1n }
    end = (await storage.findPoint(volume, search)).lsn
  } else if (storage.can.atomicClone) {
    // No slot and no checkpoint: nobody but us removes WAL of this volume.
    await clone('whole')
    end = (await computes.markLog(compute)).end
  } else {
    const copyWal = () => Promise.resolve() // it stays where it is
    const held = await computes.bracket(compute, 'backup', {
      async clone() {
        await clone('backup')
      },
      copyWal,
    })
    end = held.end
    if (held.backupLabel !== undefined) await storage.writeBackupLabel(draft, held.backupLabel)
  }
  // Rounded up: commits stamp themselves to the microsecond.
  const time = epochMicros(toMicros(clock.now()) + 1000n)
  await failpoint('take-base.cloned')
  await storage.publish(draft, baseVolume(base))
  return { consistent: lsn(end), time }
}

/** Under the lock of the branch, so that nothing is being recovered from it. Absent is success. */
export async function eraseBase(
  { catalog, storage }: Pick<Services, 'catalog' | 'storage'>,
  base: Pick<Base, 'projectUid' | 'uid'>,
): Promise<void> {
  await catalog.bases.retire(base.uid)
  await failpoint('erase-base.retired')
  await storage.deleteDraft(base.uid as string as DraftId)
  await storage.deleteVolume(baseVolume(base))
  await failpoint('erase-base.erased')
  await catalog.bases.remove(base.uid)
}
