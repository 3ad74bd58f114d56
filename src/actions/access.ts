/**
 * Who may do what with a project. An identity without any permission meets 404, as if the project
 * were not there; one with too little meets 403 that names what it lacks.
 */

import type { Branch } from '../domain/branch.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import { atLeast, type Identity, type PermissionLevel } from '../domain/identity.ts'
import type { BranchPath, EndpointPath, ProjectId, ProjectPath } from '../domain/names.ts'
import type { Project } from '../domain/project.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import type { Caller } from './actions.ts'

export interface Access {
  readonly caller: Caller
  readonly needs: PermissionLevel
  /** A verb phrase for the refusal: `create branches`. */
  readonly to: string
}

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
  { caller, needs, to }: Access,
): Promise<void> {
  const { identity } = caller
  if (identity.isAdmin) return
  const level = await session.permissions.levelOf(project.uid, identity.uid)
  if (level === undefined) throw new Fault('PROJECT_NOT_FOUND')
  if (!atLeast(level, needs)) {
    throw new Fault('PERMISSION_DENIED', { who: identity.loginName, act: to, permission: needs })
  }
}

/** Checked from the top: project, then branch. */
export async function findBranch(
  session: CatalogSession,
  path: BranchPath,
  access: Access,
): Promise<{ readonly project: Project; readonly branch: Branch }> {
  const project = await findProject(session, path.project, access)
  const branch = await session.branches.byId(project.uid, path.branch)
  if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
  return { project, branch }
}

export async function findEndpoint(
  session: CatalogSession,
  path: EndpointPath,
  access: Access,
): Promise<{ readonly project: Project; readonly branch: Branch; readonly endpoint: Endpoint }> {
  const { project, branch } = await findBranch(session, path, access)
  const endpoint = await session.endpoints.byId(branch.uid, path.endpoint)
  if (endpoint === undefined) throw new Fault('ENDPOINT_NOT_FOUND')
  return { project, branch, endpoint }
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

/**
 * Whether this identity's credentials run DDL on every object of the branch: whoever may manage the
 * project, and whoever made the branch.
 */
export async function mayRunDdl(
  session: CatalogSession,
  project: Project,
  branch: Branch,
  identity: Identity,
): Promise<boolean> {
  if (identity.isAdmin || branch.createdBy === identity.uid) return true
  return atLeast(await session.permissions.levelOf(project.uid, identity.uid), 'CAN_MANAGE')
}

/** For what CAN_BRANCH does not cover: branches of others, branches without an end, protection. */
export async function mustManage(
  session: CatalogSession,
  project: Project,
  { caller, to }: Pick<Access, 'caller' | 'to'>,
): Promise<void> {
  await allow(session, project, { caller, needs: 'CAN_MANAGE', to })
}

/** CAN_BRANCH is for one's own branches. */
export async function mayChange(
  session: CatalogSession,
  project: Project,
  branch: Branch,
  access: Pick<Access, 'caller' | 'to'>,
): Promise<void> {
  if (branch.createdBy !== access.caller.identity.uid) await mustManage(session, project, access)
}

/** For what takes more than CAN_USE inside a branch: rights for roles, and what others made. */
export async function mustRunDdl(
  session: CatalogSession,
  project: Project,
  branch: Branch,
  { caller, to }: Pick<Access, 'caller' | 'to'>,
): Promise<void> {
  if (await mayRunDdl(session, project, branch, caller.identity)) return
  await mustManage(session, project, { caller, to })
}

/** For what concerns the whole workspace: identities, other people's tokens. */
export function mustAdminister({ identity }: Caller, act: string): void {
  if (identity.isAdmin) return
  throw new Fault('PERMISSION_DENIED', {
    who: identity.loginName,
    act,
    permission: 'the administrator role',
  })
}
