/**
 * What the audit log says of each action. The type asks for every method of `Actions`: one that is
 * added is either a read or says here what it is called and what it is about.
 */
import { type AuditDetails, changedFields } from '../domain/audit.ts'
import { formatLsn } from '../domain/lsn.ts'
import {
  branchName,
  type DatabaseId,
  databaseName,
  endpointName,
  printable,
  projectName,
  type RoleId,
  roleName,
  snapshotName,
} from '../domain/names.ts'
import type { OperationResource } from '../domain/operation.ts'
import { rfc3339, rfc3339Micros } from '../lib/time.ts'
import type { Actions, RestorePoint } from './actions.ts'
import type { About } from './audit-entry.ts'

type Rest<K extends keyof Actions> =
  Parameters<Actions[K]> extends readonly [unknown, ...infer R] ? R : never
type Result<K extends keyof Actions> = Awaited<ReturnType<Actions[K]>>

export interface Audited<R extends readonly unknown[], T> {
  /** A verb and its object in kebab-case. */
  readonly action: string
  /** From what was asked: also told of what is refused. Names of fields, never a secret. */
  readonly about: (...asked: R) => About
  /** What is known only when it is done. */
  readonly told?: (result: T) => Partial<About>
}

/** An id that the server chooses is known by the operation. */
const namedBy = ({ name }: OperationResource): Partial<About> => ({
  resource: name.split('/operations/')[0] ?? name,
})
const saidOf = (to: RestorePoint): AuditDetails => {
  if (to.kind === 'snapshot') return { snapshot: to.snapshot }
  return to.kind === 'time' ? { time: rfc3339Micros(to.time) } : { lsn: formatLsn(to.lsn) }
}
const chosen = '-'

export const auditTable: {
  readonly [K in keyof Actions]: 'read' | Audited<Rest<K>, Result<K>>
} = {
  // A proof that is refused is noted by the edge, which knows from where it came.
  authenticate: 'read',
  verifyClientSecret: 'read',

  createProject: {
    action: 'create-project',
    about: ({ projectId, spec, initialBranch, initialEndpoint }) => ({
      resource: projectName(projectId),
      changed: [
        ...changedFields(spec),
        ...changedFields(initialBranch, 'initial_branch.'),
        ...changedFields(initialEndpoint, 'initial_endpoint.'),
      ],
    }),
  },
  getProject: 'read',
  listProjects: 'read',
  updateProject: {
    action: 'update-project',
    about: ({ project }, spec) => ({
      resource: projectName(project),
      changed: changedFields(spec),
    }),
  },
  deleteProject: {
    action: 'delete-project',
    about: ({ project }, { purge }) => ({ resource: projectName(project), details: { purge } }),
  },
  undeleteProject: {
    action: 'undelete-project',
    about: ({ project }) => ({ resource: projectName(project) }),
  },

  importBranch: {
    action: 'import-branch',
    // Never where from: the address holds a password.
    about: ({ project, branchId, spec: { source: _, ...spec } }) => ({
      resource: branchName(project, branchId),
      changed: changedFields(spec),
      details: { schema_only: spec.schemaOnly },
    }),
  },
  exportBranch: {
    action: 'export-branch',
    about: ({ project, branch }) => ({ resource: branchName(project, branch) }),
  },
  createBranch: {
    action: 'create-branch',
    about: ({ project, branchId, spec, replaceExisting }) => ({
      resource: branchName(project, branchId),
      changed: changedFields(spec),
      details: replaceExisting ? { replace_existing: true } : {},
    }),
  },
  getBranch: 'read',
  listBranches: 'read',
  updateBranch: {
    action: 'update-branch',
    about: ({ project, branch }, spec) => ({
      resource: branchName(project, branch),
      changed: changedFields(spec),
    }),
  },
  deleteBranch: {
    action: 'delete-branch',
    about: ({ project, branch }, { purge }) => ({
      resource: branchName(project, branch),
      details: { purge },
    }),
  },
  undeleteBranch: {
    action: 'undelete-branch',
    about: ({ project, branch }) => ({ resource: branchName(project, branch) }),
  },
  upgradeBranch: {
    action: 'upgrade-branch',
    about: ({ source, branchId, pgVersion }) => ({
      resource: branchName(source.project, branchId),
      details: { source_branch: branchName(source.project, source.branch), pg_version: pgVersion },
    }),
  },
  verifyBranch: {
    action: 'verify-branch',
    about: ({ project, branch }) => ({ resource: branchName(project, branch) }),
  },

  resetBranch: {
    action: 'reset-branch',
    about: ({ project, branch }) => ({ resource: branchName(project, branch) }),
  },
  previewReset: 'read',
  restoreBranch: {
    action: 'restore-branch',
    about: ({ project, branch }, to) => ({
      resource: branchName(project, branch),
      details: saidOf(to),
    }),
  },
  previewRestore: 'read',

  getTtlPolicy: 'read',
  setTtlPolicy: {
    action: 'set-ttl-policy',
    about: ({ project }, rules) => ({
      resource: `${projectName(project)}/ttl-policy`,
      changed: ['rules'],
      details: { rules: rules.length },
    }),
  },
  createWebhook: {
    action: 'create-webhook',
    // Never its address: there may be a token in it.
    about: ({ project }) => ({ resource: `${projectName(project)}/webhooks/${chosen}` }),
    told: ({ webhook }) => ({ resource: webhook.name }),
  },
  listWebhooks: 'read',
  deleteWebhook: {
    action: 'delete-webhook',
    about: ({ project }, uid) => ({
      resource: `${projectName(project)}/webhooks/${printable(uid)}`,
    }),
  },
  bindBranch: {
    action: 'bind-branch',
    about: ({ project, branch }, { host, gitDir, isOwn }) => ({
      resource: branchName(project, branch),
      details: { host: printable(host), git_dir: printable(gitDir), is_own: isOwn },
    }),
  },
  listBindings: 'read',
  previewFindings: 'read',
  noteFindings: {
    action: 'note-findings',
    about: ({ project }, { findings }) => ({
      resource: projectName(project),
      details: { bindings: findings.length },
    }),
  },
  collectBranch: {
    action: 'collect-branch',
    about: ({ project, branch }) => ({ resource: branchName(project, branch) }),
  },

  createEndpoint: {
    action: 'create-endpoint',
    about: ({ branch: { project, branch }, endpointId, spec, replaceExisting }) => ({
      resource: endpointName(project, branch, endpointId),
      changed: changedFields(spec),
      details: replaceExisting ? { replace_existing: true } : {},
    }),
  },
  getEndpoint: 'read',
  listComputeInstances: 'read',
  getComputeInstance: 'read',
  listEndpoints: 'read',
  updateEndpoint: {
    action: 'update-endpoint',
    about: ({ project, branch, endpoint }, spec) => ({
      resource: endpointName(project, branch, endpoint),
      changed: changedFields(spec),
    }),
  },
  deleteEndpoint: {
    action: 'delete-endpoint',
    about: ({ project, branch, endpoint }) => ({
      resource: endpointName(project, branch, endpoint),
    }),
  },

  backUpBranch: {
    action: 'create-backup',
    about: ({ project, branch }, { to, isFull }) => ({
      resource: branchName(project, branch),
      details: { to: printable(to.place), full: isFull },
    }),
  },
  listBackups: 'read',
  verifyBackups: {
    action: 'verify-backups',
    about: ({ place }) => ({ resource: 'backups', details: { from: printable(place) } }),
  },
  restoreBackup: {
    action: 'restore-backup',
    about: ({ from, into }) => ({
      resource: into === undefined ? 'backups' : branchName(into.project, into.branch),
      details: { from: printable(from.place) },
    }),
    told: namedBy,
  },

  createRole: {
    action: 'create-role',
    about: ({ branch: { project, branch }, roleId, spec, replaceExisting }) => ({
      resource: roleName(project, branch, roleId ?? (chosen as RoleId)),
      changed: changedFields(spec),
      details: replaceExisting ? { replace_existing: true } : {},
    }),
    told: namedBy,
  },
  getRole: 'read',
  listRoles: 'read',
  updateRole: {
    action: 'update-role',
    about: ({ project, branch, role }, changes) => ({
      resource: roleName(project, branch, role),
      changed: changedFields(changes),
    }),
  },
  deleteRole: {
    action: 'delete-role',
    about: ({ project, branch, role }, { reassignOwnedTo }) => ({
      resource: roleName(project, branch, role),
      details:
        reassignOwnedTo === undefined ? {} : { reassign_owned_to: printable(reassignOwnedTo) },
    }),
  },
  renewRolePassword: {
    action: 'renew-role-password',
    about: ({ project, branch, role }) => ({ resource: roleName(project, branch, role) }),
  },

  createDatabase: {
    action: 'create-database',
    about: ({ branch: { project, branch }, databaseId, spec, replaceExisting }) => ({
      resource: databaseName(project, branch, databaseId ?? (chosen as DatabaseId)),
      changed: changedFields(spec),
      details: replaceExisting ? { replace_existing: true } : {},
    }),
    told: namedBy,
  },
  getDatabase: 'read',
  listDatabases: 'read',
  updateDatabase: {
    action: 'update-database',
    about: ({ project, branch, database }, spec) => ({
      resource: databaseName(project, branch, database),
      changed: changedFields(spec),
    }),
  },
  deleteDatabase: {
    action: 'delete-database',
    about: ({ project, branch, database }) => ({
      resource: databaseName(project, branch, database),
    }),
  },

  createSnapshot: {
    action: 'create-snapshot',
    about: ({ project, snapshotId, spec }) => ({
      resource: snapshotName(project, snapshotId),
      changed: changedFields(spec),
    }),
  },
  getSnapshot: 'read',
  listSnapshots: 'read',
  deleteSnapshot: {
    action: 'delete-snapshot',
    about: ({ project, snapshot }) => ({ resource: snapshotName(project, snapshot) }),
  },
  getSnapshotSchedule: 'read',
  updateSnapshotSchedule: {
    action: 'update-snapshot-schedule',
    about: ({ project, branch }, cadences) => ({
      resource: `${branchName(project, branch)}/snapshot-schedule`,
      changed: cadences === undefined ? [] : ['schedule'],
    }),
  },

  getOperation: 'read',
  cancelOperation: {
    action: 'cancel-operation',
    about: (resource, uid) => ({
      resource: printable(resource),
      details: { operation: printable(uid) },
    }),
  },
  createCredential: {
    action: 'create-credential',
    about: ({ endpoint, narrowing, groupName }) => ({
      resource: printable(endpoint),
      details: {
        ...(groupName === undefined ? {} : { group: printable(groupName) }),
        ...(narrowing === undefined
          ? {}
          : {
              permission: narrowing.permission,
              ...(narrowing.tables === undefined ? {} : { tables: narrowing.tables.slice(0, 100) }),
            }),
      },
    }),
    told: ({ tokenId, expireTime }) => ({
      details: { token_id: tokenId, expire_time: rfc3339(expireTime) },
    }),
  },

  createIdentity: {
    action: 'create-identity',
    about: ({ kind, loginName, isActive }) => ({
      resource: `identities/${printable(loginName)}`,
      details: { kind, ...(isActive === false ? { active: false } : {}) },
    }),
    told: ({ uid }) => ({ resourceUid: uid }),
  },
  getMe: 'read',
  getIdentity: 'read',
  listIdentities: 'read',
  deleteIdentity: {
    action: 'delete-identity',
    about: (_kind, uid) => ({
      resource: `identities/${printable(uid)}`,
      resourceUid: printable(uid),
    }),
    told: (removed) => ({ resource: `identities/${removed.loginName}` }),
  },
  updateIdentity: {
    action: 'update-identity',
    about: (_kind, uid, { profile, ...changes }) => ({
      resource: `identities/${printable(uid)}`,
      resourceUid: printable(uid),
      changed: [...changedFields(changes), ...(profile === undefined ? [] : ['profile'])],
      details: changes.isActive === undefined ? {} : { active: changes.isActive },
    }),
    told: ({ loginName }) => ({ resource: `identities/${loginName}` }),
  },

  createGroup: {
    action: 'create-group',
    about: ({ name, members }) => ({
      resource: `groups/${printable(name)}`,
      details: { members: members.slice(0, 100).map(printable) },
    }),
    told: ({ uid }) => ({ resourceUid: uid }),
  },
  getGroup: 'read',
  listGroups: 'read',
  updateGroup: {
    action: 'update-group',
    about: (uid, { profile, add, remove }) => ({
      resource: `groups/${printable(uid)}`,
      resourceUid: printable(uid),
      changed: profile === undefined ? [] : ['profile'],
      details: {
        added: add.slice(0, 100).map(printable),
        removed: remove.slice(0, 100).map(printable),
      },
    }),
    told: ({ loginName }) => ({ resource: `groups/${loginName}` }),
  },
  deleteGroup: {
    action: 'delete-group',
    about: (uid) => ({ resource: `groups/${printable(uid)}`, resourceUid: printable(uid) }),
    told: (removed) => ({ resource: `groups/${removed.loginName}` }),
  },

  createAccessToken: {
    action: 'create-access-token',
    // Its comment is free text: somebody may have put a secret there.
    about: ({ forLogin, lifetime }) => ({
      resource: 'access-tokens',
      details: {
        ...(forLogin === undefined ? {} : { for: printable(forLogin) }),
        ...(lifetime === undefined ? {} : { lifetime_seconds: Math.floor(lifetime / 1000) }),
      },
    }),
    told: ({ tokenId }) => ({ resource: `access-tokens/${tokenId}`, resourceUid: tokenId }),
  },
  listAccessTokens: 'read',
  getAccessToken: 'read',
  deleteAccessToken: {
    action: 'delete-access-token',
    about: (tokenId) => ({
      resource: `access-tokens/${printable(tokenId)}`,
      resourceUid: printable(tokenId),
    }),
  },

  createClientSecret: {
    action: 'create-client-secret',
    about: (servicePrincipal, { lifetime }) => ({
      resource: `identities/${printable(servicePrincipal)}/secrets`,
      details: lifetime === undefined ? {} : { lifetime_seconds: Math.floor(lifetime / 1000) },
    }),
    told: ({ secretId, identityUid, expireTime }) => ({
      resource: `identities/${identityUid}/secrets/${secretId}`,
      resourceUid: secretId,
      details: expireTime === undefined ? {} : { expire_time: rfc3339(expireTime) },
    }),
  },
  listClientSecrets: 'read',
  deleteClientSecret: {
    action: 'delete-client-secret',
    about: (servicePrincipal, secretId) => ({
      resource: `identities/${printable(servicePrincipal)}/secrets/${printable(secretId)}`,
      resourceUid: printable(secretId),
    }),
  },

  createSetupLink: {
    action: 'create-setup-link',
    about: (loginName) => ({ resource: `identities/${printable(loginName)}` }),
    told: ({ identity, expireTime }) => ({
      resourceUid: identity.uid,
      details: { expire_time: rfc3339(expireTime) },
    }),
  },

  getAccess: 'read',
  setAccess: {
    action: 'set-access',
    about: (project, entries, { replace }) => ({
      resource: projectName(project),
      details: {
        replace,
        access: entries.slice(0, 100).map(({ name, level }) => `${printable(name)} ${level}`),
      },
    }),
  },

  listAudit: 'read',
  verifyAudit: 'read',
}
