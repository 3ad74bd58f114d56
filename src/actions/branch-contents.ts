/**
 * Roles and databases of a branch, which live in its own Postgres: to read them is to wake it. Writes
 * are judged here too, against what the branch holds and what waits to be done, one after another, and
 * are then queued like every write on the branch.
 */

import type { ProjectDeed } from '../domain/authorization.ts'
import { type Branch, isLive } from '../domain/branch.ts'
import { Fault, type Reason } from '../domain/faults.ts'
import type { Identity } from '../domain/identity.ts'
import type { BranchPath, EndpointUid } from '../domain/names.ts'
import {
  type OperationResource,
  type OperationSubject,
  renderOperation,
} from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import type { StepContext } from '../operations/kind.ts'
import type { EndpointContext, JsonObject } from '../ports/catalog.ts'
import type { BranchContents } from '../ports/role-resources.ts'
import { findBranch, findWriter, lockProject, may } from './access.ts'
import type { Caller } from './actions.ts'
import { type Prepared, wake } from './fleet.ts'
import { type Foreseen, foresee } from './foresee.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'

/** A branch that is looked into, and its awake Postgres. */
export interface Scene {
  readonly caller: Caller
  readonly path: BranchPath
  readonly project: Project
  readonly branch: Branch
  /** The login that made the branch. */
  readonly creator: string | undefined
  readonly contents: BranchContents
  /** Directory of the compute's socket. */
  readonly socket: string
}

/** Reading needs CAN_USE; so does making roles and databases without rights. */
export async function lookInto(
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: BranchPath,
  deed: ProjectDeed,
): Promise<Scene> {
  const { catalog } = services
  const context = await findWriter(catalog, path, may(caller, deed))
  const { project, branch } = context
  if (branch.state !== 'READY') {
    throw new Fault('SOURCE_NOT_READY', { branch: branch.branchId, state: branch.state })
  }
  const creator = await catalog.identities.byUid(branch.createdBy)
  const contents = await whileAwake(services, context, async (socket) => {
    const looking = { creator: creator?.loginName }
    const seen = await services.roles.inspect(socket, looking)
    if (seen.settledFor === branch.uid) return seen
    await settleBranch(services, prepared, context, creator)
    return services.roles.inspect(socket, looking)
  })
  const socket = services.computes.socketDirectory(context.endpoint.uid)
  return { caller, path, project, branch, creator: creator?.loginName, contents, socket }
}

/**
 * Once for each branch, whose compute runs: who made it has a role in it, also before a first login,
 * and what the branch holds has its ids, which branches of it then have too.
 */
export async function settleBranch(
  services: Services,
  prepared: Prepared,
  { branch, endpoint }: Pick<EndpointContext, 'branch' | 'endpoint'>,
  creator: Identity | undefined,
): Promise<void> {
  const { roles, computes, log } = services
  const socket = computes.socketDirectory(endpoint.uid)
  if (creator?.isActive) {
    // A login that can be nobody's role must not keep others from looking.
    await prepared
      .manager(services, endpoint.uid, creator)
      .catch((error: unknown) => log.warn({ err: error, branch: branch.uid }, 'no owner role'))
  }
  await roles.settle(socket, branch.uid)
  await roles.inspect(socket, { creator: creator?.loginName })
}

/** What a write on a branch will do, once it was found to be allowed. */
export interface Accepted {
  readonly kind: string
  readonly subject: OperationSubject
  readonly resource: string
  readonly input: JsonObject
}

/** Judges a write and queues it; `decide` throws what is to be refused. */
export async function acceptWrite(
  services: Services,
  prepared: Prepared,
  caller: Caller,
  { path, deed }: { readonly path: BranchPath; readonly deed: ProjectDeed },
  decide: (scene: Scene, foreseen: Foreseen) => Promise<Accepted>,
): Promise<OperationResource> {
  const { catalog, clock, volumes } = services
  const access = may(caller, deed)
  const { branch } = await findBranch(catalog, path, access)
  // One at a time: the next one must see what this one has queued.
  return volumes.run(`accept ${branch.uid}`, async () => {
    // What waits is read before Postgres: what is done in between is then seen twice, never missed.
    const waiting = await catalog.work.unfinished(branch.uid)
    const scene = await lookInto(services, prepared, caller, path, deed)
    const { kind, subject, resource, input } = await decide(scene, foresee(scene.contents, waiting))
    const { endpoint } = await findWriter(catalog, path, access)
    return catalog.transaction(async (session) => {
      const project = await lockProject(session, path, access)
      const now = await session.branches.byId(project.uid, path.branch)
      if (now?.uid !== branch.uid) throw new Fault('BRANCH_NOT_FOUND')
      const work = {
        uid: newOperationUid(),
        kind,
        resource,
        subject,
        projectUid: project.uid,
        callerUid: caller.identity.uid,
        keys: [branch.uid],
        input: { ...input, endpoint: endpoint.uid },
        createTime: clock.now(),
      }
      await session.work.insert(work)
      return renderOperation({ ...work, outcome: { kind: 'pending' } })
    })
  })
}

/** For a step of a queued write: the branch's Postgres, awake. A branch that is gone is a refusal. */
export async function inBranch<T>(
  services: Services,
  { row }: StepContext,
  work: (socket: string, path: BranchPath) => Promise<T>,
): Promise<T> {
  const context = await services.catalog.endpoints.context(row.input.endpoint as EndpointUid)
  if (context === undefined || !isLive(context)) throw new Fault('BRANCH_NOT_FOUND')
  const { project, branch } = context
  const path = { project: project.projectId, branch: branch.branchId }
  return whileAwake(services, context, (socket) => work(socket, path))
}

const outOfReach: ReadonlySet<Reason> = new Set([
  'BRANCH_NOT_FOUND',
  'BRANCH_DATA_MISSING',
  'ENDPOINT_NOT_FOUND',
  'ENDPOINT_DISABLED',
])

/** For an undo: what is gone has nothing to undo, and what may not be woken is left as it is. */
export async function undoInBranch(
  services: Services,
  context: StepContext,
  work: (socket: string) => Promise<void>,
): Promise<void> {
  try {
    await inBranch(services, context, work)
  } catch (error) {
    const isOutOfReach = error instanceof Fault && outOfReach.has(error.reason)
    if (!isOutOfReach) throw error
    services.log.warn({ err: error, operation: context.row.uid }, 'nothing can be undone there')
  }
}

/** Runs once more when the compute was stopped just then: whatever works here may run twice. */
async function whileAwake<T>(
  services: Services,
  context: EndpointContext,
  work: (socket: string) => Promise<T>,
): Promise<T> {
  const { computes } = services
  const { uid } = context.endpoint
  await wake(services, context)
  try {
    return await work(computes.socketDirectory(uid))
  } catch (error) {
    if (error instanceof Fault || (await computes.look(uid)).kind === 'ready') throw error
  }
  await wake(services, context)
  return work(computes.socketDirectory(uid))
}
