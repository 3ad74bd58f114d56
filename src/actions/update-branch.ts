/** Update branch: its end and its protection. Nothing moves, so the operation is over at once. */
import { type Branch, isFirstBranch } from '../domain/branch.ts'
import { expireTimeOf } from '../domain/expiration.ts'
import { Fault } from '../domain/faults.ts'
import { type BranchPath, branchName } from '../domain/names.ts'
import type { OperationResource } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import { allow, lockProject, may, mayChange } from './access.ts'
import type { BranchSpec, Caller } from './actions.ts'
import { mayProtect } from './create-branch.ts'
import type { Services } from './services.ts'
import { viewBranch } from './views.ts'
import { recordDone } from './work-done.ts'

export async function updateBranch(
  services: Services,
  caller: Caller,
  path: BranchPath,
  spec: BranchSpec,
): Promise<OperationResource> {
  return services.catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'updateBranch'))
    const branch = await session.branches.byId(project.uid, path.branch)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
    return changeBranch(services, session, caller, project, branch, spec)
  })
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
  const expireTime =
    spec.expiration === undefined
      ? branch.expireTime
      : expireTimeOf(spec.expiration, {
          createTime: branch.createTime,
          now,
          maximum: policy.maxBranchTtl,
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
  const changed: Branch = { ...branch, isProtected, expireTime, updateTime: now }
  await session.branches.update(branch.uid, { isProtected, expireTime, updateTime: now })
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
