/** Update branch: its end and its protection. Nothing moves, so the operation is over at once. */
import { type Branch, isFirstBranch } from '../domain/branch.ts'
import { sayDuration } from '../domain/duration.ts'
import { expireTimeOf } from '../domain/expiration.ts'
import { Fault } from '../domain/faults.ts'
import { type BranchPath, branchName } from '../domain/names.ts'
import type { OperationResource } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import type { TtlBounds } from '../domain/ttl-policy.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import { allow, lockProject, may, mayChange } from './access.ts'
import type { BranchSpec, Caller } from './actions.ts'
import { computeSpec } from './compute-spec.ts'
import { mayProtect } from './create-branch.ts'
import type { Services } from './services.ts'
import { boundsFor } from './ttl-policy.ts'
import { viewBranch } from './views.ts'
import { recordDone } from './work-done.ts'

export async function updateBranch(
  services: Services,
  caller: Caller,
  path: BranchPath,
  spec: BranchSpec,
): Promise<OperationResource> {
  const done = await services.catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'updateBranch'))
    const branch = await session.branches.byId(project.uid, path.branch)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
    return changeBranch(services, session, caller, project, branch, spec)
  })
  if (spec.durability !== undefined) await reconfigure(services, path)
  return done
}

/** Tells the branch's compute, if it runs, what its row says now. A later start reads the row anyway. */
export async function reconfigure(
  services: Pick<Services, 'catalog' | 'storage' | 'computes' | 'log'>,
  path: BranchPath,
): Promise<void> {
  const { catalog, computes, log } = services
  try {
    const context = await catalog.endpoints.writerAt(path)
    if (context === undefined) return
    const { project, branch, endpoint } = context
    await computes.reload(computeSpec(services, project, branch, endpoint))
  } catch (error) {
    log.error(
      { err: error, branch: path.branch },
      'the compute keeps its settings until its next start',
    )
  }
}

/** Inside a transaction that holds the project. Also serves a create with replace_existing. */
export async function changeBranch(
  { clock, policy }: Pick<Services, 'clock' | 'policy'>,
  session: CatalogSession,
  caller: Caller,
  project: Project,
  branch: Branch,
  spec: BranchSpec,
): Promise<OperationResource> {
  await mayChange(session, project, branch, may(caller, 'updateBranch/ofAnother'))
  if (spec.expiration?.kind === 'never' || spec.isProtected !== undefined) {
    await allow(session, project, may(caller, 'updateBranch/stays'))
  }
  const now = clock.now()
  const { identity } = caller
  const bounds = await boundsFor(session, policy, project, branch.branchId, identity.uid)
  const expireTime =
    spec.expiration === undefined
      ? branch.expireTime
      : expireTimeOf(spec.expiration, {
          createTime: branch.createTime,
          now,
          ...bounds,
        })
  const isProtected = spec.isProtected ?? branch.isProtected
  if (expireTime !== undefined && spec.expiration !== undefined) {
    if (branch.uid === project.defaultBranchUid) {
      throw new Fault('BRANCH_MAY_NOT_EXPIRE', { kind: 'default' })
    }
    if (isProtected) throw new Fault('BRANCH_MAY_NOT_EXPIRE', { kind: 'protected' })
    if (isFirstBranch(branch)) {
      throw new Fault('BRANCH_MAY_NOT_EXPIRE', { kind: 'root' })
    }
    if (policy.contract === 'strict' && (await session.branches.children(branch.uid)).length > 0) {
      throw new Fault('BRANCH_MAY_NOT_EXPIRE', { kind: 'parent' })
    }
  }
  if (isProtected && !branch.isProtected) {
    await mayProtect(session, project, expireTime, policy, branch.uid)
  }
  const durability = spec.durability ?? branch.durability
  const changes = { isProtected, durability, expireTime, ...leaseOf(spec, bounds), updateTime: now }
  const changed: Branch = { ...branch, ...changes }
  await session.branches.update(branch.uid, changes)
  return recordDone(session, {
    caller,
    kind: 'update-branch',
    resource: branchName(project.projectId, branch.branchId),
    subject: 'Branch',
    projectUid: project.uid,
    response: viewBranch(project, changed),
    now,
  })
}

/** What is said of it; a length of 0 ends the sliding. Throws EXPIRATION_TOO_FAR. */
export function leaseOf(
  { slidingTtl, isHeldBySessions }: Pick<BranchSpec, 'slidingTtl' | 'isHeldBySessions'>,
  { maximum }: Pick<TtlBounds, 'maximum'>,
): Partial<Pick<Branch, 'slidingTtl' | 'isHeldBySessions'>> {
  if (slidingTtl !== undefined && slidingTtl > maximum) {
    throw new Fault('EXPIRATION_TOO_FAR', { maximum: sayDuration(maximum) })
  }
  return {
    ...(slidingTtl === undefined ? {} : { slidingTtl: slidingTtl === 0 ? undefined : slidingTtl }),
    ...(isHeldBySessions === undefined ? {} : { isHeldBySessions }),
  }
}
