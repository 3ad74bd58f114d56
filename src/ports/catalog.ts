/**
 * Our own metadata, as actions and the engine need it. Everything that must agree happens inside one
 * `transaction`; a row lock on the project makes the rules of its branches race-free.
 */
import type { Branch } from '../domain/branch.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import type { FaultRecord } from '../domain/faults.ts'
import type { Identity, IdentityKind, PermissionLevel } from '../domain/identity.ts'
import type {
  BranchId,
  BranchPath,
  BranchUid,
  EndpointId,
  EndpointPath,
  EndpointUid,
  IdentityUid,
  OperationUid,
  ProjectId,
  ProjectUid,
} from '../domain/names.ts'
import type { Operation, OperationSubject } from '../domain/operation.ts'
import type { Principal } from '../domain/principal.ts'
import type { Project } from '../domain/project.ts'
import type { EpochMs } from '../lib/time.ts'
import type { AccessTokens, ClientSecrets } from './access-tokens.ts'
import type { Audit } from './audit.ts'
import type { Backups } from './backups.ts'
import type { Bases } from './bases.ts'
import type { Bindings } from './bindings.ts'
import type { Directory } from './directory.ts'
import type { OAuthRecords, Passwords, SetupLinks, SignInAttempts } from './sign-in.ts'
import type { SnapshotSchedules, Snapshots } from './snapshots.ts'
import type { TtlPolicies } from './ttl-policies.ts'
import type { EndWarnings, Webhooks } from './webhooks.ts'

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }

/** Rows after the one with this key, in key order. */
export interface Slice {
  readonly after: string | undefined
  readonly limit: number
}

export interface Projects {
  insert(project: Project): Promise<void>
  /** Holds the row until the transaction ends. */
  lock(uid: ProjectUid): Promise<Project | undefined>
  /** Live and soft-deleted: the id stays taken until the purge. */
  byId(id: ProjectId): Promise<Project | undefined>
  byUid(uid: ProjectUid): Promise<Project | undefined>
  /** Projects that the identity may see, or all for `undefined`. */
  list(
    query: Slice & { readonly visibleTo: IdentityUid | undefined; readonly showDeleted: boolean },
  ): Promise<readonly Project[]>
  update(uid: ProjectUid, changes: Partial<Project>): Promise<void>
  remove(uid: ProjectUid): Promise<void>
  count(): Promise<number>
  /** Soft-deleted ones whose purge is due. */
  duePurge(now: EpochMs): Promise<readonly Project[]>
}

export interface Branches {
  insert(branch: Branch): Promise<void>
  /** The live branch of this id. */
  byId(project: ProjectUid, id: BranchId): Promise<Branch | undefined>
  byUid(uid: BranchUid): Promise<Branch | undefined>
  /** The soft-deleted branch of this id that was deleted last. */
  lastDeleted(project: ProjectUid, id: BranchId): Promise<Branch | undefined>
  /** Keyed by id, then uid: several deleted ones may share an id. */
  list(
    project: ProjectUid,
    query: Slice & { readonly showDeleted: boolean },
  ): Promise<readonly Branch[]>
  /** Every branch row of the project, deleted ones too. */
  all(project: ProjectUid): Promise<readonly Branch[]>
  children(of: BranchUid): Promise<readonly Branch[]>
  countLive(project: ProjectUid): Promise<number>
  /** Live branches without a source branch. */
  countRoots(project: ProjectUid): Promise<number>
  /** Live ones, by id. */
  protectedOf(project: ProjectUid): Promise<readonly Branch[]>
  update(uid: BranchUid, changes: Partial<Branch>): Promise<void>
  remove(uid: BranchUid): Promise<void>
  /** Live branches whose end has come. */
  dueExpiry(now: EpochMs): Promise<readonly Branch[]>
  /** Live branches with an end that may move away by itself, the next one first. */
  leased(): Promise<readonly Branch[]>
  /** Soft-deleted branches of live projects whose purge is due. */
  duePurge(now: EpochMs): Promise<readonly Branch[]>
  /** The next moment at which `dueExpiry` or `duePurge` (projects included) has something new. */
  nextDue(): Promise<EpochMs | undefined>
  /** Rows of all projects, deleted ones too: each may have a volume. */
  every(): Promise<readonly Branch[]>
}

/** An endpoint with what surrounds it, in one read: what logins and wakes need. */
export interface EndpointContext {
  readonly endpoint: Endpoint
  readonly branch: Branch
  readonly project: Project
}

export interface ReadyWriter extends Pick<Endpoint, 'uid'> {
  readonly branch: Pick<Branch, 'uid' | 'projectUid' | 'volumeUid' | 'stateChangeTime'>
}

export interface Endpoints {
  insert(endpoint: Endpoint): Promise<void>
  /** The live endpoint of this id. */
  byId(branch: BranchUid, id: EndpointId): Promise<Endpoint | undefined>
  /** Read-write first, then by id; deleted ones too, as long as they have files. */
  ofBranch(branch: BranchUid): Promise<readonly Endpoint[]>
  /** The live ones in the same order. Key: the id. */
  list(branch: BranchUid, query: Slice): Promise<readonly Endpoint[]>
  update(uid: EndpointUid, changes: Partial<Endpoint>): Promise<void>
  remove(uid: EndpointUid): Promise<void>
  context(uid: EndpointUid): Promise<EndpointContext | undefined>
  /** The read-write endpoint of the live branch at this path. */
  writerAt(path: BranchPath): Promise<EndpointContext | undefined>
  /** The live endpoint at this path. */
  at(path: EndpointPath): Promise<EndpointContext | undefined>
  contextByAddress(address: string): Promise<EndpointContext | undefined>
  /** Of deleted branches too: their computes may still run. */
  everyContext(): Promise<readonly EndpointContext[]>
  contextsOf(project: ProjectUid): Promise<readonly EndpointContext[]>
  /** The read-write endpoints of live branches that are READY: little of each, as it is read each second. */
  readyWriters(): Promise<readonly ReadyWriter[]>
  /** Read-only endpoints, deleted ones too: each may have a volume of its own. */
  everyReader(): Promise<readonly { readonly uid: EndpointUid; readonly projectUid: ProjectUid }[]>
  /** The latest activity of any endpoint of the project. */
  lastActive(project: ProjectUid): Promise<EpochMs | undefined>
  /** A free loopback address `127.88.x.y`. */
  nextAddress(): Promise<string>
  /** SCRAM verifiers of password roles, as last seen in the branch's Postgres. */
  saveVerifiers(branch: BranchUid, verifiers: Readonly<Record<string, string>>): Promise<void>
  verifier(branch: BranchUid, role: string): Promise<string | undefined>
}

export interface Identities {
  insert(identity: Identity): Promise<void>
  byUid(uid: IdentityUid): Promise<Identity | undefined>
  byLoginName(name: string): Promise<Identity | undefined>
  list(kind: IdentityKind): Promise<readonly Identity[]>
  remove(uid: IdentityUid): Promise<void>
  count(): Promise<number>
}

export interface Permissions {
  /** The highest of its own and those of the groups that hold it, directly or through others. */
  levelOf(project: ProjectUid, principal: IdentityUid): Promise<PermissionLevel | undefined>
  list(
    project: ProjectUid,
  ): Promise<readonly { readonly principal: Principal; readonly level: PermissionLevel }[]>
  set(project: ProjectUid, identity: IdentityUid, level: PermissionLevel): Promise<void>
  removeAll(project: ProjectUid): Promise<void>
}

/**
 * `pending → running → succeeded | undoing → failed`. `step` is the last finished step when going
 * forward, and the last one undone when going back.
 */
export type WorkState = 'pending' | 'running' | 'undoing' | 'succeeded' | 'failed'

export interface WorkRow {
  readonly uid: OperationUid
  readonly kind: string
  readonly resource: string
  readonly subject: OperationSubject
  readonly projectUid: ProjectUid
  readonly callerUid: IdentityUid | undefined
  /** Operations that share a key run one after another, in the order they were accepted. */
  readonly keys: readonly string[]
  readonly input: JsonObject
  /** What finished steps want later ones to know. */
  readonly memory: JsonObject
  /** What clients see of it beside its outcome. */
  readonly report: JsonObject | undefined
  /** When somebody asked for its end. */
  readonly cancelTime: EpochMs | undefined
  readonly state: WorkState
  readonly step: string | undefined
  readonly attempt: number
  readonly response: JsonObject | undefined
  readonly fault: FaultRecord | undefined
  readonly createTime: EpochMs
}

export type NewWork = Pick<
  WorkRow,
  | 'uid'
  | 'kind'
  | 'resource'
  | 'subject'
  | 'projectUid'
  | 'callerUid'
  | 'keys'
  | 'input'
  | 'createTime'
>

/** A claim: every write names its fencing token, so a worker that lost its lease changes nothing. */
export interface WorkLease {
  readonly row: WorkRow
  readonly token: number
}

export interface Work {
  /** Wakes the workers when the transaction commits. */
  insert(work: NewWork): Promise<void>
  /** For writes that need no work: an operation that is over when it is accepted. */
  insertDone(work: NewWork, response: JsonObject): Promise<void>
  byUid(
    uid: OperationUid,
  ): Promise<(Operation & Pick<WorkRow, 'kind' | 'projectUid' | 'callerUid'>) | undefined>
  /** Asks for the end of what has not ended, once it is committed; `false`: it has. Asked before is success. */
  cancel(uid: OperationUid, now: EpochMs): Promise<boolean>
  /**
   * Claims due rows whose keys no earlier unfinished row holds. Due is also what was put off beyond `latest`,
   * farther than anybody puts a row off: the clock has been set back since.
   */
  claim(
    now: EpochMs,
    bounds: { readonly until: EpochMs; readonly latest: EpochMs; readonly limit: number },
  ): Promise<readonly WorkLease[]>
  /** When the next unclaimed row falls due, after `now`. */
  nextDue(now: EpochMs): Promise<EpochMs | undefined>
  /** `false`: the lease is lost. */
  renew(lease: WorkLease, until: EpochMs): Promise<boolean>
  /** Records progress; `false`: the lease is lost, stop. Ending states wake those who wait. */
  save(
    lease: WorkLease,
    changes: Partial<
      Pick<WorkRow, 'state' | 'step' | 'memory' | 'report' | 'attempt' | 'response' | 'fault'>
    > & {
      /** Gives the row back, to be claimed at this moment. */
      readonly releaseUntil?: EpochMs
    },
  ): Promise<boolean>
  /**
   * Under the server's lock: leases of workers that are not there are void, those of a server that is
   * gone as well as those of a claim whose answer was lost.
   */
  releaseAll(except?: readonly OperationUid[]): Promise<number>
  /** Forgets operations that ended before this moment. */
  forget(before: EpochMs): Promise<number>
  /** What waits or runs under this key, in the order in which it was accepted. */
  unfinished(key: string): Promise<readonly Pick<WorkRow, 'uid' | 'kind' | 'input'>[]>
  /**
   * Whether an unfinished row names this, as a key or within its input or memory, or is named in it, as in the
   * names of its scratch volumes and drafts.
   */
  isNamed(uid: string): Promise<boolean>
  /** Whether an unfinished row holds this key. */
  isBusy(key: string): Promise<boolean>
}

/** Where imports read from, password included, sealed; gone when the import is over. */
export interface ImportSources {
  insert(operation: OperationUid, sealed: string): Promise<void>
  sealed(operation: OperationUid): Promise<string | undefined>
  /** Absent is success. */
  remove(operation: OperationUid): Promise<void>
}

/** Something that is there though no row knows it. */
export interface Sighting {
  readonly kind: string
  readonly id: string
}

/** Since when strays are seen, across restarts. */
export interface Sightings {
  /** Takes these as all that is seen now: new ones begin now, what is not seen any more is forgotten. */
  replace(seen: readonly Sighting[], now: EpochMs): Promise<void>
  list(): Promise<readonly (Sighting & { readonly firstTime: EpochMs })[]>
}

/** Small facts about the installation itself. */
export interface Notes {
  get(name: string): Promise<string | undefined>
  set(name: string, value: string): Promise<void>
}

export interface CatalogSession {
  readonly notes: Notes
  readonly sightings: Sightings
  readonly projects: Projects
  readonly branches: Branches
  readonly endpoints: Endpoints
  readonly snapshots: Snapshots
  readonly snapshotSchedules: SnapshotSchedules
  readonly bases: Bases
  readonly bindings: Bindings
  readonly identities: Identities
  readonly accessTokens: AccessTokens
  readonly clientSecrets: ClientSecrets
  readonly directory: Directory
  readonly permissions: Permissions
  readonly ttlPolicies: TtlPolicies
  readonly endWarnings: EndWarnings
  readonly webhooks: Webhooks
  readonly work: Work
  readonly oauthRecords: OAuthRecords
  readonly passwords: Passwords
  readonly setupLinks: SetupLinks
  readonly signInAttempts: SignInAttempts
  readonly audit: Audit
  readonly backups: Backups
  readonly importSources: ImportSources
}

/** What is told when something commits. */
export type CatalogEvent =
  /** There is work to claim. */
  | { readonly kind: 'work' }
  | { readonly kind: 'done'; readonly operation: OperationUid }
  /** Somebody asked for its end. */
  | { readonly kind: 'cancel'; readonly operation: OperationUid }
  /** An end or purge time was set. */
  | { readonly kind: 'due' }
  /** Somebody may do less than before. */
  | { readonly kind: 'access' }

export interface Catalog extends CatalogSession {
  transaction<T>(work: (session: CatalogSession) => Promise<T>): Promise<T>
  onEvent(listener: (event: CatalogEvent) => void): () => void
  /** Sixteen digits, the same for ever. */
  readonly workspaceId: string
  close(): Promise<void>
}
