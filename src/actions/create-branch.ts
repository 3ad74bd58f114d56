/**
 * Create branch: metadata first, so that a stray volume is always known; then clone, start, verify.
 * The refusals that can be known at once are thrown before anything is written.
 */
import type { Branch } from '../domain/branch.ts'
import { type Endpoint, primary } from '../domain/endpoint.ts'
import { expireTimeOf } from '../domain/expiration.ts'
import { Fault } from '../domain/faults.ts'
import { type Lsn, lsn } from '../domain/lsn.ts'
import { type BranchUid, branchName, type EndpointUid, type VolumeUid } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import { type EpochMs, epochMicros, toMicros } from '../lib/time.ts'
import type { Kind, StepContext } from '../operations/kind.ts'
import type { CatalogSession, EndpointContext, NewWork } from '../ports/catalog.ts'
import type { DraftId } from '../ports/storage.ts'
import { allow, lockProject, may } from './access.ts'
import type { Caller, CreateBranch } from './actions.ts'
import { mayWakeOneMore } from './active-limit.ts'
import { beginningOf, readBeginning, writeBeginning } from './beginning.ts'
import { settleBranch } from './branch-contents.ts'
import { findOrigin, mustKeepSource, originMustHaveData, sourceOf } from './branch-origin.ts'
import { computeSpec } from './compute-spec.ts'
import type { Prepared } from './fleet.ts'
import { type Limits, mayAddBranch, mayAddProtected } from './limits.ts'
import { newBranchUid, newEndpointUid, newOperationUid } from './new-uid.ts'
import { mustReach, placeAt } from './place-at.ts'
import { placeVolume } from './place-volume.ts'
import type { Services } from './services.ts'
import { boundsFor } from './ttl-policy.ts'
import { changeBranch, leaseOf, reconfigure } from './update-branch.ts'
import { viewBranch } from './views.ts'
import { volumeOf } from './volume-of.ts'

export async function createBranch(
  services: Services,
  caller: Caller,
  input: CreateBranch,
): Promise<OperationResource> {
  const { catalog, clock, policy } = services
  const accepted = await catalog.transaction(async (session) => {
    const project = await lockProject(session, input, may(caller, 'createBranch'))
    const existing = await session.branches.byId(project.uid, input.branchId)
    if (existing !== undefined) {
      if (!input.replaceExisting) throw new Fault('BRANCH_EXISTS')
      mustKeepSource(project, existing, input.spec)
      return changeBranch(services, session, caller, project, existing, input.spec)
    }
    const { spec } = input
    const now = clock.now()
    const bounds = await boundsFor(session, policy, project, input.branchId, caller.identity.uid)
    const expiration =
      spec.expiration ??
      (bounds.default === undefined ? undefined : { kind: 'ttl' as const, ttl: bounds.default })
    if (expiration === undefined) throw new Fault('EXPIRATION_REQUIRED')
    if (expiration.kind === 'never' || spec.isProtected === true) {
      await allow(session, project, may(caller, 'createBranch/stays'))
    }
    const expireTime = expireTimeOf(expiration, { createTime: now, now, ...bounds })
    if (spec.isProtected === true) await mayProtect(session, project, expireTime, policy)
    const { fields, isOfProtected } = await findOrigin(session, project, spec, { policy, now })
    await mayAddBranch(session, project, policy)
    await mayWakeOneMore(services, session, project) // a branch is made awake
    // Known now, so said now: an operation could only fail, or wait for a pool that is not there.
    await services.storage.checkRoom()
    await originMustHaveData(session, services, fields)
    const { work } = await reserveBranch(session, {
      project,
      branch: {
        ...newBranch(project, caller, input.branchId, now),
        isProtected: spec.isProtected ?? false,
        durability: spec.durability ?? 'durable',
        ...leaseOf(spec, bounds),
        expireTime,
        ...fields,
      },
      kind: 'create-branch',
      caller,
      now,
    })
    // As it was accepted: clearing the protection meanwhile must not let the passwords through.
    await session.work.insert({
      ...work,
      input: { ...work.input, renewPasswords: isOfProtected },
    })
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
  const { durability } = input.spec
  if (input.replaceExisting && durability !== undefined) {
    await reconfigure(services, { project: input.project, branch: input.branchId })
  }
  return accepted
}

export async function mayProtect(
  session: CatalogSession,
  project: Project,
  expireTime: EpochMs | undefined,
  limits: Limits,
  self?: BranchUid,
): Promise<void> {
  if (expireTime !== undefined) throw new Fault('BRANCH_EXPIRES', { kind: 'protected' })
  await mayAddProtected(session, project, limits, self)
}

/** A branch as it is before anything was made for it. */
export const newBranch = (
  project: Project,
  caller: Caller,
  branchId: Branch['branchId'],
  now: EpochMs,
): Branch => {
  const uid = newBranchUid()
  return {
    uid,
    projectUid: project.uid,
    volumeUid: uid as string as VolumeUid,
    begin: undefined,
    branchId,
    state: 'INIT',
    pendingState: 'READY',
    stateChangeTime: now,
    isProtected: false,
    durability: 'durable',
    slidingTtl: undefined,
    isHeldBySessions: false,
    logicalSizeBytes: 0,
    expireTime: undefined,
    sourceBranchUid: undefined,
    sourceBranchId: undefined,
    sourceLsn: undefined,
    sourceTime: undefined,
    sourcePoint: undefined,
    sourceSnapshotUid: undefined,
    sourceSnapshotId: undefined,
    isRestored: false,
    isImported: false,
    windowStart: undefined,
    historyBytes: 0,
    createdBy: caller.identity.uid,
    createTime: now,
    updateTime: now,
    deleteTime: undefined,
    purgeTime: undefined,
  }
}

/** Rows for a branch and its implicit endpoint, and the work that will make them real. */
export async function reserveBranch(
  session: CatalogSession,
  {
    project,
    branch,
    kind,
    caller,
    now,
    resource = branchName(project.projectId, branch.branchId),
    subject = 'Branch',
    sizing = project.endpointDefaults,
  }: {
    readonly project: Project
    readonly branch: Branch
    readonly kind: string
    readonly caller: Caller
    readonly now: EpochMs
    readonly resource?: string
    readonly subject?: NewWork['subject']
    readonly sizing?: Project['endpointDefaults']
  },
): Promise<{ readonly work: NewWork; readonly endpoint: Endpoint }> {
  const endpoint: Endpoint = {
    uid: newEndpointUid(),
    branchUid: branch.uid,
    endpointId: primary,
    type: 'ENDPOINT_TYPE_READ_WRITE',
    life: 'READY', // comes and goes with its branch
    ...sizing,
    isDisabled: false,
    address: await session.endpoints.nextAddress(),
    lastActiveTime: now,
    suspendTime: undefined,
    createTime: now,
    updateTime: now,
  }
  await session.branches.insert(branch)
  await session.endpoints.insert(endpoint)
  return {
    endpoint,
    work: {
      uid: newOperationUid(),
      kind,
      resource,
      subject,
      projectUid: project.uid,
      callerUid: caller.identity.uid,
      keys: [branch.uid],
      input: { branch: branch.uid, endpoint: endpoint.uid },
      createTime: now,
    },
  }
}

/**
 * The steps that make a reserved branch real; shared by branch and project creation. Before them comes
 * a step whose undo removes the rows: it must be undone last, since the others find their way by them.
 */
export const branchSteps = (services: Services, prepared: Prepared): Kind['steps'] => [
  {
    name: 'clone',
    async run(context) {
      const { project, branch } = await rowsOf(services, context)
      const target = volumeOf(branch)
      const draft = context.row.uid as string as DraftId
      if (branch.sourcePoint !== undefined) {
        const source = await sourceBranchOf(services, branch)
        const placed = await placeAt(services, source.uid, branch.sourcePoint, target, draft)
        const [goal, time] = [String(placed.lsn), String(placed.time)]
        context.memory = { ...context.memory, goal, time }
        return
      }
      const source = await sourceOf(services, project, branch)
      const { time, end } = await placeVolume(services, source, target, draft)
      const goal = branch.sourceBranchUid === undefined ? undefined : end
      context.memory = {
        ...context.memory,
        time: String(toMicros(time)),
        ...(goal === undefined ? {} : { goal: String(goal) }),
      }
    },
    async undo(context) {
      const { row } = context
      await services.storage.deleteDraft(row.uid as string as DraftId)
      const branch = await services.catalog.branches.byUid(branchUid(context))
      if (branch !== undefined) await services.storage.deleteVolume(volumeOf(branch))
    },
  },
  {
    name: 'start',
    isUnsaved: true,
    async run(context) {
      const { project, branch, endpoint } = await rowsOf(services, context)
      const [failed, reached] = await Promise.all([
        // While Postgres starts, the gateway makes the address's certificate ready.
        services.door.listen([endpoint.address]),
        services.volumes.run(branch.uid, async () => {
          await services.computes.ensureReady(computeSpec(services, project, branch, endpoint))
          return beginningOf(services, endpoint.uid)
        }),
      ])
      for (const { address, problem } of failed) {
        services.log.warn({ address, problem }, 'cannot listen on an endpoint address')
      }
      const { goal } = context.memory
      if (goal !== undefined) {
        const source = await sourceBranchOf(services, branch)
        await mustReach(services, source, { goal: BigInt(String(goal)), reached: reached.lsn })
      }
      context.memory = { ...context.memory, begin: writeBeginning(reached) }
    },
    async undo(context) {
      const found = await services.catalog.endpoints.context(endpointUid(context))
      await services.computes.forget(endpointUid(context))
      if (found !== undefined) await services.door.unlisten([found.endpoint.address])
    },
  },
  {
    name: 'prepare',
    isUnsaved: true,
    async run(context) {
      const { project, branch, endpoint } = await rowsOf(services, context)
      const { computes, roles, catalog, log } = services
      // A branch begins with the size of its source branch; what that was once, nobody knows, nor what a
      // template or snapshot has.
      const isRoot = branch.sourceBranchUid === undefined
      const isUnknown = isRoot || branch.sourcePoint !== undefined
      if (isUnknown || context.row.input.renewPasswords === true) {
        // Started a step ago, unless the server has stopped or died in between.
        await services.volumes.run(branch.uid, () =>
          computes.ensureReady(computeSpec(services, project, branch, endpoint)),
        )
        if (isUnknown) {
          const logicalSize = await computes.logicalSize(endpoint.uid)
          context.memory = { ...context.memory, logicalSize }
        }
        if (context.row.input.renewPasswords === true) {
          await roles.renewPasswords(computes.socketDirectory(endpoint.uid))
        }
      }
      const creator = await catalog.identities.byUid(branch.createdBy)
      if (isRoot) await settleBranch(services, prepared, { branch, endpoint }, creator)
      // Nobody waits for this but the creator's first login, which asks for it too.
      if (creator === undefined || computes.state(endpoint.uid).kind !== 'ready') return
      prepared
        .manager(services, endpoint.uid, creator)
        .catch((error: unknown) => log.warn({ err: error, branch: branch.uid }, 'not prepared yet'))
    },
  },
  {
    name: 'record',
    async write(context, session) {
      const { time, logicalSize } = context.memory
      const begin = readBeginning(context.memory.begin)
      await session.projects.lock(context.row.projectUid)
      const branch = await session.branches.byUid(branchUid(context))
      if (branch === undefined) return
      await session.branches.update(branch.uid, {
        // Deleted while it was made: the delete waits for us and must find its state as it left it.
        ...(branch.deleteTime === undefined
          ? {
              state: 'READY' as const,
              pendingState: undefined,
              stateChangeTime: services.clock.now(),
            }
          : {}),
        begin,
        ...(logicalSize === undefined ? {} : { logicalSizeBytes: Number(logicalSize) }),
        ...(branch.sourceBranchUid === undefined
          ? {}
          : {
              sourceLsn: sourceLsnOf(context) ?? begin.lsn,
              sourceTime: epochMicros(BigInt(String(time))),
            }),
      })
    },
  },
]

export const createBranchKind = (services: Services, prepared: Prepared): Kind => ({
  name: 'create-branch',
  onFailure: 'undo',
  steps: [
    {
      name: 'reserve', // done when accepted; here for its undo, which must come last
      async undo(context) {
        await services.catalog.branches.remove(branchUid(context))
      },
    },
    ...branchSteps(services, prepared),
  ],
  async finish(context, session) {
    const { project, branch } = await rowsOf({ catalog: session }, context)
    return viewBranch(project, branch)
  },
})

async function sourceBranchOf({ catalog }: Services, branch: Branch): Promise<Branch> {
  const source = branch.sourceBranchUid && (await catalog.branches.byUid(branch.sourceBranchUid))
  if (source === undefined) throw new Fault('BRANCH_NOT_FOUND') // deleted since it was accepted
  return source
}

/** Of a branch whose log is another one than its source's: where in the source's it began. */
const sourceLsnOf = ({ memory: { sourceLsn } }: StepContext): Lsn | undefined =>
  sourceLsn === undefined ? undefined : lsn(BigInt(String(sourceLsn)))

const branchUid = ({ row }: StepContext): BranchUid => row.input.branch as BranchUid
const endpointUid = ({ row }: StepContext): EndpointUid => row.input.endpoint as EndpointUid

async function rowsOf(
  { catalog }: { readonly catalog: CatalogSession },
  context: StepContext,
): Promise<EndpointContext> {
  const found = await catalog.endpoints.context(endpointUid(context))
  if (found === undefined) throw new Error('the rows of a branch in the making are gone')
  return found
}
