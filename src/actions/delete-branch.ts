/**
 * Delete branch: the id is free and the branch out of sight the moment the delete is accepted; the
 * operation then ends its sessions and compute and, for a purge, its bytes. Expiry comes here too.
 */
import { type Branch, branchPurgeAfter, isFirstBranch } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import {
  type BranchPath,
  type BranchUid,
  branchName,
  type IdentityUid,
  type ProjectUid,
} from '../domain/names.ts'
import { empty, type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import { after, type EpochMs } from '../lib/time.ts'
import type { Kind } from '../operations/kind.ts'
import type { CatalogSession, NewWork } from '../ports/catalog.ts'
import { lockProject, may, mayChange } from './access.ts'
import type { Caller } from './actions.ts'
import { suspend } from './fleet.ts'
import { newOperationUid } from './new-uid.ts'
import { dropReader } from './readers.ts'
import type { Services } from './services.ts'
import { eraseBase } from './take-base.ts'
import { volumeOf } from './volume-of.ts'
import { recordDone } from './work-done.ts'

export async function deleteBranch(
  services: Services,
  caller: Caller,
  path: BranchPath,
  { purge, allowMissing }: { readonly purge: boolean; readonly allowMissing: boolean },
): Promise<OperationResource> {
  return services.catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'deleteBranch'))
    const branch =
      (await session.branches.byId(project.uid, path.branch)) ??
      // A purge may follow a delete: the bytes need not stay for the rest of the seven days.
      (purge ? await session.branches.lastDeleted(project.uid, path.branch) : undefined)
    if (branch === undefined) {
      if (!allowMissing) throw new Fault('BRANCH_NOT_FOUND')
      return recordDone(session, {
        caller,
        kind: 'delete-branch',
        resource: branchName(path.project, path.branch),
        subject: 'Branch',
        projectUid: project.uid,
        response: empty,
        now: services.clock.now(),
      })
    }
    await mayChange(session, project, branch, may(caller, 'deleteBranch/ofAnother'))
    // What is deleted already holds nobody up any more, and its children do not need its bytes.
    if (branch.deleteTime === undefined) await mayDelete(session, project, branch)
    const work = await retireBranch(services, session, project, branch, {
      purge,
      callerUid: caller.identity.uid,
    })
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

async function mayDelete(session: CatalogSession, project: Project, branch: Branch): Promise<void> {
  if (branch.isProtected) throw new Fault('BRANCH_PROTECTED')
  if (isFirstBranch(branch)) {
    throw new Fault('BRANCH_IS_ROOT', { branch: branch.branchId })
  }
  if (branch.uid === project.defaultBranchUid) throw new Fault('BRANCH_IS_DEFAULT')
  const children = await session.branches.children(branch.uid)
  if (children.length > 0) {
    throw new Fault('BRANCH_HAS_CHILDREN', {
      children: children
        .slice(0, 10)
        .map(({ branchId }) => branchId)
        .join(', '),
    })
  }
}

/** Takes the branch out of sight and inserts the work that ends it. Holds the project already. */
export async function retireBranch(
  { clock }: Pick<Services, 'clock'>,
  session: CatalogSession,
  project: Project,
  branch: Branch,
  {
    purge,
    callerUid,
    purgeTime,
  }: {
    readonly purge: boolean
    readonly callerUid: IdentityUid | undefined
    /** Without `purge`: in place of the usual seven days. */
    readonly purgeTime?: EpochMs
  },
): Promise<NewWork> {
  const now = clock.now()
  // What it is still being filled with is not waited for: it ends as an import that was cancelled.
  for (const { uid, kind } of await session.work.unfinished(branch.uid)) {
    if (kind === 'import-branch') await session.work.cancel(uid, now)
  }
  await session.branches.update(branch.uid, {
    state: 'DELETED',
    pendingState: undefined,
    stateChangeTime: now,
    updateTime: now,
    deleteTime: branch.deleteTime ?? now,
    purgeTime: purge ? undefined : (purgeTime ?? after(now, branchPurgeAfter)),
  })
  const work: NewWork = {
    uid: newOperationUid(),
    kind: 'delete-branch',
    resource: branchName(project.projectId, branch.branchId),
    subject: 'Branch',
    projectUid: project.uid,
    callerUid,
    keys: [branch.uid],
    input: { project: project.uid, branch: branch.uid, purge },
    createTime: now,
  }
  await session.work.insert(work)
  return work
}

export const deleteBranchKind = (services: Services): Kind => ({
  name: 'delete-branch',
  onFailure: 'retry',
  steps: [
    {
      name: 'close',
      run: async ({ row: { input } }) =>
        closeBranch(
          services,
          input.project as ProjectUid,
          input.branch as BranchUid,
          input.purge === true,
        ),
    },
    {
      name: 'erase',
      async run({ row }) {
        if (row.input.purge !== true) return
        await eraseBranch(services, row.input.project as ProjectUid, row.input.branch as BranchUid)
      },
    },
  ],
  finish: () => Promise.resolve(empty),
})

/** Nobody can connect any more and nothing runs. */
export async function closeBranch(
  services: Services,
  project: ProjectUid,
  branch: BranchUid,
  isPurge: boolean,
): Promise<void> {
  const endpoints = await services.catalog.endpoints.ofBranch(branch)
  await services.door.unlisten(endpoints.map(({ address }) => address))
  // Readers first: a writer that stops hands its log to those that listen. They are made anew when
  // somebody wants them after an undelete, and hold no space until then.
  for (const endpoint of [...endpoints].reverse()) {
    await services.door.endSessions(endpoint.uid)
    if (isReader(endpoint)) {
      await dropReader(services, { uid: project }, endpoint)
    } else {
      await suspend(
        services,
        { branch: { uid: branch } as Branch, endpoint },
        isPurge ? 'immediate' : 'fast',
      )
    }
  }
}

/** Bytes first, row last: a volume without a row would be nobody's. */
export async function eraseBranch(
  {
    storage,
    catalog,
    computes,
    volumes,
  }: Pick<Services, 'storage' | 'catalog' | 'computes' | 'volumes'>,
  project: ProjectUid,
  branch: BranchUid,
): Promise<void> {
  const row = await catalog.branches.byUid(branch)
  if (row === undefined) return
  const endpoints = await catalog.endpoints.ofBranch(branch)
  for (const reader of endpoints.filter(isReader)) {
    await dropReader({ storage, computes, volumes }, { uid: project }, reader)
  }
  await volumes.run(branch, async () => {
    for (const { uid } of endpoints) await computes.forget(uid)
    for (const base of await catalog.bases.allOf(branch)) {
      await eraseBase({ storage, catalog }, base)
    }
    await storage.deleteVolume(volumeOf(row))
  })
  await catalog.branches.remove(branch)
}
