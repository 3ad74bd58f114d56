/**
 * The table of `domain/authorization.ts`, applied: finds out what the caller is to what it acts on,
 * and turns the decision into the refusal that it should read.
 */

import {
  type Decision,
  type Deed,
  decide,
  type ProjectDeed,
  type ProjectRule,
  rules,
} from '../domain/authorization.ts'
import type { Branch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import type { BranchPath, EndpointPath, ProjectId, ProjectPath } from '../domain/names.ts'
import type { Project } from '../domain/project.ts'
import type { CatalogSession, EndpointContext } from '../ports/catalog.ts'
import type { Actions, Caller } from './actions.ts'

export interface Access extends Pick<ProjectRule, 'needs' | 'ifOwn' | 'to'> {
  readonly caller: Caller
}

/** Every action of the product is in the table. */
type InTable<D extends Deed> = D
export type EveryActionHasARule = InTable<keyof Actions>

/** What this caller needs for this deed, for the functions below. */
export const may = (caller: Caller, deed: ProjectDeed): Access => ({ caller, ...rules[deed] })

/** The live project, or the refusal that this caller should see. */
export async function findProject(
  session: CatalogSession,
  id: ProjectId,
  access: Access,
): Promise<Project> {
  const project = await session.projects.byId(id)
  if (project === undefined || project.deleteTime !== undefined) {
    throw new Fault('PROJECT_NOT_FOUND')
  }
  await allow(session, project, access)
  return project
}

export async function allow(
  session: CatalogSession,
  project: Project,
  { caller, ...rule }: Access,
  isOwn = false,
): Promise<void> {
  const { identity } = caller
  const level = identity.isAdmin
    ? undefined
    : await session.permissions.levelOf(project.uid, identity.uid)
  refuse(
    caller,
    decide({ on: 'project', ...rule }, { isAdmin: identity.isAdmin, level, isOwn }),
    () => {
      throw new Fault('PROJECT_NOT_FOUND')
    },
  )
}

/** The same question where the answer is no refusal. */
export async function isAllowed(
  session: CatalogSession,
  project: Project,
  { caller: { identity }, ...rule }: Access,
): Promise<boolean> {
  const level = identity.isAdmin
    ? undefined
    : await session.permissions.levelOf(project.uid, identity.uid)
  return decide({ on: 'project', ...rule }, { isAdmin: identity.isAdmin, level }).kind === 'allowed'
}

/** Throws unless it is allowed; `absent` throws what somebody reads who may not know of it. */
function refuse(caller: Caller, decision: Decision, absent: () => never): void {
  if (decision.kind === 'hidden') absent()
  if (decision.kind !== 'denied') return
  const who = caller.identity.loginName
  if (decision.lacks === 'the administrator role') {
    throw new Fault('ADMINISTRATORS_ONLY', { who, act: decision.to })
  }
  throw new Fault('PERMISSION_DENIED', { who, act: decision.to, permission: decision.lacks })
}

/** For what concerns the whole workspace. `isOwn`: it is the caller's own. */
export function mustBeAllowed(
  caller: Caller,
  deed: Exclude<Deed, ProjectDeed>,
  {
    isOwn = false,
    absent = () => {
      throw new Error(`nothing says what ${deed} hides behind`)
    },
  }: { readonly isOwn?: boolean; readonly absent?: () => never } = {},
): void {
  const { isAdmin } = caller.identity
  refuse(caller, decide(rules[deed], { isAdmin, isOwn }), absent)
}

/**
 * This and the next two: in one query where there is nothing to refuse, since they come before almost
 * everything; what is not there is then looked for from the top, to say what is missing.
 */
export async function findBranch(
  session: CatalogSession,
  path: BranchPath,
  access: Access,
): Promise<{ readonly project: Project; readonly branch: Branch }> {
  const found = await allowed(session, await session.endpoints.writerAt(path), access)
  return found ?? (await fromTheTop(session, path, access))
}

export async function findEndpoint(
  session: CatalogSession,
  path: EndpointPath,
  access: Access,
): Promise<EndpointContext> {
  const found = await allowed(session, await session.endpoints.at(path), access)
  if (found !== undefined) return found
  await fromTheTop(session, path, access)
  throw new Fault('ENDPOINT_NOT_FOUND')
}

/** The endpoint that writes, by which the branch's own Postgres is reached. */
export async function findWriter(
  session: CatalogSession,
  path: BranchPath,
  access: Access,
): Promise<EndpointContext> {
  const found = await allowed(session, await session.endpoints.writerAt(path), access)
  if (found !== undefined) return found
  await fromTheTop(session, path, access)
  throw new Fault('BRANCH_NOT_FOUND') // deleted just now
}

async function allowed(
  session: CatalogSession,
  found: EndpointContext | undefined,
  access: Access,
): Promise<EndpointContext | undefined> {
  if (found !== undefined) await allow(session, found.project, access)
  return found
}

async function fromTheTop(
  session: CatalogSession,
  path: BranchPath,
  access: Access,
): Promise<{ readonly project: Project; readonly branch: Branch }> {
  const project = await findProject(session, path.project, access)
  const branch = await session.branches.byId(project.uid, path.branch)
  if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
  return { project, branch }
}

/**
 * The same for writes on a project's branches: the project's row is held until the transaction ends,
 * so that rules over several branches cannot race.
 */
export async function lockProject(
  session: CatalogSession,
  path: ProjectPath,
  access: Access,
): Promise<Project> {
  const { uid } = await findProject(session, path.project, access)
  const project = await session.projects.lock(uid)
  if (project === undefined || project.deleteTime !== undefined) {
    throw new Fault('PROJECT_NOT_FOUND')
  }
  return project
}

/** CAN_BRANCH is for one's own branches: those of others need more. */
export async function mayChange(
  session: CatalogSession,
  project: Project,
  branch: Branch,
  access: Access,
): Promise<void> {
  if (branch.createdBy !== access.caller.identity.uid) await allow(session, project, access)
}

/**
 * For what takes more than CAN_USE inside a branch: rights for roles, and what others made. Who made the
 * branch may, as for DDL.
 */
export async function mustRunDdl(
  session: CatalogSession,
  project: Project,
  branch: Branch,
  access: Access,
): Promise<void> {
  await allow(session, project, access, branch.createdBy === access.caller.identity.uid)
}
