/**
 * At start: volumes that no row knows. Metadata comes first and goes last, so there should be none;
 * if there are, someone changed the catalog or the pool by hand. They are reported, never touched:
 * the mistake may be in the catalog, and the data is then all that is left.
 */
import { volumeOf } from '../actions/compute-spec.ts'
import { isExport } from '../actions/export-branch.ts'
import { readerVolumeOf } from '../actions/readers.ts'
import type { Services } from '../actions/services.ts'
import { snapshotVolume } from '../actions/snapshot-volume.ts'

/** Ids of the volumes that no branch and no snapshot owns. */
export async function findOrphans(services: Services): Promise<readonly string[]> {
  const { catalog, storage, log } = services
  const known = new Set<string>([
    ...(await catalog.branches.everyUid()).map(({ uid, projectUid }) =>
      volumeOf({ uid: projectUid }, { uid }),
    ),
    ...(await catalog.snapshots.everyUid()).map(snapshotVolume),
    ...(await catalog.endpoints.everyReader()).map(({ uid, projectUid }) =>
      readerVolumeOf({ uid: projectUid }, { uid }),
    ),
  ])
  const orphans = (await storage.listVolumes()).filter(
    (id) => !known.has(id) && !id.startsWith('templates/') && !isExport(id),
  )
  if (orphans.length > 0)
    log.warn({ volumes: orphans }, 'volumes that no branch and no snapshot owns')
  return orphans
}
