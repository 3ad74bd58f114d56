/**
 * At start: volumes that no row knows. Metadata comes first and goes last, so there should be none;
 * if there are, someone changed the catalog or the pool by hand. They are reported, never touched:
 * the mistake may be in the catalog, and the data is then all that is left.
 */
import { isExport } from '../actions/export-branch.ts'
import { baseVolume } from '../actions/history-volumes.ts'
import { readerVolumeOf } from '../actions/readers.ts'
import { operationOfScratch } from '../actions/scratch.ts'
import type { Services } from '../actions/services.ts'
import { volumeOf } from '../actions/volume-of.ts'
import type { VolumeId } from '../ports/storage.ts'

/** Ids of the volumes that no branch and no snapshot owns. */
export async function findOrphans(services: Services): Promise<readonly string[]> {
  const { catalog, storage, log } = services
  const known = new Set<string>([
    ...(await catalog.branches.everyVolume()).map(volumeOf),
    ...(await catalog.snapshots.everyVolume()).map(volumeOf),
    ...(await catalog.bases.everyUid()).map(baseVolume),
    ...(await catalog.endpoints.everyReader()).map(({ uid, projectUid }) =>
      readerVolumeOf({ uid: projectUid }, { uid }),
    ),
  ])
  const orphans = (await storage.listVolumes()).filter(
    (id) => !known.has(id) && !id.startsWith('templates/') && !isExport(id),
  )
  const strays: string[] = []
  for (const id of orphans) if (!(await isAtWork(services, id))) strays.push(id)
  if (strays.length > 0)
    log.warn({ volumes: strays }, 'volumes that no branch and no snapshot owns')
  return strays
}

/** The clone that an unfinished operation looks into. */
async function isAtWork({ catalog }: Services, id: VolumeId): Promise<boolean> {
  const operation = operationOfScratch(id)
  if (operation === undefined) return false
  return (await catalog.work.byUid(operation))?.outcome.kind === 'pending'
}
