/** Reads of snapshots. One is shown when it was taken: the contract has no state that would say less. */
import { Fault } from '../domain/faults.ts'
import type { ProjectPath, SnapshotPath } from '../domain/names.ts'
import { renderSnapshot, type SnapshotResource } from '../domain/snapshot.ts'
import { findProject, may } from './access.ts'
import type { Caller, Listing, Page } from './actions.ts'
import { afterOf, cut } from './read.ts'
import type { Services } from './services.ts'

export async function getSnapshot(
  { catalog }: Services,
  caller: Caller,
  path: SnapshotPath,
): Promise<SnapshotResource> {
  const { uid, projectId } = await findProject(catalog, path.project, may(caller, 'getSnapshot'))
  const snapshot = await catalog.snapshots.byId(uid, path.snapshot)
  if (snapshot?.state !== 'AVAILABLE') throw new Fault('SNAPSHOT_NOT_FOUND')
  return renderSnapshot({ snapshot, projectId })
}

export async function listSnapshots(
  { catalog }: Services,
  caller: Caller,
  path: ProjectPath,
  page: Page,
): Promise<Listing<SnapshotResource>> {
  const { uid, projectId } = await findProject(catalog, path.project, may(caller, 'listSnapshots'))
  const list = `snapshots of ${uid}`
  const rows = await catalog.snapshots.list(uid, {
    after: afterOf(list, page),
    limit: page.size + 1,
  })
  const { shown, nextPageToken } = cut(list, rows, page.size, (row) => row.snapshotId)
  return { items: shown.map((snapshot) => renderSnapshot({ snapshot, projectId })), nextPageToken }
}
