/**
 * Create snapshot: a clone of the branch as it is now, awake or asleep, that no compute ever opens. The row
 * comes first and holds the id; the snapshot is shown when it was taken.
 */
import type { Branch } from '../domain/branch.ts'
import { expireTimeOf } from '../domain/expiration.ts'
import { Fault } from '../domain/faults.ts'
import type { BranchUid, SnapshotUid, VolumeUid } from '../domain/names.ts'
import { snapshotName } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import { formatPoint, type Point, parsePoint } from '../domain/point.ts'
import type { Project } from '../domain/project.ts'
import { longestSnapshot, renderSnapshot, type Snapshot } from '../domain/snapshot.ts'
import { type EpochMs, epochMs, toMillis } from '../lib/time.ts'
import type { Kind, StepContext } from '../operations/kind.ts'
import type { CatalogSession, NewWork } from '../ports/catalog.ts'
import type { DraftId } from '../ports/storage.ts'
import { allow, lockProject, may } from './access.ts'
import type { Caller, CreateSnapshot } from './actions.ts'
import { branchSource, findSource, mustHold, pointOf } from './branch-origin.ts'
import { mustHaveData } from './known-volumes.ts'
import { mayAddSnapshot, mayCopy } from './limits.ts'
import { newOperationUid, newSnapshotUid } from './new-uid.ts'
import { placeAt } from './place-at.ts'
import { placeVolume } from './place-volume.ts'
import type { Services } from './services.ts'
import { volumeOf } from './volume-of.ts'

export async function createSnapshot(
  services: Services,
  caller: Caller,
  input: CreateSnapshot,
): Promise<OperationResource> {
  const { catalog, clock, policy, storage } = services
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, input, may(caller, 'createSnapshot'))
    if ((await session.snapshots.byId(project.uid, input.snapshotId)) !== undefined) {
      throw new Fault('SNAPSHOT_EXISTS')
    }
    const { spec } = input
    const now = clock.now()
    const expiration = spec.expiration ?? { kind: 'never' as const }
    if (expiration.kind === 'never') {
      await allow(session, project, may(caller, 'createSnapshot/stays'))
    }
    const expireTime = expireTimeOf(expiration, { createTime: now, now, maximum: longestSnapshot })
    const source = await findSource(session, project, spec.source)
    const point = pointOf(spec)
    if (point !== undefined) await mustHold(session, source, point, now)
    mayCopy(source, policy)
    await mayAddSnapshot(session, project, policy)
    await storage.checkRoom() // known now, so said now
    await mustHaveData(services, { branch: source })
    const work = await reserveSnapshot(
      session,
      project,
      {
        ...newSnapshot(source),
        snapshotId: input.snapshotId,
        isAutomatic: false,
        expireTime,
        createdBy: caller.identity.uid,
        createTime: now,
      },
      point,
    )
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

/** A snapshot of this branch as it is before anything was made for it. */
export const newSnapshot = (source: Branch) => {
  const uid = newSnapshotUid()
  return {
    uid,
    projectUid: source.projectUid,
    volumeUid: uid as string as VolumeUid,
    state: 'CREATING' as const,
    sourceBranchUid: source.uid,
    sourceBranchId: source.branchId,
    isOfProtected: source.isProtected,
    sourceTime: undefined,
    fullSizeBytes: undefined,
    diffSizeBytes: undefined,
  }
}

/** The row, and the work that takes the snapshot. Holds the project already. */
export async function reserveSnapshot(
  session: CatalogSession,
  project: Project,
  snapshot: Snapshot,
  /** Of the branch's history; default: as it is when its turn comes. */
  point?: Point,
): Promise<NewWork> {
  await session.snapshots.insert(snapshot)
  const work: NewWork = {
    uid: newOperationUid(),
    kind: 'create-snapshot',
    resource: snapshotName(project.projectId, snapshot.snapshotId),
    subject: 'Snapshot',
    projectUid: project.uid,
    callerUid: snapshot.createdBy,
    // The branch's too: a delete that is accepted after us waits until we have its data.
    keys: [snapshot.uid, snapshot.sourceBranchUid],
    input: {
      snapshot: snapshot.uid,
      branch: snapshot.sourceBranchUid,
      ...(point === undefined ? {} : { point: formatPoint(point) }),
    },
    createTime: snapshot.createTime,
  }
  await session.work.insert(work)
  return work
}

export const createSnapshotKind = (services: Services): Kind => ({
  name: 'create-snapshot',
  onFailure: 'undo',
  steps: [
    {
      name: 'reserve', // done when accepted; here for its undo, which must come last
      async undo(context) {
        await services.catalog.snapshots.remove(snapshotUid(context))
      },
    },
    {
      name: 'take',
      async run(context) {
        const { input, uid } = context.row
        const draft = uid as string as DraftId
        const target = volumeIn(context)
        const branch = input.branch as BranchUid
        let time: EpochMs
        if (input.point === undefined) {
          const source = await branchSource(services, branch)
          time = (await placeVolume(services, source, target, draft)).time
        } else {
          const point = parsePoint(String(input.point))
          time = toMillis((await placeAt(services, branch, point, target, draft)).time)
        }
        context.memory = { ...context.memory, time }
      },
      async undo(context) {
        await services.storage.deleteDraft(context.row.uid as string as DraftId)
        await services.storage.deleteVolume(volumeIn(context))
      },
    },
    {
      name: 'measure',
      async run(context) {
        const { storage, log } = services
        try {
          const { full, exclusive } = await storage.measure(volumeIn(context))
          context.memory = { ...context.memory, full, exclusive: exclusive ?? null }
        } catch (error) {
          // The data is there: what it takes is measured again later.
          log.warn({ err: error, snapshot: snapshotUid(context) }, 'cannot measure a snapshot')
        }
      },
    },
    {
      name: 'record',
      async run(context) {
        const { time, full, exclusive } = context.memory
        await services.catalog.transaction(async (session) => {
          await session.projects.lock(context.row.projectUid)
          const snapshot = await session.snapshots.byUid(snapshotUid(context))
          if (snapshot === undefined) return
          await session.snapshots.update(snapshot.uid, {
            // Deleted while it was taken: the delete waits for us and must find its state as it left it.
            ...(snapshot.state === 'CREATING' ? { state: 'AVAILABLE' as const } : {}),
            sourceTime: epochMs(Number(time)),
            ...(typeof full === 'number' ? { fullSizeBytes: full } : {}),
          })
          await session.snapshots.recordBytes(snapshot.uid, {
            diffSizeBytes: typeof exclusive === 'number' ? exclusive : undefined,
            measureTime: services.clock.now(),
          })
        })
      },
    },
  ],
  async finish(context) {
    const { catalog } = services
    const snapshot = await catalog.snapshots.byUid(snapshotUid(context))
    const project = await catalog.projects.byUid(context.row.projectUid)
    if (snapshot === undefined || project === undefined) throw new Fault('SNAPSHOT_NOT_FOUND')
    return renderSnapshot({ snapshot, projectId: project.projectId })
  },
})

const snapshotUid = ({ row }: StepContext): SnapshotUid => row.input.snapshot as SnapshotUid

const volumeIn = (context: StepContext) =>
  // Its own from the first: only what was a branch's has another.
  volumeOf({
    projectUid: context.row.projectUid,
    volumeUid: snapshotUid(context) as string as VolumeUid,
  })
