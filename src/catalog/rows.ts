/** Rows to domain values and back. The database checked what it holds; these are the only casts. */
import type { Insertable, Selectable, Updateable } from 'kysely'
import type { Beginning, Branch, BranchState, Durability } from '../domain/branch.ts'
import type { Endpoint, EndpointLife, EndpointType } from '../domain/endpoint.ts'
import type { Identity, IdentityKind } from '../domain/identity.ts'
import { formatLsn, parseLsn } from '../domain/lsn.ts'
import type {
  BranchId,
  BranchUid,
  EndpointId,
  EndpointUid,
  IdentityUid,
  ProjectId,
  ProjectUid,
  SnapshotId,
  SnapshotUid,
  VolumeUid,
} from '../domain/names.ts'
import { formatPoint, parsePoint } from '../domain/point.ts'
import type { Principal, PrincipalKind } from '../domain/principal.ts'
import type { PostgresMajor, Project } from '../domain/project.ts'
import { type EpochMicros, type EpochMs, epochMicros, epochMs, millis } from '../lib/time.ts'
import type { BranchesTable, EndpointsTable, IdentitiesTable, ProjectsTable } from './schema.ts'

export const toDate = (moment: EpochMs): Date => new Date(moment)
export const toMoment = (date: Date): EpochMs => epochMs(date.getTime())
export const maybeDate = (moment: EpochMs | undefined): Date | null =>
  moment === undefined ? null : toDate(moment)
export const maybeMoment = (date: Date | null): EpochMs | undefined =>
  date === null ? undefined : toMoment(date)
export const maybeMicros = (value: string | null): EpochMicros | undefined =>
  value === null ? undefined : epochMicros(BigInt(value))
const maybeMillis = (value: string | null) => (value === null ? undefined : millis(Number(value)))

export const readIdentity = (row: Selectable<IdentitiesTable>): Identity => ({
  uid: row.uid as IdentityUid,
  kind: row.kind as IdentityKind,
  loginName: row.login_name,
  displayName: row.display_name,
  isAdmin: row.is_admin,
  isActive: row.is_active,
  createTime: toMoment(row.create_time),
})

/** Rows of `identities` hold groups as well. */
export const readPrincipal = (row: Selectable<IdentitiesTable>): Principal => ({
  ...readIdentity(row),
  kind: row.kind as PrincipalKind,
})

export const writeIdentity = (identity: Identity): Insertable<IdentitiesTable> => ({
  uid: identity.uid,
  kind: identity.kind,
  login_name: identity.loginName,
  display_name: identity.displayName,
  is_admin: identity.isAdmin,
  is_active: identity.isActive,
  create_time: toDate(identity.createTime),
})

export const readProject = (row: Selectable<ProjectsTable>): Project => ({
  uid: row.uid as ProjectUid,
  projectId: row.project_id as ProjectId,
  displayName: row.display_name,
  pgVersion: row.pg_version as PostgresMajor,
  ownerUid: row.owner_uid as IdentityUid,
  historyRetention: millis(Number(row.history_retention_ms)),
  defaultBranchUid: (row.default_branch_uid ?? undefined) as BranchUid | undefined,
  endpointDefaults: {
    minCu: row.min_cu,
    maxCu: row.max_cu,
    suspendTimeout: maybeMillis(row.suspend_timeout_ms),
    pgSettings: row.pg_settings,
  },
  enablePgNativeLogin: row.enable_pg_native_login,
  customTags: row.custom_tags,
  budgetPolicyId: row.budget_policy_id ?? undefined,
  createTime: toMoment(row.create_time),
  updateTime: toMoment(row.update_time),
  deleteTime: maybeMoment(row.delete_time),
  purgeTime: maybeMoment(row.purge_time),
})

export const writeProject = (project: Partial<Project>): Updateable<ProjectsTable> =>
  mapPresent(project, {
    uid: (v) => ({ uid: v }),
    projectId: (v) => ({ project_id: v }),
    displayName: (v) => ({ display_name: v }),
    pgVersion: (v) => ({ pg_version: v }),
    ownerUid: (v) => ({ owner_uid: v }),
    historyRetention: (v) => ({ history_retention_ms: v }),
    defaultBranchUid: (v) => ({ default_branch_uid: v ?? null }),
    endpointDefaults: (v) => ({
      min_cu: v.minCu,
      max_cu: v.maxCu,
      suspend_timeout_ms: v.suspendTimeout ?? null,
      pg_settings: JSON.stringify(v.pgSettings),
    }),
    enablePgNativeLogin: (v) => ({ enable_pg_native_login: v }),
    customTags: (v) => ({ custom_tags: JSON.stringify(v) }),
    budgetPolicyId: (v) => ({ budget_policy_id: v ?? null }),
    createTime: (v) => ({ create_time: toDate(v) }),
    updateTime: (v) => ({ update_time: toDate(v) }),
    deleteTime: (v) => ({ delete_time: maybeDate(v) }),
    purgeTime: (v) => ({ purge_time: maybeDate(v) }),
  })

export const readBranch = (row: Selectable<BranchesTable>): Branch => ({
  uid: row.uid as BranchUid,
  projectUid: row.project_uid as ProjectUid,
  volumeUid: row.volume_uid as VolumeUid,
  begin: readBeginning(row),
  branchId: row.branch_id as BranchId,
  state: row.state as BranchState,
  pendingState: (row.pending_state ?? undefined) as BranchState | undefined,
  stateChangeTime: toMoment(row.state_change_time),
  isProtected: row.is_protected,
  durability: row.durability as Durability,
  slidingTtl: maybeMillis(row.sliding_ttl_ms),
  isHeldBySessions: row.is_held_by_sessions,
  logicalSizeBytes: Number(row.logical_size_bytes),
  expireTime: maybeMoment(row.expire_time),
  sourceBranchUid: (row.source_branch_uid ?? undefined) as BranchUid | undefined,
  sourceBranchId: (row.source_branch_id ?? undefined) as BranchId | undefined,
  sourceLsn: row.source_lsn === null ? undefined : parseLsn(row.source_lsn),
  sourceTime: maybeMicros(row.source_time_us),
  sourcePoint: row.source_point === null ? undefined : parsePoint(row.source_point),
  sourceSnapshotUid: (row.source_snapshot_uid ?? undefined) as SnapshotUid | undefined,
  sourceSnapshotId: (row.source_snapshot_id ?? undefined) as SnapshotId | undefined,
  windowStart: readWindowStart(row),
  historyBytes: Number(row.history_bytes),
  isRestored: row.is_restored,
  isImported: row.is_imported,
  createdBy: row.created_by as IdentityUid,
  createTime: toMoment(row.create_time),
  updateTime: toMoment(row.update_time),
  deleteTime: maybeMoment(row.delete_time),
  purgeTime: maybeMoment(row.purge_time),
})

function readWindowStart(row: Selectable<BranchesTable>): Branch['windowStart'] {
  const time = maybeMicros(row.window_start_time_us)
  const lsn = parseLsn(row.window_start_lsn ?? '')
  return time === undefined || lsn === undefined ? undefined : { time, lsn }
}

function readBeginning(row: Selectable<BranchesTable>): Beginning | undefined {
  const [lsn, time] = [parseLsn(row.begin_lsn ?? ''), maybeMoment(row.begin_time)]
  if (lsn === undefined || row.begin_xid === null || time === undefined) return undefined
  return { lsn, xid: BigInt(row.begin_xid), time }
}

export const writeBranch = (branch: Partial<Branch>): Updateable<BranchesTable> =>
  mapPresent(branch, {
    uid: (v) => ({ uid: v }),
    projectUid: (v) => ({ project_uid: v }),
    volumeUid: (v) => ({ volume_uid: v }),
    begin: (v) => ({
      begin_lsn: v === undefined ? null : formatLsn(v.lsn),
      begin_xid: v === undefined ? null : String(v.xid),
      begin_time: maybeDate(v?.time),
    }),
    branchId: (v) => ({ branch_id: v }),
    state: (v) => ({ state: v }),
    pendingState: (v) => ({ pending_state: v ?? null }),
    stateChangeTime: (v) => ({ state_change_time: toDate(v) }),
    isProtected: (v) => ({ is_protected: v }),
    durability: (v) => ({ durability: v }),
    slidingTtl: (v) => ({ sliding_ttl_ms: v ?? null }),
    isHeldBySessions: (v) => ({ is_held_by_sessions: v }),
    logicalSizeBytes: (v) => ({ logical_size_bytes: v }),
    expireTime: (v) => ({ expire_time: maybeDate(v) }),
    sourceBranchUid: (v) => ({ source_branch_uid: v ?? null }),
    sourceBranchId: (v) => ({ source_branch_id: v ?? null }),
    sourceLsn: (v) => ({ source_lsn: v === undefined ? null : formatLsn(v) }),
    sourceTime: (v) => ({ source_time_us: v ?? null }),
    sourcePoint: (v) => ({ source_point: v === undefined ? null : formatPoint(v) }),
    sourceSnapshotUid: (v) => ({ source_snapshot_uid: v ?? null }),
    sourceSnapshotId: (v) => ({ source_snapshot_id: v ?? null }),
    windowStart: (v) => ({
      window_start_time_us: v?.time ?? null,
      window_start_lsn: v === undefined ? null : formatLsn(v.lsn),
    }),
    historyBytes: (v) => ({ history_bytes: v }),
    isRestored: (v) => ({ is_restored: v }),
    isImported: (v) => ({ is_imported: v }),
    createdBy: (v) => ({ created_by: v }),
    createTime: (v) => ({ create_time: toDate(v) }),
    updateTime: (v) => ({ update_time: toDate(v) }),
    deleteTime: (v) => ({ delete_time: maybeDate(v) }),
    purgeTime: (v) => ({ purge_time: maybeDate(v) }),
  })

export const readEndpoint = (row: Selectable<EndpointsTable>): Endpoint => ({
  uid: row.uid as EndpointUid,
  branchUid: row.branch_uid as BranchUid,
  endpointId: row.endpoint_id as EndpointId,
  type: row.type as EndpointType,
  life: row.life as EndpointLife,
  minCu: row.min_cu,
  maxCu: row.max_cu,
  isDisabled: row.is_disabled,
  suspendTimeout: maybeMillis(row.suspend_timeout_ms),
  pgSettings: row.pg_settings,
  address: row.address,
  lastActiveTime: maybeMoment(row.last_active_time),
  suspendTime: maybeMoment(row.suspend_time),
  createTime: toMoment(row.create_time),
  updateTime: toMoment(row.update_time),
})

export const writeEndpoint = (endpoint: Partial<Endpoint>): Updateable<EndpointsTable> =>
  mapPresent(endpoint, {
    uid: (v) => ({ uid: v }),
    branchUid: (v) => ({ branch_uid: v }),
    endpointId: (v) => ({ endpoint_id: v }),
    type: (v) => ({ type: v }),
    life: (v) => ({ life: v }),
    minCu: (v) => ({ min_cu: v }),
    maxCu: (v) => ({ max_cu: v }),
    isDisabled: (v) => ({ is_disabled: v }),
    suspendTimeout: (v) => ({ suspend_timeout_ms: v ?? null }),
    pgSettings: (v) => ({ pg_settings: JSON.stringify(v) }),
    address: (v) => ({ address: v }),
    lastActiveTime: (v) => ({ last_active_time: maybeDate(v) }),
    suspendTime: (v) => ({ suspend_time: maybeDate(v) }),
    createTime: (v) => ({ create_time: toDate(v) }),
    updateTime: (v) => ({ update_time: toDate(v) }),
  })

/** Columns of the fields that are there; a field that is there as `undefined` becomes NULL. */
export function mapPresent<T extends object, Row>(
  value: Partial<T>,
  columns: { readonly [K in keyof T]-?: (field: T[K]) => Row },
): Row {
  const row = {}
  for (const key of Object.keys(columns) as (keyof T)[]) {
    if (key in value) Object.assign(row, columns[key](value[key] as T[keyof T]))
  }
  return row as Row
}
