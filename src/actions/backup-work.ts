/** What the operations on backups share: their place, and how they tell how far they are. */
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

/** Counts what is copied, and shows it. `doing` is a phrase: `copying`. */
export function countingProgress(
  context: StepContext,
  doing: string,
  signal: AbortSignal,
): { readonly effort: Effort; readonly counted: () => { readonly newBytes: number } } {
  let total = 0
  let done = 0
  let newBytes = 0
  return {
    counted: () => ({ newBytes }),
    effort: {
      signal,
      expect(bytes) {
        total += bytes
      },
      count(bytes, isNew) {
        done += bytes
        if (isNew) newBytes += bytes
        context.show({ doing: `${doing} bytes`, done, total })
      },
    },
  }
}
