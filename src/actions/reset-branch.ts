/**
 * Reset to source and restore in place, accepted: who may, what stands against it, and what the branch will
 * hold. Nothing is refused later that can be known now. The work itself is in replace-volume.ts.
 */
import { type Branch, isFirstBranch } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import { type BranchPath, branchName } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import { formatPoint } from '../domain/point.ts'
import type { Project } from '../domain/project.ts'
import type { Replacement } from '../domain/reset-preview.ts'
import { keptFor, previousStateId, type Snapshot } from '../domain/snapshot.ts'
import { after } from '../lib/time.ts'
import type { CatalogSession, JsonObject, NewWork } from '../ports/catalog.ts'
import { allow, lockProject, may, mayChange } from './access.ts'
import type { Caller, RestorePoint } from './actions.ts'
import { findSourceSnapshot, mustHold } from './branch-origin.ts'
import { newSnapshot } from './create-snapshot.ts'
import { mayCopy } from './limits.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'

type Act = 'reset' | 'restore'

/** What the branch is to hold from then on, judged and found to be allowed. */
export interface Accepted {
  readonly replacement: Replacement
  /** For the operation: where the new volume comes from. */
  readonly from: JsonObject
  /** It comes from a protected branch, whose passwords must not open this one. */
  readonly renewPasswords: boolean
  readonly snapshot?: Snapshot
}

export async function resetBranch(
  services: Services,
  caller: Caller,
  path: BranchPath,
): Promise<OperationResource> {
  return services.catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'resetBranch'))
    const branch = await liveBranch(session, project, path)
    const accepted = await judgeReset(services, session, caller, project, branch)
    return reserve(services, session, caller, { act: 'reset', project, branch, accepted })
  })
}

export async function restoreBranch(
  services: Services,
  caller: Caller,
  path: BranchPath,
  to: RestorePoint,
): Promise<OperationResource> {
  return services.catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'restoreBranch'))
    const branch = await liveBranch(session, project, path)
    const accepted = await judgeRestore(services, session, project, branch, to)
    return reserve(services, session, caller, { act: 'restore', project, branch, accepted })
  })
}

async function liveBranch(
  session: CatalogSession,
  project: Project,
  { branch: id }: BranchPath,
): Promise<Branch> {
  const branch = await session.branches.byId(project.uid, id)
  if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
  return branch
}

/** One's own branch that ends anyway may be reset by whoever may branch; all others by managers. */
export async function judgeReset(
  { policy }: Pick<Services, 'policy'>,
  session: CatalogSession,
  caller: Caller,
  project: Project,
  branch: Branch,
): Promise<Accepted> {
  await mayChange(session, project, branch, may(caller, 'resetBranch/ofAnother'))
  if (branch.expireTime === undefined) {
    await allow(session, project, may(caller, 'resetBranch/stays'))
  }
  if (isFirstBranch(branch) || branch.sourceBranchUid === undefined) {
    throw new Fault('RESET_NEEDS_SOURCE', { branch: branch.branchId })
  }
  await mustBeReplaceable(session, branch, 'reset')
  const source = await session.branches.byUid(branch.sourceBranchUid)
  if (source === undefined || source.deleteTime !== undefined) {
    throw new Fault('RESET_SOURCE_GONE', {
      branch: branch.branchId,
      source: branch.sourceBranchId ?? branch.sourceBranchUid,
    })
  }
  if (source.state !== 'READY') {
    throw new Fault('SOURCE_NOT_READY', { branch: source.branchId, state: source.state })
  }
  mayCopy(source, policy)
  return {
    replacement: { kind: 'source', branchId: source.branchId },
    from: { kind: 'source', branch: source.uid },
    renewPasswords: source.isProtected,
  }
}

/** A point is one of the branch's own, so its passwords were the branch's own too. */
export async function judgeRestore(
  { clock }: Pick<Services, 'clock'>,
  session: CatalogSession,
  project: Project,
  branch: Branch,
  to: RestorePoint,
): Promise<Accepted> {
  await mustBeReplaceable(session, branch, 'restore')
  if (to.kind !== 'snapshot') {
    await mustHold(session, branch, to, clock.now())
    return {
      replacement: to,
      from: { kind: 'point', point: formatPoint(to) },
      renewPasswords: false,
    }
  }
  const snapshot = await findSourceSnapshot(session, project, to.snapshot)
  if (snapshot.sourceBranchUid !== branch.uid) {
    throw new Fault('SNAPSHOT_OF_ANOTHER', {
      snapshot: snapshot.snapshotId,
      branch: branch.branchId,
      source: snapshot.sourceBranchId,
    })
  }
  return {
    replacement: { kind: 'snapshot', snapshotId: snapshot.snapshotId },
    from: { kind: 'snapshot', snapshot: snapshot.uid },
    renewPasswords: false,
    snapshot,
  }
}

/** Children hold their own data, so they do not stand against it. */
async function mustBeReplaceable(session: CatalogSession, branch: Branch, act: Act): Promise<void> {
  const { branchId } = branch
  if (branch.isProtected) throw new Fault('BRANCH_KEEPS_DATA', { act })
  if (branch.pendingState === 'RESETTING') throw new Fault('BRANCH_RESETTING', { branch: branchId })
  if (branch.state !== 'READY') {
    throw new Fault('SOURCE_NOT_READY', { branch: branchId, state: branch.state })
  }
  const children = await session.branches.children(branch.uid)
  const inTheMaking = children.filter(({ state }) => state === 'INIT')
  if (inTheMaking.length > 0) {
    const facts = { act, branch: branchId, children: firstOf(inTheMaking) }
    throw new Fault('BRANCH_BEING_COPIED', facts)
  }
  const endpoints = await session.endpoints.ofBranch(branch.uid)
  // Ready means that it answers SQL, which a disabled one may not.
  if (endpoints.some((endpoint) => !isReader(endpoint) && endpoint.isDisabled)) {
    throw new Fault('ENDPOINT_DISABLED')
  }
}

const firstOf = (branches: readonly Branch[]): string =>
  branches
    .slice(0, 10)
    .map(({ branchId }) => branchId)
    .join(', ')

/**
 * The row of the previous state's snapshot comes first, and holds the new volume while that is made: when it
 * is whole, branch and snapshot exchange theirs, so at every moment each volume is somebody's.
 */
async function reserve(
  { clock, storage }: Services,
  session: CatalogSession,
  caller: Caller,
  {
    act,
    project,
    branch,
    accepted: { from, renewPasswords, snapshot },
  }: {
    readonly act: Act
    readonly project: Project
    readonly branch: Branch
    readonly accepted: Accepted
  },
): Promise<OperationResource> {
  await storage.checkRoom() // known now, so said now
  const now = clock.now()
  const kept = newSnapshot(branch)
  const usual = previousStateId(act, branch.branchId, now)
  const isTaken = (await session.snapshots.byId(project.uid, usual)) !== undefined
  await session.snapshots.insert({
    ...kept,
    snapshotId: isTaken ? previousStateId(act, kept.uid, now) : usual,
    isAutomatic: true,
    expireTime: after(now, keptFor),
    createdBy: caller.identity.uid,
    createTime: now,
  })
  await session.branches.update(branch.uid, {
    pendingState: 'RESETTING',
    stateChangeTime: now,
  })
  const work: NewWork = {
    uid: newOperationUid(),
    kind: `${act}-branch`,
    resource: branchName(project.projectId, branch.branchId),
    subject: 'Branch',
    projectUid: project.uid,
    callerUid: caller.identity.uid,
    // A delete of any of them that is accepted after us waits.
    keys: [branch.uid, kept.uid, ...(snapshot === undefined ? [] : [snapshot.uid])],
    input: { branch: branch.uid, kept: kept.uid, from, renewPasswords },
    createTime: now,
  }
  await session.work.insert(work)
  return renderOperation({ ...work, outcome: { kind: 'pending' } })
}
