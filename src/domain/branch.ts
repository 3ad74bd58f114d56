/** A branch: a named writable line of data with a source branch and a branch point. */
import type { EpochMicros, EpochMs, Millis } from '../lib/time.ts'
import { days, rfc3339, rfc3339Micros } from '../lib/time.ts'
import { formatDuration } from './duration.ts'
import type { Endpoint } from './endpoint.ts'
import { formatLsn, type Lsn } from './lsn.ts'
import {
  type BranchId,
  type BranchUid,
  branchName,
  type IdentityUid,
  type ProjectId,
  type ProjectUid,
  projectName,
  type SnapshotId,
  type SnapshotUid,
  snapshotName,
  type VolumeUid,
} from './names.ts'
import type { Point } from './point.ts'
import type { Project } from './project.ts'

/**
 * INIT or IMPORTING → READY; READY ⇄ RESETTING; any → DELETED → READY (undelete) or gone (purge).
 */
export type BranchState = 'INIT' | 'IMPORTING' | 'READY' | 'RESETTING' | 'DELETED'

/** The oldest point of a branch that another can begin with. */
export interface WindowStart {
  readonly time: EpochMicros
  readonly lsn: Lsn
}

/** The end of a volume's first recovery: what comes after was written on it. */
export interface Beginning {
  readonly lsn: Lsn
  /** The first transaction id, epoch included, that had not been given out. */
  readonly xid: bigint
  readonly time: EpochMs
}

/**
 * `durable`: Postgres's own, a commit is on disk when it is acknowledged. `relaxed`: `synchronous_commit` off,
 * so a crash of the machine may cost the last moments of acknowledged commits, and never more: `fsync` is on.
 */
export const durabilities = ['durable', 'relaxed'] as const
export type Durability = (typeof durabilities)[number]

/** What Postgres is told for it. */
export const durabilitySettings = (durability: Durability): Readonly<Record<string, string>> =>
  durability === 'relaxed' ? { synchronous_commit: 'off' } : {}

export interface Branch {
  readonly uid: BranchUid
  readonly projectUid: ProjectUid
  /** Where its data is; its own uid until a reset or restore. */
  readonly volumeUid: VolumeUid
  /** Where that volume's own writes begin; `undefined`: nobody wrote it down. */
  readonly begin: Beginning | undefined
  readonly branchId: BranchId
  readonly state: BranchState
  readonly pendingState: BranchState | undefined
  readonly stateChangeTime: EpochMs
  readonly isProtected: boolean
  /** Each branch's own: not taken over from its source. */
  readonly durability: Durability
  readonly logicalSizeBytes: number
  /** `undefined`: never. */
  readonly expireTime: EpochMs | undefined
  /** Its end moves to so long after its last activity (`domain/lease.ts`); `undefined`: it does not. */
  readonly slidingTtl: Millis | undefined
  /** It does not end while somebody is connected. */
  readonly isHeldBySessions: boolean
  /** Absent on a root branch. The id is kept for a source that is gone. */
  readonly sourceBranchUid: BranchUid | undefined
  readonly sourceBranchId: BranchId | undefined
  readonly sourceLsn: Lsn | undefined
  readonly sourceTime: EpochMicros | undefined
  /** The point of its source that was asked for; `undefined`: the source as it was then. */
  readonly sourcePoint: Point | undefined
  /** Of a branch made from a snapshot: it has no source branch. The id is kept when that is gone. */
  readonly sourceSnapshotUid: SnapshotUid | undefined
  readonly sourceSnapshotId: SnapshotId | undefined
  /** Where its own history begins; `undefined`: it has none yet. */
  readonly windowStart: WindowStart | undefined
  /** Of its history on disk, as counted last. */
  readonly historyBytes: number
  /** Brought back from a backup: it has no source branch. */
  readonly isRestored: boolean
  /** Filled from another Postgres: it has no source branch. */
  readonly isImported: boolean
  readonly createdBy: IdentityUid
  readonly createTime: EpochMs
  readonly updateTime: EpochMs
  readonly deleteTime: EpochMs | undefined
  readonly purgeTime: EpochMs | undefined
}

/** How long a deleted branch can be undeleted. */
export const branchPurgeAfter = days(7)

export interface BranchView {
  readonly branch: Branch
  readonly projectId: ProjectId
  readonly isDefault: boolean
}

export type BranchResource = ReturnType<typeof renderBranch>

/** What GET answers. */
export function renderBranch({ branch, projectId, isDefault }: BranchView) {
  return {
    name: branchName(projectId, branch.branchId),
    branch_id: branch.branchId,
    parent: projectName(projectId),
    uid: branch.uid,
    create_time: rfc3339(branch.createTime),
    update_time: rfc3339(branch.updateTime),
    status: {
      branch_id: branch.branchId,
      current_state: branch.state,
      ...(branch.pendingState === undefined ? {} : { pending_state: branch.pendingState }),
      state_change_time: rfc3339(branch.stateChangeTime),
      default: isDefault,
      is_protected: branch.isProtected,
      durability: branch.durability,
      logical_size_bytes: branch.logicalSizeBytes,
      ...(branch.expireTime === undefined ? {} : { expire_time: rfc3339(branch.expireTime) }),
      ...(branch.slidingTtl === undefined
        ? {}
        : { sliding_ttl: formatDuration(branch.slidingTtl) }),
      ...(branch.isHeldBySessions ? { is_held_by_sessions: true } : {}),
      ...(branch.sourceBranchId === undefined
        ? {}
        : { source_branch: branchName(projectId, branch.sourceBranchId) }),
      ...(branch.sourceLsn === undefined ? {} : { source_branch_lsn: formatLsn(branch.sourceLsn) }),
      ...(branch.sourceTime === undefined
        ? {}
        : { source_branch_time: rfc3339Micros(branch.sourceTime) }),
      ...(branch.sourceSnapshotId === undefined
        ? {}
        : { source_snapshot: snapshotName(projectId, branch.sourceSnapshotId) }),
      ...(branch.windowStart === undefined
        ? {}
        : {
            history: {
              window_start_time: rfc3339Micros(branch.windowStart.time),
              window_start_lsn: formatLsn(branch.windowStart.lsn),
              size_bytes: branch.historyBytes,
            },
          }),
      ...(branch.deleteTime === undefined ? {} : { delete_time: rfc3339(branch.deleteTime) }),
      ...(branch.purgeTime === undefined ? {} : { purge_time: rfc3339(branch.purgeTime) }),
    },
  }
}

/** The database that every branch has and that clients of the contract connect to. */
export const defaultDatabase = 'databricks_postgres'

/**
 * The branch that came with its project, and goes with it. A branch from a snapshot, a backup or an import has no
 * source branch either, so it counts as a root, but somebody made it and may delete it.
 */
export const isFirstBranch = (
  branch: Pick<Branch, 'sourceBranchUid' | 'sourceSnapshotUid' | 'isRestored' | 'isImported'>,
): boolean =>
  branch.sourceBranchUid === undefined &&
  branch.sourceSnapshotUid === undefined &&
  !branch.isRestored &&
  !branch.isImported

/** Its end has come, whether or not somebody has seen to it yet: it is handed out to nobody. */
export const hasEnded = ({ expireTime }: Pick<Branch, 'expireTime'>, now: EpochMs): boolean =>
  expireTime !== undefined && expireTime <= now

/** Neither the endpoint nor the branch nor its project is deleted. */
export const isLive = ({
  endpoint,
  branch,
  project,
}: {
  readonly endpoint: Pick<Endpoint, 'life'>
  readonly branch: Branch
  readonly project: Project
}): boolean =>
  endpoint.life !== 'DELETED' && branch.deleteTime === undefined && project.deleteTime === undefined
