/**
 * Resource names (Google AIP-122): built and parsed here alone, so that a route, a row and a log
 * line share them. Ids are the caller's; uids are ours and never reused.
 */
import type { Brand } from '../lib/brand.ts'
import { Fault } from './faults.ts'

export type ProjectId = Brand<string, 'ProjectId'>
export type BranchId = Brand<string, 'BranchId'>
export type EndpointId = Brand<string, 'EndpointId'>
export type RoleId = Brand<string, 'RoleId'>
export type DatabaseId = Brand<string, 'DatabaseId'>
export type SnapshotId = Brand<string, 'SnapshotId'>

export type ProjectUid = Brand<string, 'ProjectUid'>
export type BranchUid = Brand<string, 'BranchUid'>
export type EndpointUid = Brand<string, 'EndpointUid'>
export type SnapshotUid = Brand<string, 'SnapshotUid'>
/** Of a base: a clone from which points of a branch are recovered. */
export type BaseUid = Brand<string, 'BaseUid'>
/**
 * Where data lies: the uid of the branch or snapshot that it was made for. A reset or restore gives a branch
 * another volume, and its old one to a snapshot.
 */
export type VolumeUid = Brand<string, 'VolumeUid'>
/** Of what ties a branch to a worktree. */
export type BindingUid = Brand<string, 'BindingUid'>
export type IdentityUid = Brand<string, 'IdentityUid'>
export type OperationUid = Brand<string, 'OperationUid'>

export type ProjectName = Brand<`projects/${string}`, 'ProjectName'>
export type BranchName = Brand<`projects/${string}/branches/${string}`, 'BranchName'>
export type EndpointName = Brand<
  `projects/${string}/branches/${string}/endpoints/${string}`,
  'EndpointName'
>
export type RoleName = Brand<`projects/${string}/branches/${string}/roles/${string}`, 'RoleName'>
export type DatabaseName = Brand<
  `projects/${string}/branches/${string}/databases/${string}`,
  'DatabaseName'
>
export type SnapshotName = Brand<`projects/${string}/snapshots/${string}`, 'SnapshotName'>

/** Of the ids that callers choose: projects, branches, endpoints. */
export const ID_PATTERN = '^[a-z][a-z0-9-]{0,62}$'
const ID = new RegExp(ID_PATTERN)
/** Of roles and databases: the service's own pattern, as its refusals print it. */
export const CHILD_ID_PATTERN = '^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$'
const CHILD_ID = new RegExp(CHILD_ID_PATTERN)

function parseId(field: string, text: string | undefined): string {
  if (text === undefined || text === '') throw new Fault('FIELD_REQUIRED', { field })
  if (!ID.test(text)) {
    throw new Fault('ID_INVALID', { field, pattern: ID_PATTERN, value: printable(text) })
  }
  return text
}

function parseChildId(field: string, text: string | undefined): string {
  if (text === undefined || text === '') throw new Fault('FIELD_REQUIRED', { field })
  if (!CHILD_ID.test(text)) {
    throw new Fault('CHILD_ID_INVALID', {
      field,
      pattern: CHILD_ID_PATTERN,
      value: printable(text),
    })
  }
  return text
}

/** What a client sent, safe to print back: short, without control characters. */
export const printable = (text: string): string =>
  text.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?').slice(0, 100)

export const parseProjectId = (text: string | undefined): ProjectId =>
  parseId('project_id', text) as ProjectId
export const parseBranchId = (text: string | undefined): BranchId =>
  parseId('branch_id', text) as BranchId
export const parseEndpointId = (text: string | undefined): EndpointId =>
  parseId('endpoint_id', text) as EndpointId
export const parseRoleId = (text: string | undefined): RoleId =>
  parseChildId('role_id', text) as RoleId
export const parseDatabaseId = (text: string | undefined): DatabaseId =>
  parseChildId('database_id', text) as DatabaseId
export const isChildId = (text: string): boolean => CHILD_ID.test(text)
export const parseSnapshotId = (text: string | undefined): SnapshotId =>
  parseId('snapshot_id', text) as SnapshotId

export const projectName = (project: ProjectId): ProjectName => `projects/${project}` as ProjectName
export const branchName = (project: ProjectId, branch: BranchId): BranchName =>
  `projects/${project}/branches/${branch}` as BranchName
export const endpointName = (
  project: ProjectId,
  branch: BranchId,
  endpoint: EndpointId,
): EndpointName => `projects/${project}/branches/${branch}/endpoints/${endpoint}` as EndpointName
export const roleName = (project: ProjectId, branch: BranchId, role: RoleId): RoleName =>
  `projects/${project}/branches/${branch}/roles/${role}` as RoleName
export const databaseName = (
  project: ProjectId,
  branch: BranchId,
  database: DatabaseId,
): DatabaseName => `projects/${project}/branches/${branch}/databases/${database}` as DatabaseName
export const snapshotName = (project: ProjectId, snapshot: SnapshotId): SnapshotName =>
  `projects/${project}/snapshots/${snapshot}` as SnapshotName

export interface ProjectPath {
  readonly project: ProjectId
}
export interface BranchPath extends ProjectPath {
  readonly branch: BranchId
}
export interface EndpointPath extends BranchPath {
  readonly endpoint: EndpointId
}
export interface RolePath extends BranchPath {
  readonly role: RoleId
}
export interface DatabasePath extends BranchPath {
  readonly database: DatabaseId
}
export interface SnapshotPath extends ProjectPath {
  readonly snapshot: SnapshotId
}

export function parseProjectName(text: string): ProjectPath {
  const match = /^projects\/([^/]*)$/.exec(text)
  if (match === null) throw nameInvalid(text, 'projects/PROJECT')
  return { project: parseProjectId(match[1]) }
}

export function parseBranchName(text: string): BranchPath {
  const match = /^projects\/([^/]*)\/branches\/([^/]*)$/.exec(text)
  if (match === null) throw nameInvalid(text, 'projects/PROJECT/branches/BRANCH')
  return { project: parseProjectId(match[1]), branch: parseBranchId(match[2]) }
}

export function parseEndpointName(text: string): EndpointPath {
  const match = /^projects\/([^/]*)\/branches\/([^/]*)\/endpoints\/([^/]*)$/.exec(text)
  if (match === null) {
    throw nameInvalid(text, 'projects/PROJECT/branches/BRANCH/endpoints/ENDPOINT')
  }
  return {
    project: parseProjectId(match[1]),
    branch: parseBranchId(match[2]),
    endpoint: parseEndpointId(match[3]),
  }
}

export function parseRoleName(text: string): RolePath {
  const match = /^projects\/([^/]*)\/branches\/([^/]*)\/roles\/([^/]*)$/.exec(text)
  if (match === null) throw nameInvalid(text, 'projects/PROJECT/branches/BRANCH/roles/ROLE')
  return {
    project: parseProjectId(match[1]),
    branch: parseBranchId(match[2]),
    role: parseRoleId(match[3]),
  }
}

export function parseSnapshotName(text: string): SnapshotPath {
  const match = /^projects\/([^/]*)\/snapshots\/([^/]*)$/.exec(text)
  if (match === null) throw nameInvalid(text, 'projects/PROJECT/snapshots/SNAPSHOT')
  return { project: parseProjectId(match[1]), snapshot: parseSnapshotId(match[2]) }
}

const nameInvalid = (name: string, form: string): Fault =>
  new Fault('NAME_INVALID', { name: printable(name), form })
