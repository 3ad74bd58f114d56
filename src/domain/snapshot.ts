/** A snapshot: an immutable point of a branch's data. It belongs to the project and outlives the branch. */
import type { EpochMs } from '../lib/time.ts'
import { days, rfc3339 } from '../lib/time.ts'
import {
  type BranchId,
  type BranchUid,
  branchName,
  type IdentityUid,
  type ProjectId,
  type ProjectUid,
  type SnapshotId,
  type SnapshotUid,
  snapshotName,
  type VolumeUid,
} from './names.ts'

/** CREATING → AVAILABLE → DELETING → gone; a create that fails goes without a trace. */
export type SnapshotState = 'CREATING' | 'AVAILABLE' | 'DELETING'

export interface Snapshot {
  readonly uid: SnapshotUid
  readonly projectUid: ProjectUid
  /** Where its data is; its own uid, or what was a branch's until a reset or restore. */
  readonly volumeUid: VolumeUid
  readonly snapshotId: SnapshotId
  readonly state: SnapshotState
  /** Taken by a schedule; such ones do not count against the limit. */
  readonly isAutomatic: boolean
  readonly sourceBranchUid: BranchUid
  /** Kept for a source that is gone. */
  readonly sourceBranchId: BranchId
  /** The source was protected: branches made from here do not open with its passwords. */
  readonly isOfProtected: boolean
  /** The moment that it holds; known when it was taken. */
  readonly sourceTime: EpochMs | undefined
  /** `undefined`: never. */
  readonly expireTime: EpochMs | undefined
  /** What it would take alone. */
  readonly fullSizeBytes: number | undefined
  /** What deleting it would give back; `undefined` where the storage driver cannot tell. */
  readonly diffSizeBytes: number | undefined
  /** `undefined`: the schedule. */
  readonly createdBy: IdentityUid | undefined
  readonly createTime: EpochMs
}

/** Nobody plans further; a bound so that every end is a date. */
export const longestSnapshot = days(3650)

export interface SnapshotView {
  readonly snapshot: Snapshot
  readonly projectId: ProjectId
}

export type SnapshotResource = ReturnType<typeof renderSnapshot>

/** What GET answers. The contract has no state: a snapshot is shown when it was taken. */
export function renderSnapshot({ snapshot, projectId }: SnapshotView) {
  const { snapshotId, expireTime, fullSizeBytes, diffSizeBytes } = snapshot
  return {
    name: snapshotName(projectId, snapshotId),
    snapshot_id: snapshotId,
    uid: snapshot.uid,
    create_time: rfc3339(snapshot.createTime),
    status: {
      source_branch: branchName(projectId, snapshot.sourceBranchId),
      ...(expireTime === undefined ? { no_expiry: true } : { expire_time: rfc3339(expireTime) }),
      ...(fullSizeBytes === undefined ? {} : { full_size_bytes: fullSizeBytes }),
      ...(diffSizeBytes === undefined ? {} : { diff_size_bytes: diffSizeBytes }),
    },
  }
}

/**
 * Id of an automatic snapshot, such as `auto-20261123-0600-production`: sorts by time. Cut to the 63
 * characters of an id.
 */
export const automaticId = (branch: BranchId | SnapshotUid, moment: EpochMs): SnapshotId => {
  const [date = '', time = ''] = rfc3339(moment).split('T')
  const stamp = `${date.replaceAll('-', '')}-${time.slice(0, 5).replace(':', '')}`
  return `auto-${stamp}-${branch}`.slice(0, 63) as SnapshotId
}

/** How long the state of a branch before a reset or restore is kept. */
export const keptFor = days(1)

/**
 * Id of the snapshot that keeps the state of a branch before a reset or restore, such as
 * `before-reset-20261123-060102-dev`. Cut to the 63 characters of an id.
 */
export const previousStateId = (
  act: 'reset' | 'restore',
  branch: BranchId | SnapshotUid,
  moment: EpochMs,
): SnapshotId => {
  const stamp = rfc3339(moment).slice(0, 19).replaceAll(/[-:]/g, '').replace('T', '-')
  return `before-${act}-${stamp}-${branch}`.slice(0, 63) as SnapshotId
}
