/**
 * Deletes a branch because what it was bound to is gone. It can be undeleted for as long as it would have lived; it is
 * bound to nothing then, so it is not collected again.
 */
import { type CollectPlan, planCollect, purgeTimeOf, sayKept } from '../domain/binding.ts'
import { type Branch, branchPurgeAfter } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import type { BranchPath, IdentityUid } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import { after, type Millis, rfc3339 } from '../lib/time.ts'
import type { CatalogSession, NewWork } from '../ports/catalog.ts'
import { lockProject, may, mayChange } from './access.ts'
import type { Caller } from './actions.ts'
import { factsOf } from './bindings.ts'
import { retireBranch } from './delete-branch.ts'
import type { Services } from './services.ts'

/** Throws unless it is one, by what is written down under the project's lock. */
export async function collectBranch(
  services: Services,
  caller: Caller,
  path: BranchPath,
  { grace }: { readonly grace: Millis | undefined },
): Promise<OperationResource> {
  return services.catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'collectBranch'))
    const branch = await session.branches.byId(project.uid, path.branch)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
    await mayChange(session, project, branch, may(caller, 'deleteBranch/ofAnother'))
    const { plan, work } = await retireLeftOver(services, session, project, branch, {
      grace: grace ?? services.policy.collectGrace,
      callerUid: caller.identity.uid,
    })
    if (work !== undefined) return renderOperation({ ...work, outcome: { kind: 'pending' } })
    throw new Fault('BRANCH_IS_NO_LEFT_OVER', { branch: branch.branchId, problem: sayPlan(plan) })
  })
}

interface Collected {
  readonly plan: CollectPlan
  /** `undefined`: it stays. */
  readonly work: NewWork | undefined
}

/** Holds the project already. A branch that is no left-over stays as it is. */
export async function retireLeftOver(
  services: Pick<Services, 'clock'>,
  session: CatalogSession,
  project: Project,
  branch: Branch,
  { grace, callerUid }: { readonly grace: Millis; readonly callerUid: IdentityUid | undefined },
): Promise<Collected> {
  const now = services.clock.now()
  const bindings = await session.bindings.ofBranch(branch.uid)
  const facts = { ...(await factsOf(session, project, branch)), bindings }
  const plan = planCollect(facts, { now, grace })
  if (plan.act !== 'collect') return { plan, work: undefined }
  await session.bindings.removeAll(branch.uid)
  const work = await retireBranch(services, session, project, branch, {
    purge: false,
    purgeTime: purgeTimeOf(branch, after(now, branchPurgeAfter)),
    callerUid,
  })
  return { plan, work }
}

function sayPlan(plan: CollectPlan): string {
  if (plan.act === 'keep') return sayKept[plan.because]
  const until = plan.act === 'wait' ? rfc3339(plan.until) : 'now'
  return `what it belongs to is gone, and it waits until ${until}`
}
