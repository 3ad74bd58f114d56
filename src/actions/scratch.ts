/**
 * Volumes that belong to one operation and to nothing else: a clone to look into, with a compute of the
 * operation's own. Named for the operation, so that whoever finds one knows whether it is still wanted.
 */
import type { EndpointUid, OperationUid } from '../domain/names.ts'
import type { PostgresMajor } from '../domain/project.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import type { Services } from './services.ts'

const group = 'scratch/'

export interface Scratch {
  readonly volume: VolumeId
  readonly draft: DraftId
  readonly spec: ComputeSpec
}

/** `use` tells several scratch volumes of one operation apart. */
export function scratchOf(
  { storage }: Pick<Services, 'storage'>,
  operation: OperationUid,
  { use, major }: { readonly use: string; readonly major: PostgresMajor },
): Scratch {
  const volume = `${group}${use}-${operation}` as VolumeId
  return {
    volume,
    draft: `${use}-${operation}` as DraftId,
    spec: {
      // The random end of the id: a socket's path has little room.
      uid: `${use}-${operation.slice(-12)}` as EndpointUid,
      major,
      dataDirectory: storage.dataDirectory(volume),
      // What runs there is ours alone; nothing changes while it is looked at.
      settings: { autovacuum: 'off' },
    },
  }
}

/** Ends its compute, also one that an earlier life of the server left running, and removes the volume. */
export async function discardScratch(
  { computes, storage }: Pick<Services, 'computes' | 'storage'>,
  { volume, draft, spec }: Scratch,
): Promise<void> {
  await endScratch({ computes, storage }, { volume, spec })
  await storage.deleteDraft(draft)
  await storage.deleteVolume(volume)
}

export async function endScratch(
  { computes, storage }: Pick<Services, 'computes' | 'storage'>,
  { volume, spec }: Pick<Scratch, 'volume' | 'spec'>,
): Promise<void> {
  if (await storage.hasVolume(volume)) {
    await computes.adopt(spec).catch(() => undefined) // one that cannot be taken over was ended
  }
  await computes.forget(spec.uid)
}
