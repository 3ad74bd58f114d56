/** How long branches of a project may live: its rules, and what they come to for one branch and one caller. */
import { Fault } from '../domain/faults.ts'
import { type IdentityUid, type ProjectPath, printable, projectName } from '../domain/names.ts'
import type { Project } from '../domain/project.ts'
import {
  checkRules,
  renderRule,
  type TtlBounds,
  type TtlRule,
  type TtlRuleResource,
  ttlBounds,
} from '../domain/ttl-policy.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import { findProject, lockProject, may } from './access.ts'
import type { Caller } from './actions.ts'
import type { Policy, Services } from './services.ts'

export interface TtlPolicyResource {
  readonly name: string
  readonly rules: readonly TtlRuleResource[]
}

/** `who` by login name, or a group's name. */
export interface SetTtlRule extends Omit<TtlRule, 'who'> {
  readonly who: readonly string[]
}

export async function getTtlPolicy(
  { catalog }: Services,
  caller: Caller,
  path: ProjectPath,
): Promise<TtlPolicyResource> {
  const project = await findProject(catalog, path.project, may(caller, 'getTtlPolicy'))
  return render(catalog, project)
}

/** Replaces all rules. Branches that are there keep their ends. */
export async function setTtlPolicy(
  { catalog }: Services,
  caller: Caller,
  path: ProjectPath,
  asked: readonly SetTtlRule[],
): Promise<TtlPolicyResource> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'setTtlPolicy'))
    const rules: TtlRule[] = []
    for (const { who, ...rule } of asked) {
      const uids: IdentityUid[] = []
      for (const name of who) {
        const principal = await session.directory.byName(name)
        if (principal === undefined) {
          throw new Fault('IDENTITY_NOT_FOUND', { name: printable(name) })
        }
        uids.push(principal.uid)
      }
      rules.push({ ...rule, who: uids })
    }
    checkRules(rules)
    await session.ttlPolicies.set(project.uid, rules)
    return render(session, project)
  })
}

/** A principal that is gone keeps its place: without it the rule would be for everybody. */
async function render(session: CatalogSession, project: Project): Promise<TtlPolicyResource> {
  const rules: TtlRuleResource[] = []
  for (const rule of await session.ttlPolicies.of(project.uid)) {
    const who: string[] = []
    for (const uid of rule.who) who.push((await session.directory.byUid(uid))?.loginName ?? uid)
    rules.push(renderRule(rule, who))
  }
  return { name: `${projectName(project.projectId)}/ttl-policy`, rules }
}

/** What holds for a branch of this id when this identity asks. */
export async function boundsFor(
  session: CatalogSession,
  policy: Pick<Policy, 'maxBranchTtl' | 'defaultBranchTtl'>,
  project: Pick<Project, 'uid'>,
  branchId: string,
  identity: IdentityUid,
): Promise<TtlBounds> {
  const rules = await session.ttlPolicies.of(project.uid)
  const isForSome = rules.some(({ who }) => who.length > 0)
  const principals = isForSome ? await session.directory.principalsOf(identity) : []
  return ttlBounds(rules, { branchId, principals }, policy)
}
