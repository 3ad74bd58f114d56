/**
 * The volume of a branch or a snapshot, as its row says. A snapshot's lies beside those of branches, with its
 * own WAL: whatever happens to its branch does not touch it, and no compute ever opens it.
 */
import type { ProjectUid, VolumeUid } from '../domain/names.ts'
import type { VolumeId } from '../ports/storage.ts'

/** What says where data is: a branch's or snapshot's row, as it is under the lock of its volume. */
export interface Holder {
  readonly projectUid: ProjectUid
  readonly volumeUid: VolumeUid
}

export const volumeOf = ({ projectUid, volumeUid }: Holder): VolumeId =>
  `${projectUid}/${volumeUid}` as VolumeId
