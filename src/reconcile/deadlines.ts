/** Ends what has come to its end: branches by expiry, deleted branches and projects by purge. */

import { retireProject } from '../actions/change-project.ts'
import { retireBranch } from '../actions/delete-branch.ts'
import type { Services } from '../actions/services.ts'
import { before, days, type EpochMs } from '../lib/time.ts'

/** How long an operation stays readable after it ended. */
const operationRetention = days(30)

/** Returns the next moment at which something falls due. */
export async function meetDeadlines(services: Services): Promise<EpochMs | undefined> {
  const { catalog, clock, log } = services
  const now = clock.now()
  for (const branch of await catalog.branches.dueExpiry(now)) {
    log.info({ branch: branch.branchId, uid: branch.uid }, 'branch has expired')
    await retire(services, branch.uid)
  }
  for (const branch of await catalog.branches.duePurge(now)) await retire(services, branch.uid)
  for (const project of await catalog.projects.duePurge(now)) {
    await catalog.transaction(async (session) => {
      const found = await session.projects.lock(project.uid)
      if (found?.purgeTime === undefined || found.purgeTime > clock.now()) return
      await retireProject(services, session, found, { purge: true, callerUid: undefined })
    })
  }
  await catalog.work.forget(before(now, operationRetention))
  return catalog.branches.nextDue()
}

/** Looks again under the project's lock: the end may just have been moved. */
async function retire(services: Services, uid: Parameters<typeof load>[1]): Promise<void> {
  const { catalog, clock } = services
  await catalog.transaction(async (session) => {
    const row = await load(session, uid)
    if (row === undefined) return
    const project = await session.projects.lock(row.projectUid)
    const branch = await load(session, uid)
    if (project === undefined || branch === undefined) return
    const now = clock.now()
    const isExpired =
      branch.deleteTime === undefined && branch.expireTime !== undefined && branch.expireTime <= now
    const isPurgeable = branch.purgeTime !== undefined && branch.purgeTime <= now
    if (!isExpired && !isPurgeable) return
    // A child that is being cloned from it finishes first; it needs a moment only.
    const children = await session.branches.children(branch.uid)
    if (children.some(({ state }) => state === 'INIT')) return
    await retireBranch(services, session, project, branch, { purge: true, callerUid: undefined })
  })
}

const load = (
  session: Pick<Services['catalog'], 'branches'>,
  uid: Parameters<Services['catalog']['branches']['byUid']>[0],
) => session.branches.byUid(uid)
