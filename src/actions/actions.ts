/**
 * The verbs of the product, one file each beside this one. Edges call these and nothing else. Every
 * write answers with its operation; a refusal that can be known at once is thrown at once.
 */
import type { BackupListing } from '../domain/backup.ts'
import type { BackupPoint } from '../domain/backup-chain.ts'
import type { BindingResource } from '../domain/binding.ts'
import type { BranchResource, Durability } from '../domain/branch.ts'
import type { ComputeInstanceResource } from '../domain/compute-instance.ts'
import type { DatabaseResource } from '../domain/database.ts'
import type { EndpointResource, EndpointType } from '../domain/endpoint.ts'
import type { Expiration } from '../domain/expiration.ts'
import type { Identity, IdentityKind, PermissionLevel } from '../domain/identity.ts'
import type { Lsn } from '../domain/lsn.ts'
import type {
  BranchId,
  BranchPath,
  DatabaseId,
  DatabasePath,
  EndpointId,
  EndpointPath,
  OperationUid,
  ProjectId,
  ProjectPath,
  RoleId,
  RolePath,
  SnapshotId,
  SnapshotPath,
} from '../domain/names.ts'
import type { OperationResource } from '../domain/operation.ts'
import type { Point } from '../domain/point.ts'
import type { DirectoryEntry, Principal } from '../domain/principal.ts'
import type { CustomTag, PostgresMajor, ProjectResource } from '../domain/project.ts'
import type { ResetPreview } from '../domain/reset-preview.ts'
import type { AuthMethod, RoleIdentityType, RoleResource } from '../domain/role.ts'
import type { SnapshotResource } from '../domain/snapshot.ts'
import type { Cadence } from '../domain/snapshot-cadence.ts'
import type { WebhookResource } from '../domain/webhook.ts'
import type { Secret } from '../lib/secret.ts'
import type { EpochMicros, EpochMs, Millis } from '../lib/time.ts'
import type { AccessToken, ClientSecret } from '../ports/access-tokens.ts'
import type { AuditVerification, RecordedEntry } from '../ports/audit.ts'
import type { BackupPlace } from '../ports/backups.ts'
import type { RoleChanges } from '../ports/role-resources.ts'
import type { Narrowing } from '../ports/roles.ts'
import type { ProvenClient } from './access-tokens.ts'
import type { BindBranch, BranchPlan, NoteFindings } from './bindings.ts'
import type { ExportedBranch } from './export-branch.ts'
import type { GroupChanges, NewGroup } from './groups.ts'
import type { IdentityChanges, NewIdentity } from './identities.ts'
import type { ImportBranch } from './import-branch.ts'
import type { AuditFilter } from './read-audit.ts'
import type { SetupLink } from './sign-in.ts'
import type { ChangedSchedule, SnapshotScheduleResource } from './snapshot-schedule.ts'
import type { SetTtlRule, TtlPolicyResource } from './ttl-policy.ts'
import type { NewWebhook } from './webhooks.ts'

/** Who calls, and what is known of the call for logs. */
export interface Caller {
  readonly identity: Identity
  readonly userAgent: string
  readonly requestId: string
  /** Of the connection: behind a proxy, the proxy's. */
  readonly remoteAddress?: string
  /** W3C trace id, 32 hex digits. */
  readonly traceId?: string
  /** The coding agent that acts for the identity, when it says so. */
  readonly agent?: string
}

export interface Page {
  /** 1–1000. */
  readonly size: number
  /** Opaque, from the last answer. */
  readonly token: string | undefined
}

export interface Listing<T> {
  readonly items: readonly T[]
  readonly nextPageToken: string | undefined
}

export type Suspension =
  | { readonly kind: 'never' }
  | { readonly kind: 'after'; readonly timeout: Millis }

export type { Expiration } from '../domain/expiration.ts'
export type { BranchPlan } from './bindings.ts'

/** Fields that an update leaves alone are absent (never `undefined`-valued). */
export interface EndpointDefaultsSpec {
  readonly minCu?: number
  readonly maxCu?: number
  readonly suspension?: Suspension
  readonly pgSettings?: Readonly<Record<string, string>>
}

export interface ProjectSpec {
  readonly displayName?: string
  readonly historyRetention?: Millis
  /** Full branch name. */
  readonly defaultBranch?: string
  readonly endpointDefaults?: EndpointDefaultsSpec
  readonly enablePgNativeLogin?: boolean
  readonly customTags?: readonly CustomTag[]
  readonly budgetPolicyId?: string
}

export interface CreateProject {
  readonly projectId: ProjectId
  readonly spec: ProjectSpec & { readonly pgVersion?: PostgresMajor }
  readonly initialBranch: { readonly isProtected?: boolean }
  readonly initialEndpoint: EndpointDefaultsSpec
}

export interface BranchSpec {
  readonly isProtected?: boolean
  readonly durability?: Durability
  /** 0: not any more. */
  readonly slidingTtl?: Millis
  readonly isHeldBySessions?: boolean
  readonly expiration?: Expiration
}

export interface CreateBranch {
  readonly project: ProjectId
  readonly branchId: BranchId
  readonly spec: BranchSpec & {
    /** Full name, or a bare branch id of the same project; default: the default branch. */
    readonly source?: string
    readonly sourceLsn?: Lsn
    readonly sourceTime?: EpochMicros
    /** Full name, or a bare snapshot id of the same project; then no other source is named. */
    readonly snapshot?: string
  }
  readonly replaceExisting: boolean
}

export interface UpgradeBranch {
  /** The branch that stays as it is. */
  readonly source: BranchPath
  /** Of the new branch. */
  readonly branchId: BranchId
  readonly pgVersion: PostgresMajor
  readonly expiration?: Expiration
}

/** What a branch is restored to: one of its snapshots, or a point of its history. */
export type RestorePoint =
  /** Full name, or a bare snapshot id of the same project. */
  { readonly kind: 'snapshot'; readonly snapshot: string } | Point

export interface CreateSnapshot {
  readonly project: ProjectId
  readonly snapshotId: SnapshotId
  readonly spec: {
    /** Full name, or a bare branch id of the same project. */
    readonly source: string
    readonly sourceLsn?: Lsn
    readonly sourceTime?: EpochMicros
    /** Default: never. */
    readonly expiration?: Expiration
  }
}

export interface EndpointSpec {
  readonly minCu?: number
  readonly maxCu?: number
  readonly isDisabled?: boolean
  readonly suspension?: Suspension
  readonly pgSettings?: Readonly<Record<string, string>>
}

export interface CreateEndpoint {
  readonly branch: BranchPath
  readonly endpointId: EndpointId
  readonly type: EndpointType
  readonly spec: EndpointSpec
  readonly replaceExisting: boolean
}

export interface CreateRole {
  readonly branch: BranchPath
  /** Default: taken from the name. */
  readonly roleId: RoleId | undefined
  readonly spec: RoleChanges & {
    readonly postgresRole?: string
    readonly identityType?: RoleIdentityType | 'IDENTITY_TYPE_UNSPECIFIED'
    readonly authMethod?: AuthMethod
  }
  readonly replaceExisting: boolean
}

export interface DatabaseSpec {
  readonly postgresDatabase?: string
  /** Full name of a role of the same branch, or its bare id. */
  readonly role?: string
}

export interface CreateDatabase {
  readonly branch: BranchPath
  /** Default: taken from the name. */
  readonly databaseId: DatabaseId | undefined
  readonly spec: DatabaseSpec
  readonly replaceExisting: boolean
}

export interface CreateCredential {
  /** Full endpoint name as sent; refused with a hint when it is not one. */
  readonly endpoint: string
  /** From now. Default 1 h. */
  readonly lifetime?: Millis
  readonly expireTime?: EpochMs
  readonly narrowing?: Narrowing
  /** The session runs as the role of this group, of which the caller is a member. */
  readonly groupName?: string
}

export interface RestoreBackup {
  readonly from: BackupPlace
  /** Default: the end of the last backup. */
  readonly point: BackupPoint | undefined
  /** Default: where it was. */
  readonly into: BranchPath | undefined
}

export interface SetAccessEntry {
  /** Login name, or a group's name; upper and lower case do not count. */
  readonly name: string
  readonly isGroup: boolean
  readonly level: PermissionLevel
}

export interface AccessEntry {
  readonly principal: Principal
  readonly level: PermissionLevel
}

export interface Actions {
  /** Identity of a personal access token; throws UNAUTHENTICATED. */
  authenticate(token: Secret): Promise<Identity>
  /**
   * The active service principal that this client id (its application id) and secret prove, for the
   * token endpoint; `undefined` when they do not, whatever of both is wrong.
   */
  verifyClientSecret(clientId: string, secret: Secret): Promise<ProvenClient | undefined>

  createProject(caller: Caller, input: CreateProject): Promise<OperationResource>
  getProject(caller: Caller, path: ProjectPath): Promise<ProjectResource>
  listProjects(
    caller: Caller,
    page: Page & { readonly showDeleted: boolean },
  ): Promise<Listing<ProjectResource>>
  updateProject(caller: Caller, path: ProjectPath, spec: ProjectSpec): Promise<OperationResource>
  deleteProject(
    caller: Caller,
    path: ProjectPath,
    options: { readonly purge: boolean },
  ): Promise<OperationResource>
  undeleteProject(caller: Caller, path: ProjectPath): Promise<OperationResource>

  createBranch(caller: Caller, input: CreateBranch): Promise<OperationResource>
  getBranch(caller: Caller, path: BranchPath): Promise<BranchResource>
  listBranches(
    caller: Caller,
    path: ProjectPath,
    page: Page & { readonly showDeleted: boolean },
  ): Promise<Listing<BranchResource>>
  updateBranch(caller: Caller, path: BranchPath, spec: BranchSpec): Promise<OperationResource>
  deleteBranch(
    caller: Caller,
    path: BranchPath,
    options: { readonly purge: boolean; readonly allowMissing: boolean },
  ): Promise<OperationResource>
  undeleteBranch(caller: Caller, path: BranchPath): Promise<OperationResource>
  /** A new branch of a later Postgres major with the data of this one. */
  upgradeBranch(caller: Caller, input: UpgradeBranch): Promise<OperationResource>
  /** Its data becomes that of its source branch as it is now. */
  resetBranch(caller: Caller, path: BranchPath): Promise<OperationResource>
  /** Refuses what the reset would refuse. */
  previewReset(caller: Caller, path: BranchPath): Promise<ResetPreview>
  /** Its data becomes what it was. */
  restoreBranch(caller: Caller, path: BranchPath, to: RestorePoint): Promise<OperationResource>
  previewRestore(caller: Caller, path: BranchPath, to: RestorePoint): Promise<ResetPreview>
  /** Checks a throw-away clone of the branch as it is now; the response is a report. */
  verifyBranch(caller: Caller, path: BranchPath): Promise<OperationResource>

  getTtlPolicy(caller: Caller, path: ProjectPath): Promise<TtlPolicyResource>
  setTtlPolicy(
    caller: Caller,
    path: ProjectPath,
    rules: readonly SetTtlRule[],
  ): Promise<TtlPolicyResource>

  /** An address that is told before branches of the project end. Its secret is shown once. */
  createWebhook(
    caller: Caller,
    path: ProjectPath,
    input: { readonly url: string },
  ): Promise<NewWebhook>
  listWebhooks(caller: Caller, path: ProjectPath): Promise<readonly WebhookResource[]>
  deleteWebhook(caller: Caller, path: ProjectPath, uid: string): Promise<void>

  /** Told by those who work with a branch in a worktree; told again, it is renewed. */
  bindBranch(caller: Caller, path: BranchPath, to: BindBranch): Promise<BindingResource>
  listBindings(
    caller: Caller,
    path: ProjectPath,
    page: Page & { readonly host: string | undefined },
  ): Promise<Listing<BindingResource>>
  /** What would become of the branches, by what was found of their bindings. */
  previewFindings(
    caller: Caller,
    path: ProjectPath,
    input: NoteFindings,
  ): Promise<readonly BranchPlan[]>
  /** Writes down what is gone. Nothing is deleted by it. */
  noteFindings(
    caller: Caller,
    path: ProjectPath,
    input: NoteFindings,
  ): Promise<readonly BranchPlan[]>
  /** Deletes a branch that is a left-over by what is written down; refuses any other. */
  collectBranch(
    caller: Caller,
    path: BranchPath,
    options: { readonly grace: Millis | undefined },
  ): Promise<OperationResource>

  /** A new root branch, filled from another Postgres. */
  importBranch(caller: Caller, input: ImportBranch): Promise<OperationResource>
  /** The branch as it is now, as a cluster that plain Postgres starts from. */
  exportBranch(caller: Caller, path: BranchPath): Promise<ExportedBranch>

  createEndpoint(caller: Caller, input: CreateEndpoint): Promise<OperationResource>
  getEndpoint(caller: Caller, path: EndpointPath): Promise<EndpointResource>
  listEndpoints(caller: Caller, path: BranchPath, page: Page): Promise<Listing<EndpointResource>>
  updateEndpoint(caller: Caller, path: EndpointPath, spec: EndpointSpec): Promise<OperationResource>
  deleteEndpoint(caller: Caller, path: EndpointPath): Promise<OperationResource>
  listComputeInstances(
    caller: Caller,
    path: EndpointPath,
    page: Page,
  ): Promise<Listing<ComputeInstanceResource>>
  getComputeInstance(
    caller: Caller,
    path: EndpointPath,
    id: string,
  ): Promise<ComputeInstanceResource>

  /** A copy away from this machine; for administrators, as all that concerns backups. */
  backUpBranch(
    caller: Caller,
    path: BranchPath,
    input: { readonly to: BackupPlace; readonly isFull: boolean },
  ): Promise<OperationResource>
  /** What there is at a place. */
  listBackups(caller: Caller, place: BackupPlace): Promise<BackupListing>
  /** Reads all of it; the response says what is wrong. */
  verifyBackups(caller: Caller, place: BackupPlace): Promise<OperationResource>
  /** A new branch, and its project with all who may use it where that is not there. */
  restoreBackup(caller: Caller, input: RestoreBackup): Promise<OperationResource>

  createRole(caller: Caller, input: CreateRole): Promise<OperationResource>
  getRole(caller: Caller, path: RolePath): Promise<RoleResource>
  listRoles(caller: Caller, path: BranchPath, page: Page): Promise<Listing<RoleResource>>
  updateRole(caller: Caller, path: RolePath, changes: RoleChanges): Promise<OperationResource>
  deleteRole(
    caller: Caller,
    path: RolePath,
    options: {
      /** Full name of a role of the same branch, its bare id, or its name in Postgres. */
      readonly reassignOwnedTo: string | undefined
    },
  ): Promise<OperationResource>
  /** A new password for a role that logs in by one, shown once. */
  renewRolePassword(
    caller: Caller,
    path: RolePath,
  ): Promise<{ readonly postgresRole: string; readonly password: Secret }>

  createDatabase(caller: Caller, input: CreateDatabase): Promise<OperationResource>
  getDatabase(caller: Caller, path: DatabasePath): Promise<DatabaseResource>
  listDatabases(caller: Caller, path: BranchPath, page: Page): Promise<Listing<DatabaseResource>>
  updateDatabase(caller: Caller, path: DatabasePath, spec: DatabaseSpec): Promise<OperationResource>
  deleteDatabase(caller: Caller, path: DatabasePath): Promise<OperationResource>

  createSnapshot(caller: Caller, input: CreateSnapshot): Promise<OperationResource>
  getSnapshot(caller: Caller, path: SnapshotPath): Promise<SnapshotResource>
  listSnapshots(caller: Caller, path: ProjectPath, page: Page): Promise<Listing<SnapshotResource>>
  deleteSnapshot(caller: Caller, path: SnapshotPath): Promise<OperationResource>
  getSnapshotSchedule(caller: Caller, path: BranchPath): Promise<SnapshotScheduleResource>
  /** Replaces all cadences, at once; `undefined` changes nothing. */
  updateSnapshotSchedule(
    caller: Caller,
    path: BranchPath,
    cadences: readonly Cadence[] | undefined,
  ): Promise<ChangedSchedule>

  /** Waits up to 2 s for an operation that is about to finish. `resource` is the name before `/operations/`. */
  getOperation(caller: Caller, resource: string, uid: OperationUid): Promise<OperationResource>

  /** Asks for its end; what it had begun is then undone. Its kind must be one that can be cancelled. */
  cancelOperation(caller: Caller, resource: string, uid: OperationUid): Promise<OperationResource>

  createCredential(
    caller: Caller,
    input: CreateCredential,
  ): Promise<{ readonly token: Secret; readonly tokenId: string; readonly expireTime: EpochMs }>

  getMe(caller: Caller): Promise<DirectoryEntry>
  createIdentity(caller: Caller, input: NewIdentity): Promise<DirectoryEntry>
  getIdentity(caller: Caller, kind: IdentityKind, uid: string): Promise<DirectoryEntry>
  listIdentities(caller: Caller, kind: IdentityKind): Promise<readonly DirectoryEntry[]>
  updateIdentity(
    caller: Caller,
    kind: IdentityKind,
    uid: string,
    changes: IdentityChanges,
  ): Promise<DirectoryEntry>
  /** Its tokens, secrets, memberships and permissions go with it; its sessions end. */
  deleteIdentity(caller: Caller, kind: IdentityKind, uid: string): Promise<DirectoryEntry>

  createGroup(caller: Caller, input: NewGroup): Promise<DirectoryEntry>
  getGroup(caller: Caller, uid: string): Promise<DirectoryEntry>
  listGroups(caller: Caller): Promise<readonly DirectoryEntry[]>
  updateGroup(caller: Caller, uid: string, changes: GroupChanges): Promise<DirectoryEntry>
  /** Answers with what it was, like every deletion of a principal. */
  deleteGroup(caller: Caller, uid: string): Promise<DirectoryEntry>

  /** A personal access token, shown once. `forLogin`: on behalf of that identity (admins only). */
  createAccessToken(
    caller: Caller,
    input: { readonly comment: string; readonly lifetime?: Millis; readonly forLogin?: string },
  ): Promise<AccessToken & { readonly token: Secret }>

  /** The caller's own; `ofAll`: everybody's, for administrators. */
  listAccessTokens(
    caller: Caller,
    options: { readonly ofAll: boolean },
  ): Promise<readonly AccessToken[]>
  /** One's own, or anybody's for administrators. */
  getAccessToken(caller: Caller, tokenId: string): Promise<AccessToken>
  /** From the next request on it is unknown. */
  deleteAccessToken(caller: Caller, tokenId: string): Promise<void>

  /** Secrets of a service principal (by uid), for administrators and itself; shown once. */
  createClientSecret(
    caller: Caller,
    servicePrincipal: string,
    input: { readonly lifetime?: Millis },
  ): Promise<ClientSecret & { readonly secret: Secret; readonly isExpired: boolean }>
  listClientSecrets(
    caller: Caller,
    servicePrincipal: string,
  ): Promise<readonly (ClientSecret & { readonly isExpired: boolean })[]>
  deleteClientSecret(caller: Caller, servicePrincipal: string, secretId: string): Promise<void>

  /** With it a user sets a password, once, within a day; for administrators. */
  createSetupLink(caller: Caller, loginName: string): Promise<SetupLink>

  getAccess(caller: Caller, project: ProjectId): Promise<readonly AccessEntry[]>
  /** `replace` drops entries that are not named. Nobody locks himself out: a caller who could not manage any more keeps CAN_MANAGE. */
  setAccess(
    caller: Caller,
    project: ProjectId,
    entries: readonly SetAccessEntry[],
    options: { readonly replace: boolean },
  ): Promise<readonly AccessEntry[]>

  /** Newest first. Administrators see all; others one project that they manage, named by `resource`. */
  listAudit(caller: Caller, filter: AuditFilter, page: Page): Promise<Listing<RecordedEntry>>
  /** Administrators only. */
  verifyAudit(
    caller: Caller,
    kept: { readonly seq: number; readonly hash: string } | undefined,
  ): Promise<AuditVerification>
}
