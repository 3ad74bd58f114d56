/** The actions with their services bound, and the kinds of operation that carry them out. */
import type { Engine } from '../operations/engine.ts'
import type { Kind } from '../operations/kind.ts'
import {
  createAccessToken,
  createClientSecret,
  deleteAccessToken,
  deleteClientSecret,
  getAccessToken,
  listAccessTokens,
  listClientSecrets,
  verifyClientSecret,
} from './access-tokens.ts'
import type { Actions, Caller } from './actions.ts'
import { actorOf, begin, originOf } from './audit-entry.ts'
import { type Audited, auditTable } from './audit-table.ts'
import { audited } from './audited.ts'
import { authenticate } from './authenticate.ts'
import { backUpBranch, backUpBranchKind } from './back-up-branch.ts'
import { bindBranch, listBindings, noteFindings, previewFindings } from './bindings.ts'
import { cancelOperation } from './cancel-operation.ts'
import {
  deleteProject,
  deleteProjectKind,
  undeleteProject,
  undeleteProjectKind,
  updateProject,
} from './change-project.ts'
import { collectBranch } from './collect-branch.ts'
import { getComputeInstance, listComputeInstances } from './compute-instances.ts'
import { createBranch, createBranchKind } from './create-branch.ts'
import { createEndpoint, createEndpointKind } from './create-endpoint.ts'
import { createProject, createProjectKind } from './create-project.ts'
import { createSnapshot, createSnapshotKind } from './create-snapshot.ts'
import { createCredential } from './credentials.ts'
import {
  createDatabase,
  deleteDatabase,
  getDatabase,
  listDatabases,
  updateDatabase,
} from './databases.ts'
import { deleteBranch, deleteBranchKind } from './delete-branch.ts'
import { deleteEndpoint, deleteEndpointKind } from './delete-endpoint.ts'
import { deleteSnapshot, deleteSnapshotKind } from './delete-snapshot.ts'
import { exportBranch } from './export-branch.ts'
import type { Prepared } from './fleet.ts'
import { createGroup, deleteGroup, getGroup, listGroups, updateGroup } from './groups.ts'
import {
  createIdentity,
  deleteIdentity,
  getIdentity,
  getMe,
  listIdentities,
  updateIdentity,
} from './identities.ts'
import { importBranch } from './import-branch.ts'
import { importBranchKind } from './import-kind.ts'
import { getAccess, setAccess } from './permissions.ts'
import { previewReset, previewRestore } from './preview-reset.ts'
import {
  getBranch,
  getEndpoint,
  getOperation,
  getProject,
  listBranches,
  listEndpoints,
  listProjects,
} from './read.ts'
import { listAudit, verifyAudit } from './read-audit.ts'
import { listBackups, verifyBackups, verifyBackupsKind } from './read-backups.ts'
import { getSnapshot, listSnapshots } from './read-snapshots.ts'
import { replaceVolumeKinds } from './replace-volume.ts'
import { resetBranch, restoreBranch } from './reset-branch.ts'
import { restoreBackup, restoreBackupKind } from './restore-backup.ts'
import { roleAndDatabaseKinds } from './role-kinds.ts'
import {
  createRole,
  deleteRole,
  getRole,
  listRoles,
  renewRolePassword,
  updateRole,
} from './roles.ts'
import type { Services } from './services.ts'
import { createSetupLink } from './sign-in.ts'
import { getSnapshotSchedule, updateSnapshotSchedule } from './snapshot-schedule.ts'
import { getTtlPolicy, setTtlPolicy } from './ttl-policy.ts'
import { undeleteBranch, undeleteBranchKind } from './undelete-branch.ts'
import { updateBranch } from './update-branch.ts'
import { updateEndpoint, updateEndpointKind } from './update-endpoint.ts'
import { upgradeBranch, upgradeBranchKind } from './upgrade-branch.ts'
import { verifyBranch, verifyBranchKind } from './verify-branch.ts'
import { createWebhook, deleteWebhook, listWebhooks } from './webhooks.ts'

export const createKinds = (services: Services, prepared: Prepared): readonly Kind[] => [
  createProjectKind(services, prepared),
  deleteProjectKind(services),
  undeleteProjectKind(services),
  createBranchKind(services, prepared),
  deleteBranchKind(services),
  undeleteBranchKind(services),
  ...replaceVolumeKinds(services),
  importBranchKind(services, prepared),
  verifyBranchKind(services),
  upgradeBranchKind(services, prepared),
  createEndpointKind(services),
  updateEndpointKind(services),
  createSnapshotKind(services),
  deleteSnapshotKind(services),
  deleteEndpointKind(services),
  backUpBranchKind(services),
  verifyBackupsKind(services),
  restoreBackupKind(services, prepared),
  ...roleAndDatabaseKinds(services),
]

/** Each verb, audited as its line in the table says. */
export function createActions(services: Services, prepared: Prepared, engine: Engine): Actions {
  const plain = bind(services, prepared, engine)
  const verbs = Object.keys(plain) as (keyof Actions)[]
  return Object.fromEntries(
    verbs.map((verb) => {
      const spec = auditTable[verb] as 'read' | Audited<readonly unknown[], unknown>
      if (spec === 'read') return [verb, plain[verb]]
      const call = (caller: Caller, ...asked: readonly unknown[]) => {
        const who = { actor: actorOf(caller), origin: originOf(caller), time: services.clock.now() }
        const begun = begin(spec.action, spec.about(...asked), who)
        const act = spec.told === undefined ? { begun } : { begun, told: spec.told }
        return audited(services, act, (own) => {
          const run = bind(own, prepared, engine)[verb] as (
            ...args: readonly unknown[]
          ) => Promise<unknown>
          return run(caller, ...asked)
        })
      }
      return [verb, call]
    }),
  ) as unknown as Actions
}

const bind = (services: Services, prepared: Prepared, engine: Engine): Actions => ({
  authenticate: (token) => authenticate(services, token),
  verifyClientSecret: (clientId, secret) => verifyClientSecret(services, clientId, secret),

  createProject: (caller, input) => createProject(services, caller, input),
  getProject: (caller, path) => getProject(services, caller, path),
  listProjects: (caller, page) => listProjects(services, caller, page),
  updateProject: (caller, path, spec) => updateProject(services, caller, path, spec),
  deleteProject: (caller, path, options) => deleteProject(services, caller, path, options),
  undeleteProject: (caller, path) => undeleteProject(services, caller, path),

  createBranch: (caller, input) => createBranch(services, caller, input),
  getBranch: (caller, path) => getBranch(services, caller, path),
  listBranches: (caller, path, page) => listBranches(services, caller, path, page),
  updateBranch: (caller, path, spec) => updateBranch(services, caller, path, spec),
  deleteBranch: (caller, path, options) => deleteBranch(services, caller, path, options),
  undeleteBranch: (caller, path) => undeleteBranch(services, caller, path),
  resetBranch: (caller, path) => resetBranch(services, caller, path),
  previewReset: (caller, path) => previewReset(services, caller, path),
  restoreBranch: (caller, path, to) => restoreBranch(services, caller, path, to),
  previewRestore: (caller, path, to) => previewRestore(services, caller, path, to),
  verifyBranch: (caller, path) => verifyBranch(services, caller, path),
  upgradeBranch: (caller, input) => upgradeBranch(services, caller, input),

  getTtlPolicy: (caller, path) => getTtlPolicy(services, caller, path),
  setTtlPolicy: (caller, path, rules) => setTtlPolicy(services, caller, path, rules),

  createWebhook: (caller, path, input) => createWebhook(services, caller, path, input),
  listWebhooks: (caller, path) => listWebhooks(services, caller, path),
  deleteWebhook: (caller, path, uid) => deleteWebhook(services, caller, path, uid),

  bindBranch: (caller, path, to) => bindBranch(services, caller, path, to),
  listBindings: (caller, path, page) => listBindings(services, caller, path, page),
  previewFindings: (caller, path, input) => previewFindings(services, caller, path, input),
  noteFindings: (caller, path, input) => noteFindings(services, caller, path, input),
  collectBranch: (caller, path, options) => collectBranch(services, caller, path, options),

  importBranch: (caller, input) => importBranch(services, caller, input),
  exportBranch: (caller, path) => exportBranch(services, caller, path),

  createEndpoint: (caller, input) => createEndpoint(services, caller, input),
  getEndpoint: (caller, path) => getEndpoint(services, caller, path),
  listEndpoints: (caller, path, page) => listEndpoints(services, caller, path, page),
  updateEndpoint: (caller, path, spec) => updateEndpoint(services, caller, path, spec),
  deleteEndpoint: (caller, path) => deleteEndpoint(services, caller, path),
  listComputeInstances: (caller, path, page) => listComputeInstances(services, caller, path, page),
  getComputeInstance: (caller, path, id) => getComputeInstance(services, caller, path, id),

  backUpBranch: (caller, path, input) => backUpBranch(services, caller, path, input),
  listBackups: (caller, place) => listBackups(services, caller, place),
  verifyBackups: (caller, place) => verifyBackups(services, caller, place),
  restoreBackup: (caller, input) => restoreBackup(services, caller, input),

  createRole: (caller, input) => createRole(services, prepared, caller, input),
  getRole: (caller, path) => getRole(services, prepared, caller, path),
  listRoles: (caller, path, page) => listRoles(services, prepared, caller, path, page),
  updateRole: (caller, path, changes) => updateRole(services, prepared, caller, path, changes),
  deleteRole: (caller, path, options) => deleteRole(services, prepared, caller, path, options),
  renewRolePassword: (caller, path) => renewRolePassword(services, prepared, caller, path),

  createDatabase: (caller, input) => createDatabase(services, prepared, caller, input),
  getDatabase: (caller, path) => getDatabase(services, prepared, caller, path),
  listDatabases: (caller, path, page) => listDatabases(services, prepared, caller, path, page),
  updateDatabase: (caller, path, spec) => updateDatabase(services, prepared, caller, path, spec),
  deleteDatabase: (caller, path) => deleteDatabase(services, prepared, caller, path),

  createSnapshot: (caller, input) => createSnapshot(services, caller, input),
  getSnapshot: (caller, path) => getSnapshot(services, caller, path),
  listSnapshots: (caller, path, page) => listSnapshots(services, caller, path, page),
  deleteSnapshot: (caller, path) => deleteSnapshot(services, caller, path),
  getSnapshotSchedule: (caller, path) => getSnapshotSchedule(services, caller, path),
  updateSnapshotSchedule: (caller, path, cadences) =>
    updateSnapshotSchedule(services, caller, path, cadences),

  getOperation: (caller, resource, uid) => getOperation(services, engine, caller, resource, uid),
  cancelOperation: (caller, resource, uid) =>
    cancelOperation(services, engine, caller, resource, uid),
  createCredential: (caller, input) => createCredential(services, caller, input),

  getMe: (caller) => getMe(services, caller),
  createIdentity: (caller, input) => createIdentity(services, caller, input),
  getIdentity: (caller, kind, uid) => getIdentity(services, caller, kind, uid),
  listIdentities: (caller, kind) => listIdentities(services, caller, kind),
  updateIdentity: (caller, kind, uid, changes) =>
    updateIdentity(services, caller, kind, uid, changes),
  deleteIdentity: (caller, kind, uid) => deleteIdentity(services, caller, kind, uid),

  createGroup: (caller, input) => createGroup(services, caller, input),
  getGroup: (caller, uid) => getGroup(services, caller, uid),
  listGroups: (caller) => listGroups(services, caller),
  updateGroup: (caller, uid, changes) => updateGroup(services, caller, uid, changes),
  deleteGroup: (caller, uid) => deleteGroup(services, caller, uid),

  createAccessToken: (caller, input) => createAccessToken(services, caller, input),
  listAccessTokens: (caller, options) => listAccessTokens(services, caller, options),
  getAccessToken: (caller, tokenId) => getAccessToken(services, caller, tokenId),
  deleteAccessToken: (caller, tokenId) => deleteAccessToken(services, caller, tokenId),

  createClientSecret: (caller, servicePrincipal, input) =>
    createClientSecret(services, caller, servicePrincipal, input),
  listClientSecrets: (caller, servicePrincipal) =>
    listClientSecrets(services, caller, servicePrincipal),
  deleteClientSecret: (caller, servicePrincipal, secretId) =>
    deleteClientSecret(services, caller, servicePrincipal, secretId),

  createSetupLink: (caller, loginName) => createSetupLink(services, caller, loginName),

  getAccess: (caller, project) => getAccess(services, caller, project),
  setAccess: (caller, project, entries, options) =>
    setAccess(services, caller, project, entries, options),

  listAudit: (caller, filter, page) => listAudit(services, caller, filter, page),
  verifyAudit: (caller, kept) => verifyAudit(services, caller, kept),
})
