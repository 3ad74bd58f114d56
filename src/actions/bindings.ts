/**
 * What branches are bound to: told by those who work there, listed, and compared with what was found. A finding is a
 * note alone; what follows from it is `collect-branch.ts`.
 */
import {
  afterFinding,
  type BindingResource,
  type BoundTo,
  type CollectPlan,
  type Finding,
  planCollect,
  renderBinding,
} from '../domain/binding.ts'
import { type Branch, isFirstBranch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import {
  type BindingUid,
  type BranchName,
  type BranchPath,
  type BranchUid,
  branchName,
  type ProjectPath,
  printable,
} from '../domain/names.ts'
import type { Project } from '../domain/project.ts'
import type { EpochMs, Millis } from '../lib/time.ts'
import type { BindingOfBranch, NewlyGone } from '../ports/bindings.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import { findProject, isAllowed, lockProject, may, mayChange } from './access.ts'
import type { Caller, Listing, Page } from './actions.ts'
import { newBindingUid } from './new-uid.ts'
import { afterOf, cut } from './read.ts'
import type { Services } from './services.ts'

export interface BindBranch extends BoundTo {
  readonly isOwn: boolean
}

/** Told again, it is renewed. Whoever makes a worktree the owner of a branch lets the branch go with it. */
export async function bindBranch(
  { catalog, clock }: Services,
  caller: Caller,
  path: BranchPath,
  to: BindBranch,
): Promise<BindingResource> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'bindBranch'))
    const branch = await session.branches.byId(project.uid, path.branch)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
    if (to.isOwn) await mayChange(session, project, branch, may(caller, 'bindBranch/ofAnother'))
    const now = clock.now()
    const binding = await session.bindings.save({
      ...to,
      uid: newBindingUid(),
      branchUid: branch.uid,
      boundBy: caller.identity.uid,
      createTime: now,
      updateTime: now,
      gone: undefined,
    })
    return renderBinding(binding, { projectId: project.projectId, branchId: branch.branchId })
  })
}

export async function listBindings(
  { catalog }: Services,
  caller: Caller,
  path: ProjectPath,
  { host, ...page }: Page & { readonly host: string | undefined },
): Promise<Listing<BindingResource>> {
  const { uid, projectId } = await findProject(catalog, path.project, may(caller, 'listBindings'))
  const list = `bindings of ${uid}`
  const rows = await catalog.bindings.list(uid, {
    after: afterOf(list, page),
    limit: page.size + 1,
    host,
  })
  const { shown, nextPageToken } = cut(list, rows, page.size, (row) => `${row.branchId}/${row.uid}`)
  return { items: shown.map((row) => renderBinding(row, { ...row, projectId })), nextPageToken }
}

export interface NoteFindings {
  readonly findings: readonly {
    readonly binding: BindingUid
    /** Of the binding when it was looked for: one that was told anew since is there. */
    readonly updateTime: EpochMs
    readonly found: Finding
  }[]
  /** `undefined`: the server's own. */
  readonly grace: Millis | undefined
}

export interface BranchPlan {
  readonly branch: BranchName
  readonly plan: CollectPlan
}

/** What would become of the branches. */
export async function previewFindings(
  services: Services,
  caller: Caller,
  path: ProjectPath,
  { findings, grace }: NoteFindings,
): Promise<readonly BranchPlan[]> {
  const { catalog, policy } = services
  const project = await findProject(catalog, path.project, may(caller, 'previewFindings'))
  const seen = await judge(services, catalog, { caller, project, findings })
  return plan(catalog, project, seen, grace ?? policy.collectGrace)
}

/** Writes down since when what is gone, and answers what becomes of the branches. */
export async function noteFindings(
  { catalog, clock, policy }: Services,
  caller: Caller,
  path: ProjectPath,
  { findings, grace }: NoteFindings,
): Promise<readonly BranchPlan[]> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'noteFindings'))
    const seen = await judge({ clock }, session, { caller, project, findings })
    await session.bindings.setGone(seen.changes)
    return plan(session, project, seen, grace ?? policy.collectGrace)
  })
}

interface Judged {
  readonly now: EpochMs
  readonly changes: readonly NewlyGone[]
  readonly unknown: ReadonlySet<BindingUid>
  /** By branch; those that the caller may not change are `undefined`. */
  readonly branches: ReadonlyMap<BranchUid, Branch | undefined>
  readonly names: ReadonlyMap<BranchUid, BranchName>
}

async function judge(
  { clock }: Pick<Services, 'clock'>,
  session: CatalogSession,
  {
    caller,
    project,
    findings,
  }: Pick<NoteFindings, 'findings'> & { readonly caller: Caller; readonly project: Project },
): Promise<Judged> {
  const now = clock.now()
  const rows = await session.bindings.byUids(
    project.uid,
    findings.map(({ binding }) => binding),
  )
  const known = new Map(rows.map((row) => [row.uid, row]))
  for (const { binding } of findings) {
    if (!known.has(binding)) throw new Fault('BINDING_NOT_FOUND', { binding: printable(binding) })
  }
  const mayAll = await isAllowed(session, project, may(caller, 'deleteBranch/ofAnother'))
  const branches = new Map<BranchUid, Branch | undefined>()
  for (const { branchUid } of rows) {
    if (branches.has(branchUid)) continue
    const branch = await session.branches.byUid(branchUid)
    const isOurs = mayAll || branch?.createdBy === caller.identity.uid
    branches.set(branchUid, isOurs ? branch : undefined)
  }
  const ours = findings.flatMap(({ binding, updateTime, found }) => {
    const row = known.get(binding) as BindingOfBranch
    if (branches.get(row.branchUid) === undefined) return []
    return [{ row, found: updateTime === row.updateTime ? found : ('THERE' as const) }]
  })
  return {
    now,
    changes: ours.map(({ row, found }) => ({
      uid: row.uid,
      gone: afterFinding(row, found, now),
      asOf: row.updateTime,
    })),
    unknown: new Set(ours.flatMap(({ row, found }) => (found === 'UNKNOWN' ? [row.uid] : []))),
    branches,
    names: new Map(rows.map((row) => [row.branchUid, branchName(project.projectId, row.branchId)])),
  }
}

async function plan(
  session: CatalogSession,
  project: Project,
  { now, changes, unknown, branches, names }: Judged,
  grace: Millis,
): Promise<readonly BranchPlan[]> {
  const changed = new Map(changes.map(({ uid, gone }) => [uid, gone]))
  const plans: BranchPlan[] = []
  for (const [uid, name] of names) {
    const branch = branches.get(uid)
    if (branch === undefined) {
      plans.push({ branch: name, plan: { act: 'keep', because: 'OF_ANOTHER' } })
      continue
    }
    const bindings = (await session.bindings.ofBranch(uid)).map((binding) => ({
      isOwn: binding.isOwn,
      gone: changed.has(binding.uid) ? changed.get(binding.uid) : binding.gone,
      isUnknown: unknown.has(binding.uid),
    }))
    const facts = { ...(await factsOf(session, project, branch)), bindings }
    plans.push({ branch: name, plan: planCollect(facts, { now, grace }) })
  }
  return plans
}

/** What of a branch keeps it. */
export async function factsOf(session: CatalogSession, project: Project, branch: Branch) {
  return {
    isDefault: branch.uid === project.defaultBranchUid,
    isFirst: isFirstBranch(branch),
    isProtected: branch.isProtected,
    hasChildren: (await session.branches.children(branch.uid)).length > 0,
  }
}
