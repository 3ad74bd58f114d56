/**
 * The limits that an operator may set: how many of a thing there may be, and how large or long. Each
 * refusal names the limit and the setting that moves it.
 */
import type { Branch } from '../domain/branch.ts'
import { type CuLimits, cuProblem } from '../domain/cu.ts'
import { sayDuration } from '../domain/duration.ts'
import { Fault } from '../domain/faults.ts'
import type { BranchUid } from '../domain/names.ts'
import type { Project } from '../domain/project.ts'
import { readableBytes } from '../lib/byte-size.ts'
import type { Millis } from '../lib/time.ts'
import type { CatalogSession } from '../ports/catalog.ts'

/** Contract §3.8; the defaults are its values. */
export interface Limits {
  readonly maxProjects: number
  readonly maxBranchesPerProject: number
  /** Branches without a source branch: the project's first, and those made from snapshots. */
  readonly maxRootBranchesPerProject: number
  readonly maxProtectedBranchesPerProject: number
  /** Those of schedules not counted. */
  readonly maxSnapshotsPerProject: number
  readonly maxBranchLogicalSize: number
  readonly maxRolesPerBranch: number
  readonly maxDatabasesPerBranch: number
  readonly historyRetention: LengthRange
  readonly suspendTimeout: LengthRange
  readonly cu: CuLimits
}

export interface LengthRange {
  readonly min: Millis
  readonly max: Millis
}

export async function mayAddProject(session: CatalogSession, limits: Limits): Promise<void> {
  mustBeBelow(await session.projects.count(), limits.maxProjects, {
    what: 'projects',
    setting: '--max-projects',
  })
}

export async function mayAddBranch(
  session: CatalogSession,
  project: Project,
  limits: Limits,
): Promise<void> {
  mustBeBelow(await session.branches.countLive(project.uid), limits.maxBranchesPerProject, {
    what: `branches of project ${project.projectId}`,
    setting: '--max-branches-per-project',
  })
}

export async function mayAddRoot(
  session: CatalogSession,
  project: Project,
  limits: Limits,
): Promise<void> {
  mustBeBelow(await session.branches.countRoots(project.uid), limits.maxRootBranchesPerProject, {
    what: `root branches of project ${project.projectId} (its first branch, and those made from snapshots)`,
    setting: '--max-root-branches-per-project',
  })
}

export async function mayAddSnapshot(
  session: CatalogSession,
  project: Project,
  limits: Limits,
): Promise<void> {
  mustBeBelow(await session.snapshots.countManual(project.uid), limits.maxSnapshotsPerProject, {
    what: `snapshots of project ${project.projectId} (those of schedules not counted)`,
    setting: '--max-snapshots-per-project',
  })
}

/** Whether one more branch may be protected; `self` is not counted against itself. */
export async function mayAddProtected(
  session: CatalogSession,
  project: Project,
  limits: Limits,
  self?: BranchUid,
): Promise<void> {
  const others = (await session.branches.protectedOf(project.uid)).filter(({ uid }) => uid !== self)
  const limit = limits.maxProtectedBranchesPerProject
  if (others.length < limit) return
  throw new Fault('PROTECTED_LIMIT', {
    branches: others
      .slice(0, 10)
      .map(({ branchId }) => `'${branchId}'`)
      .join(', '),
    limit,
    setting: '--max-protected-branches-per-project',
  })
}

/** Counted are those that the API shows, and those that wait to be made. */
export function mayAddRole(branch: Branch, count: number, limits: Limits): void {
  mustBeBelow(count, limits.maxRolesPerBranch, {
    what: `roles of branch ${branch.branchId}`,
    setting: '--max-roles-per-branch',
  })
}

export function mayAddDatabase(branch: Branch, count: number, limits: Limits): void {
  mustBeBelow(count, limits.maxDatabasesPerBranch, {
    what: `databases of branch ${branch.branchId}`,
    setting: '--max-databases-per-branch',
  })
}

/** A branch that has outgrown the limit goes on, but is not multiplied. */
export function mayCopy(source: Branch, { maxBranchLogicalSize: limit }: Limits): void {
  if (source.logicalSizeBytes <= limit) return
  throw new Fault('BRANCH_TOO_LARGE', {
    branch: source.branchId,
    size: readableBytes(source.logicalSizeBytes),
    limit: readableBytes(limit),
    setting: '--max-branch-logical-size',
  })
}

export const mustKeepHistory = (field: string, length: Millis, limits: Limits): void =>
  mustBeWithin(field, length, limits.historyRetention, 'history-retention')

export const maySuspendAfter = (field: string, length: Millis, limits: Limits): void =>
  mustBeWithin(field, length, limits.suspendTimeout, 'suspend-timeout')

export function mayHaveSize(field: string, minCu: number, maxCu: number, { cu }: Limits): void {
  const problem = cuProblem(minCu, maxCu, cu)
  if (problem !== undefined) throw new Fault('FIELD_INVALID', { field, problem })
}

function mustBeWithin(field: string, length: Millis, range: LengthRange, name: string): void {
  if (length >= range.min && length <= range.max) return
  const say = (bound: Millis): string => `${bound / 1000}s (${sayDuration(bound)})`
  const end = length < range.min ? 'min' : 'max'
  throw new Fault('FIELD_INVALID', {
    field,
    problem: `it must be ${say(range.min)} to ${say(range.max)}; start the server with another --${end}-${name} to change that`,
  })
}

function mustBeBelow(
  count: number,
  limit: number,
  { what, setting }: { readonly what: string; readonly setting: string },
): void {
  if (count >= limit) throw new Fault('LIMIT_REACHED', { what, limit, setting })
}
