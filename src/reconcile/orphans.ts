/**
 * At start: volumes that no row knows. They can only be left-overs of a delete whose row went first
 * by hand or by a restored catalog, so they are reported and moved out of the way, never silently
 * kept. Templates are ours.
 */
import { volumeOf } from '../actions/fleet.ts'
import type { Services } from '../actions/services.ts'

/** Ids of the volumes that were found and removed. */
export async function sweepOrphans(services: Services): Promise<readonly string[]> {
  const { catalog, storage, log } = services
  const known = new Set<string>(
    (await catalog.branches.everyUid()).map(({ uid, projectUid }) =>
      volumeOf({ uid: projectUid }, { uid }),
    ),
  )
  const orphans = (await storage.listVolumes()).filter(
    (id) => !known.has(id) && !id.startsWith('templates/'),
  )
  for (const id of orphans) {
    log.warn({ volume: id }, 'removing a volume that no branch owns')
    await storage.deleteVolume(id)
  }
  return orphans
}
