/** Rows of snapshots and of the schedules that take them, as actions and reconcilers need them. */
import type { Branch } from '../domain/branch.ts'
import type { BranchUid, ProjectUid, SnapshotId, SnapshotUid } from '../domain/names.ts'
import type { Snapshot } from '../domain/snapshot.ts'
import type { Cadence } from '../domain/snapshot-cadence.ts'
import type { EpochMs } from '../lib/time.ts'

export interface Snapshots {
  insert(snapshot: Snapshot): Promise<void>
  /** The one of this id that is not being deleted; it may still be in the making. */
  byId(project: ProjectUid, id: SnapshotId): Promise<Snapshot | undefined>
  byUid(uid: SnapshotUid): Promise<Snapshot | undefined>
  /** Those that were taken. Key: the id. */
  list(
    project: ProjectUid,
    query: { readonly after: string | undefined; readonly limit: number },
  ): Promise<readonly Snapshot[]>
  /** Every row of the project, whatever its state. */
  all(project: ProjectUid): Promise<readonly Snapshot[]>
  /** Not being deleted, and not taken by a schedule. */
  countManual(project: ProjectUid): Promise<number>
  update(uid: SnapshotUid, changes: Partial<Snapshot>): Promise<void>
  remove(uid: SnapshotUid): Promise<void>
  dueExpiry(now: EpochMs): Promise<readonly Snapshot[]>
  /** The next moment at which `dueExpiry` or `SnapshotSchedules.due` has something new. */
  nextDue(): Promise<EpochMs | undefined>
  /** Available ones, those first whose bytes were counted longest ago. */
  toMeasure(before: EpochMs, limit: number): Promise<readonly Snapshot[]>
  recordBytes(
    uid: SnapshotUid,
    bytes: { readonly diffSizeBytes: number | undefined; readonly measureTime: EpochMs },
  ): Promise<void>
  /** Rows of all projects, in every state. */
  every(): Promise<readonly Snapshot[]>
  /** Live branches that are being made from it. */
  branchesInTheMaking(uid: SnapshotUid): Promise<readonly BranchUid[]>
}

export interface SnapshotSchedule {
  readonly branchUid: BranchUid
  readonly cadences: readonly Cadence[]
  /** The timer is this row. `undefined`: there is no cadence. */
  readonly nextTime: EpochMs | undefined
}

export interface SnapshotSchedules {
  of(branch: BranchUid): Promise<SnapshotSchedule | undefined>
  /** Replaces it, also one that is not there. */
  set(schedule: SnapshotSchedule): Promise<void>
  /** Of live branches of live projects. */
  due(now: EpochMs): Promise<readonly Pick<Branch, 'uid' | 'projectUid'>[]>
}
