/** Where bases are, and which of a branch's bases belong to the volume that it has now. */
import type { Base, ReadyBase } from '../domain/base.ts'
import type { Branch } from '../domain/branch.ts'
import type { Bases } from '../ports/bases.ts'
import type { VolumeId } from '../ports/storage.ts'

export const baseVolume = ({ projectUid, uid }: Pick<Base, 'projectUid' | 'uid'>): VolumeId =>
  `${projectUid}/${uid}` as VolumeId

/** A window belongs to a volume: what was taken of an earlier one is no history of this. */
export const isOfVolume = (
  base: Pick<Base, 'volumeUid'>,
  branch: Pick<Branch, 'volumeUid'>,
): boolean => base.volumeUid === branch.volumeUid

/** Oldest first. */
export async function basesOf(
  bases: Pick<Bases, 'readyOf'>,
  branch: Pick<Branch, 'uid' | 'volumeUid'>,
): Promise<readonly ReadyBase[]> {
  return (await bases.readyOf(branch.uid)).filter((base) => isOfVolume(base, branch))
}
