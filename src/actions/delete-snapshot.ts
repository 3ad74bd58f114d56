/**
 * Delete snapshot: out of sight and its id free the moment the delete is accepted; the bytes follow, after
 * the branches that are being made from it. Branches made from it do not need it. Expiry comes here too.
 */
import { Fault } from '../domain/faults.ts'
import {
  type IdentityUid,
  type SnapshotPath,
  type SnapshotUid,
  snapshotName,
} from '../domain/names.ts'
import { empty, type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import type { Snapshot } from '../domain/snapshot.ts'
import type { Kind } from '../operations/kind.ts'
import type { CatalogSession, NewWork } from '../ports/catalog.ts'
import { allow, lockProject, may } from './access.ts'
import type { Caller } from './actions.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'
import { volumeOf } from './volume-of.ts'

export async function deleteSnapshot(
  services: Services,
  caller: Caller,
  path: SnapshotPath,
): Promise<OperationResource> {
  return services.catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'deleteSnapshot'))
    const snapshot = await session.snapshots.byId(project.uid, path.snapshot)
    if (snapshot === undefined) throw new Fault('SNAPSHOT_NOT_FOUND')
    if (snapshot.createdBy !== caller.identity.uid) {
      await allow(session, project, may(caller, 'deleteSnapshot/ofAnother'))
    }
    const work = await retireSnapshot(services, session, project, snapshot, caller.identity.uid)
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

/** Takes the snapshot out of sight and inserts the work that ends it. Holds the project already. */
export async function retireSnapshot(
  { clock }: Pick<Services, 'clock'>,
  session: CatalogSession,
  project: Project,
  snapshot: Snapshot,
  callerUid: IdentityUid | undefined,
): Promise<NewWork> {
  await session.snapshots.update(snapshot.uid, { state: 'DELETING' })
  const work: NewWork = {
    uid: newOperationUid(),
    kind: 'delete-snapshot',
    resource: snapshotName(project.projectId, snapshot.snapshotId),
    subject: 'Snapshot',
    projectUid: project.uid,
    callerUid,
    // After its own making, and after the branches that are being made from it.
    keys: [snapshot.uid, ...(await session.snapshots.branchesInTheMaking(snapshot.uid))],
    input: { snapshot: snapshot.uid },
    createTime: clock.now(),
  }
  await session.work.insert(work)
  return work
}

export const deleteSnapshotKind = (services: Services): Kind => ({
  name: 'delete-snapshot',
  onFailure: 'retry',
  steps: [
    {
      name: 'erase',
      async run({ row }) {
        const snapshot = await services.catalog.snapshots.byUid(row.input.snapshot as SnapshotUid)
        if (snapshot !== undefined) await eraseSnapshot(services, snapshot)
      },
    },
  ],
  finish: () => Promise.resolve(empty),
})

/** Bytes first, row last: a volume without a row would be nobody's. */
export async function eraseSnapshot(
  { storage, catalog, volumes }: Pick<Services, 'storage' | 'catalog' | 'volumes'>,
  snapshot: Snapshot,
): Promise<void> {
  await volumes.run(snapshot.uid, () => storage.deleteVolume(volumeOf(snapshot)))
  await catalog.snapshots.remove(snapshot.uid)
}
