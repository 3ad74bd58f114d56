/** Undelete branch: back in sight, without an expiration, with the same endpoint and host. */
import { isLive } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import { type BranchPath, type BranchUid, branchName } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Kind } from '../operations/kind.ts'
import type { NewWork } from '../ports/catalog.ts'
import { lockProject, may } from './access.ts'
import type { Caller } from './actions.ts'
import { wake } from './fleet.ts'
import { mayAddBranch, mayAddRoot } from './limits.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'
import { viewBranch } from './views.ts'

export async function undeleteBranch(
  { catalog, clock, policy }: Services,
  caller: Caller,
  path: BranchPath,
): Promise<OperationResource> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'undeleteBranch'))
    const live = await session.branches.byId(project.uid, path.branch)
    const branch = await session.branches.lastDeleted(project.uid, path.branch)
    if (branch === undefined) {
      if (live === undefined) throw new Fault('BRANCH_NOT_FOUND')
      throw new Fault('BRANCH_NOT_DELETED', { kind: 'branch' })
    }
    if (live !== undefined) throw new Fault('BRANCH_EXISTS')
    await mayAddBranch(session, project, policy)
    if (branch.sourceBranchUid === undefined) await mayAddRoot(session, project, policy)
    const now = clock.now()
    // Deleted while it was made: nobody may use it before it is, so it is not READY yet.
    const waiting = await session.work.unfinished(branch.uid)
    const isMade = !waiting.some(({ kind }) => makesBranch.has(kind))
    await session.branches.update(branch.uid, {
      state: isMade ? 'READY' : 'INIT',
      pendingState: isMade ? undefined : 'READY',
      stateChangeTime: now,
      updateTime: now,
      expireTime: undefined,
      deleteTime: undefined,
      purgeTime: undefined,
    })
    const work: NewWork = {
      uid: newOperationUid(),
      kind: 'undelete-branch',
      resource: branchName(project.projectId, branch.branchId),
      subject: 'Branch',
      projectUid: project.uid,
      callerUid: caller.identity.uid,
      keys: [branch.uid], // after the delete, should that still be at it
      input: { branch: branch.uid },
      createTime: now,
    }
    await session.work.insert(work)
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

const makesBranch: ReadonlySet<string> = new Set([
  'create-project',
  'create-branch',
  'import-branch',
  'restore-backup',
  'upgrade-branch',
])

const attemptsToWake = 4

export const undeleteBranchKind = (services: Services): Kind => ({
  name: 'undelete-branch',
  onFailure: 'retry',
  steps: [
    {
      name: 'open',
      async run({ row }) {
        const { catalog, door, log } = services
        for (const { uid, address } of await catalog.endpoints.ofBranch(
          row.input.branch as BranchUid,
        )) {
          const context = await catalog.endpoints.context(uid)
          // Deleted again: that delete waits for us.
          if (context === undefined || !isLive(context)) continue
          await door.listen([address])
          // A reader has nothing of its own to be ready with: its first login makes it.
          if (context.endpoint.isDisabled || isReader(context.endpoint)) continue
          try {
            await wake(services, context) // ready means that it answers SQL
          } catch (error) {
            // One that cannot start must not keep the branch from being deleted once more.
            if (!(error instanceof Fault) || row.attempt < attemptsToWake) throw error
            log.warn({ err: error, endpoint: uid }, 'the next connection will try to start it')
          }
        }
      },
    },
    {
      name: 'record',
      async run({ row }) {
        await services.catalog.transaction(async (session) => {
          await session.projects.lock(row.projectUid)
          const branch = await session.branches.byUid(row.input.branch as BranchUid)
          // Its making is over, since it was accepted before this; it may have been deleted again.
          if (branch?.state !== 'INIT' || branch.deleteTime !== undefined) return
          await session.branches.update(branch.uid, {
            state: 'READY',
            pendingState: undefined,
            stateChangeTime: services.clock.now(),
          })
        })
      },
    },
  ],
  async finish({ row }) {
    const branch = await services.catalog.branches.byUid(row.input.branch as BranchUid)
    const project = branch && (await services.catalog.projects.byUid(branch.projectUid))
    if (branch === undefined || project === undefined) throw new Fault('BRANCH_NOT_FOUND')
    return viewBranch(project, branch)
  },
})
