/**
 * A snapshot is a volume beside those of branches, with its own WAL: whatever happens to its branch does
 * not touch it. No compute ever opens it, so it stays as it was taken.
 */
import type { Snapshot } from '../domain/snapshot.ts'
import type { VolumeId } from '../ports/storage.ts'

export const snapshotVolume = ({
  projectUid,
  uid,
}: Pick<Snapshot, 'projectUid' | 'uid'>): VolumeId => `${projectUid}/${uid}` as VolumeId
