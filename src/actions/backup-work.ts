/** What the operations on backups share: their place, and how they tell how far they are. */
import type { Clock } from '../lib/time.ts'
import { seconds } from '../lib/time.ts'
import type { StepContext } from '../operations/kind.ts'
import type { BackupArchive, BackupPlace, Effort } from '../ports/backups.ts'
import type { JsonObject } from '../ports/catalog.ts'
import type { Services } from './services.ts'

export async function withArchive<T>(
  { backupPlaces }: Pick<Services, 'backupPlaces'>,
  place: BackupPlace,
  work: (archive: BackupArchive) => Promise<T>,
): Promise<T> {
  const archive = await backupPlaces.open(place)
  try {
    return await work(archive)
  } finally {
    archive.close()
  }
}

/** As the input of an operation has it. */
export const placeIn = (input: JsonObject): BackupPlace => ({
  place: String(input.place),
  endpointUrl: typeof input.endpoint_url === 'string' ? input.endpoint_url : undefined,
})

const tellEvery = seconds(1)

/** Counts what is copied, and tells of it every second. */
export function countingProgress(
  clock: Clock,
  context: StepContext,
  signal: AbortSignal,
): { readonly effort: Effort; readonly counted: () => { readonly newBytes: number } } {
  let bytes = 0
  let newBytes = 0
  let told = clock.monotonic()
  return {
    counted: () => ({ newBytes }),
    effort: {
      signal,
      async count(length, isNew) {
        bytes += length
        if (isNew) newBytes += length
        if (clock.monotonic() - told < tellEvery) return
        told = clock.monotonic()
        await context.tell({ bytes_done: bytes, bytes_new: newBytes })
      },
    },
  }
}
