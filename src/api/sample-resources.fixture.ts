/** One of each resource, rendered by the product: what recording actions answer. */
import type { BranchPlan } from '../actions/bindings.ts'
import { renderBinding } from '../domain/binding.ts'
import { renderBranch } from '../domain/branch.ts'
import { renderComputeInstance } from '../domain/compute-instance.ts'
import { renderDatabase } from '../domain/database.ts'
import { type EndpointView, renderEndpoint } from '../domain/endpoint.ts'
import { lsn } from '../domain/lsn.ts'
import type {
  BindingUid,
  BranchId,
  BranchUid,
  DatabaseId,
  EndpointId,
  EndpointUid,
  IdentityUid,
  OperationUid,
  ProjectId,
  ProjectUid,
  RoleId,
  SnapshotId,
  SnapshotUid,
  VolumeUid,
} from '../domain/names.ts'
import { branchName } from '../domain/names.ts'
import { empty, type OperationSubject, renderOperation } from '../domain/operation.ts'
import { projectDefaults, renderProject } from '../domain/project.ts'
import { renderPreview } from '../domain/reset-preview.ts'
import { renderRole } from '../domain/role.ts'
import { renderSnapshot } from '../domain/snapshot.ts'
import { renderCadence } from '../domain/snapshot-cadence.ts'
import { renderWebhook } from '../domain/webhook.ts'
import { epochMs, millis, toMicros } from '../lib/time.ts'

const projectId = 'app' as ProjectId
const branchId = 'dev' as BranchId
const snapshotId = 'before-release' as SnapshotId
const projectUid = '7b1d0f0e-0000-4000-8000-00000000000a' as ProjectUid
const branchUid = 'br-calm-lake-a1b2c3d4' as BranchUid
const moment = epochMs(1_800_000_000_000)

export const sampleProject = renderProject({
  project: {
    uid: projectUid,
    projectId,
    displayName: 'App',
    pgVersion: 17,
    ownerUid: '7b1d0f0e-0000-4000-8000-000000000001' as IdentityUid,
    historyRetention: projectDefaults.historyRetention,
    defaultBranchUid: branchUid,
    endpointDefaults: { ...projectDefaults.endpoint, pgSettings: { work_mem: '8MB' } },
    enablePgNativeLogin: false,
    customTags: [{ key: 'team', value: 'data' }],
    budgetPolicyId: 'policy',
    createTime: moment,
    updateTime: moment,
    deleteTime: moment,
    purgeTime: moment,
  },
  owner: 'jane.doe@example.com',
  defaultBranchId: branchId,
  lastActiveTime: moment,
  branchLogicalSizeLimit: 8_796_093_022_208,
})

export const sampleBranch = renderBranch({
  branch: {
    uid: branchUid,
    projectUid,
    volumeUid: branchUid as string as VolumeUid,
    begin: undefined,
    branchId,
    state: 'INIT',
    pendingState: 'READY',
    stateChangeTime: moment,
    isProtected: false,
    isImported: false,
    durability: 'durable',
    slidingTtl: millis(3_600_000),
    isHeldBySessions: true,
    logicalSizeBytes: 8_796_093_022_208,
    expireTime: moment,
    sourceBranchUid: branchUid,
    sourceBranchId: branchId,
    sourceLsn: lsn(0x16_b374_d848n),
    sourceTime: toMicros(moment),
    sourcePoint: undefined,
    sourceSnapshotUid: 'sn-calm-lake-a1b2c3d4' as SnapshotUid,
    sourceSnapshotId: snapshotId,
    isRestored: false,
    windowStart: { time: toMicros(moment), lsn: lsn(0x16_b374_d000n) },
    historyBytes: 4_194_304,
    createdBy: '7b1d0f0e-0000-4000-8000-000000000001' as IdentityUid,
    createTime: moment,
    updateTime: moment,
    deleteTime: moment,
    purgeTime: moment,
  },
  projectId,
  isDefault: false,
})

const endpointView: EndpointView = {
  endpoint: {
    uid: 'ep-blue-fern-e5f6a7b8' as EndpointUid,
    branchUid,
    endpointId: 'primary' as EndpointId,
    type: 'ENDPOINT_TYPE_READ_WRITE',
    life: 'READY',
    minCu: 0.5,
    maxCu: 2,
    isDisabled: false,
    suspendTimeout: projectDefaults.endpoint.suspendTimeout,
    pgSettings: { work_mem: '8MB' },
    address: '127.88.0.1',
    lastActiveTime: moment,
    suspendTime: undefined,
    createTime: moment,
    updateTime: moment,
  },
  projectId,
  branchId,
  state: 'IDLE',
  pendingState: 'ACTIVE',
  host: 'ep-blue-fern-e5f6a7b8.localhost',
}
export const sampleEndpoint = renderEndpoint(endpointView)
export const sampleInstance = renderComputeInstance(endpointView, moment)

const path = { project: projectId, branch: branchId }
const made = { createdBy: undefined, madeBy: undefined, createTime: moment, updateTime: moment }
export const sampleRole = renderRole(
  {
    oid: 16384,
    roleId: 'jane-doe' as RoleId,
    postgresRole: 'jane.doe@example.com',
    identityType: 'USER',
    canLogin: true,
    attributes: { createdb: true, createrole: true, bypassrls: true },
    isSuperuserMember: true,
    isManager: true,
    ...made,
  },
  path,
)
export const sampleDatabase = renderDatabase(
  {
    oid: 16385,
    databaseId: 'databricks-postgres' as DatabaseId,
    postgresDatabase: 'databricks_postgres',
    ownerId: 'jane-doe' as RoleId,
    ...made,
  },
  path,
)

export const sampleSnapshot = renderSnapshot({
  snapshot: {
    uid: 'sn-calm-lake-a1b2c3d4' as SnapshotUid,
    projectUid,
    volumeUid: 'sn-calm-lake-a1b2c3d4' as VolumeUid,
    snapshotId,
    state: 'AVAILABLE',
    isAutomatic: false,
    sourceBranchUid: branchUid,
    sourceBranchId: branchId,
    isOfProtected: false,
    sourceTime: moment,
    expireTime: moment,
    fullSizeBytes: 8_796_093_022_208,
    diffSizeBytes: 0,
    createdBy: '7b1d0f0e-0000-4000-8000-000000000001' as IdentityUid,
    createTime: moment,
  },
  projectId,
})

export const sampleSnapshotSchedule = {
  name: 'projects/app/branches/dev/snapshot-schedule',
  schedule: [
    renderCadence({
      retention: projectDefaults.historyRetention,
      every: { kind: 'week', dayOfWeek: 'SUNDAY', hour: 3 },
    }),
  ],
}

/** Finished; without a response it was a delete. */
export const sampleOperation = (
  subject: OperationSubject,
  response: Readonly<Record<string, unknown>> = empty,
) =>
  renderOperation({
    uid: '8c1f0d4e-0000-4000-8000-000000000001' as OperationUid,
    resource: 'projects/app',
    subject,
    outcome: { kind: 'succeeded', response },
  })

export const sampleResetPreview = renderPreview(
  { project: projectId, branch: branchId },
  { kind: 'source', branchId },
  { since: moment, written: { transactions: 3, walBytes: 4096 }, sessions: 1 },
)

export const sampleBinding = renderBinding(
  {
    uid: '0193a5c0-0000-7000-8000-000000000000' as BindingUid,
    branchUid,
    host: 'laptop/3f9a01bc77e0',
    gitDir: '/home/ann/app/.git/worktrees/pay',
    commonDir: '/home/ann/app/.git',
    root: '/home/ann/pay',
    device: '2049',
    rootDevice: '2049',
    gitRef: 'refs/heads/pay',
    commit: '9'.repeat(40),
    repository: 'https://example.com/app.git',
    pullRequest: 'https://example.com/app/pull/7',
    agent: 'codex',
    process: '100:200:300',
    isOwn: true,
    boundBy: '100' as IdentityUid,
    createTime: moment,
    updateTime: moment,
    gone: { since: moment, what: 'REF_GONE' },
  },
  { projectId, branchId },
)

export const samplePlans: readonly BranchPlan[] = [
  { branch: branchName(projectId, branchId), plan: { act: 'collect', because: 'REF_GONE' } },
  {
    branch: branchName(projectId, branchId),
    plan: { act: 'wait', because: 'REF_GONE', until: moment },
  },
  { branch: branchName(projectId, branchId), plan: { act: 'keep', because: 'BOUND' } },
]

export const sampleTtlPolicy = {
  name: 'projects/app/ttl-policy',
  rules: [{ match: 'pr-*', default_ttl: '21600s', max_ttl: '259200s', who: ['bots'] }],
}

export const sampleWebhook = renderWebhook(
  {
    uid: '0193a5c0-0000-7000-8000-000000000000',
    projectUid,
    url: 'https://example.com/lakelet',
    sealedSecret: 'sealed',
    createdBy: '100' as IdentityUid,
    createTime: moment,
    lastTime: moment,
    lastProblem: 'it answered 500',
    lost: 1,
  },
  'projects/app/webhooks/0193a5c0-0000-7000-8000-000000000000',
)
