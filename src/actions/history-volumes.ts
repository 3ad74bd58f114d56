/** Where bases are, and which of a branch's bases belong to the volume that it has now. */
import type { Base, ReadyBase } from '../domain/base.ts'
import type { Branch } from '../domain/branch.ts'
import type { Bases } from '../ports/bases.ts'
import type { VolumeId } from '../ports/storage.ts'
import { volumeOf } from './compute-spec.ts'

export const baseVolume = ({ projectUid, uid }: Pick<Base, 'projectUid' | 'uid'>): VolumeId =>
  `${projectUid}/${uid}` as VolumeId

/** The last part of the id of a branch's volume, by which its bases know it. */
export const volumeUidOf = (branch: Pick<Branch, 'projectUid' | 'uid'>): string =>
  volumeOf({ uid: branch.projectUid }, branch).split('/')[1] ?? ''

/** Oldest first. A window belongs to a volume: what was taken of an earlier one is no history of this. */
export async function basesOf(
  bases: Pick<Bases, 'readyOf'>,
  branch: Pick<Branch, 'projectUid' | 'uid'>,
): Promise<readonly ReadyBase[]> {
  const volumeUid = volumeUidOf(branch)
  return (await bases.readyOf(branch.uid)).filter((base) => base.volumeUid === volumeUid)
}
