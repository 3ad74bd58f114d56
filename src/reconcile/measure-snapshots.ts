/**
 * What a snapshot alone holds grows while its branch is written to: what both shared at first is the
 * snapshot's own when the branch has another version. Counting walks all extents, too slow for a read of
 * the API, so it is done now and then and written down.
 */
import type { Services } from '../actions/services.ts'
import { volumeOf } from '../actions/volume-of.ts'
import { before, type EpochMs, hours } from '../lib/time.ts'

/** So old a count may be. */
const countedEvery = hours(1)
const atOnce = 50

export async function measureSnapshots(
  services: Pick<Services, 'catalog' | 'storage' | 'clock' | 'log'>,
): Promise<EpochMs | undefined> {
  const { catalog, storage, clock, log } = services
  if (!storage.can.instantClone) return undefined // a copy shares nothing, so its bytes never change
  const old = before(clock.now(), countedEvery)
  for (const snapshot of await catalog.snapshots.toMeasure(old, atOnce)) {
    try {
      const diffSizeBytes = await storage.exclusiveBytes(volumeOf(snapshot))
      await catalog.snapshots.recordBytes(snapshot.uid, {
        diffSizeBytes,
        measureTime: clock.now(),
      })
    } catch (error) {
      log.warn({ err: error, snapshot: snapshot.uid }, 'cannot count the bytes of a snapshot')
    }
  }
  return undefined
}
