/** Ends what has come to its end: branches by expiry, deleted branches and projects by purge. */
import { retireProject } from '../actions/change-project.ts'
import { retireBranch } from '../actions/delete-branch.ts'
import type { Services } from '../actions/services.ts'
import type { Branch } from '../domain/branch.ts'
import { heldFor } from '../domain/lease.ts'
import { after, before, days, type EpochMs, epochMs, seconds } from '../lib/time.ts'
import { auditAct } from './audit-act.ts'
import { keepLease } from './keep-leases.ts'
import { endDueSnapshots } from './snapshot-deadlines.ts'

/** How long an operation stays readable after it ended. */
const operationRetention = days(30)

/**
 * At start, before anybody is let in and anything is taken on: all that fell due while nobody looked, however
 * much it is. What has to be put off (its child is being cloned) is the loop's, and no session gets to it.
 */
export async function meetDueFirst(services: Services): Promise<void> {
  const { catalog, clock, log } = services
  const met = new Set<string>()
  for (;;) {
    const now = clock.now()
    const due = [
      ...(await catalog.branches.dueExpiry(now)),
      ...(await catalog.branches.duePurge(now)),
    ].filter(({ uid }) => !met.has(uid))
    if (due.length === 0) break
    for (const { uid } of due) met.add(uid)
    await meetDeadlines(services)
  }
  await endDueSnapshots(services)
  if (met.size > 0) log.info({ branches: met.size }, 'met what fell due while the server was down')
}

/** Returns the next moment at which something falls due. */
export async function meetDeadlines(services: Services): Promise<EpochMs | undefined> {
  const { catalog, clock, log } = services
  const now = clock.now()
  /** One that cannot be retired now keeps nothing else from its end. */
  const attempt = async (facts: object, work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      log.error({ err: error, ...facts }, 'cannot end what has come to its end')
    }
  }
  const branches = [
    ...(await catalog.branches.dueExpiry(now)),
    ...(await catalog.branches.duePurge(now)),
  ]
  for (const branch of branches) {
    const { uid } = branch
    await attempt({ uid }, async () => {
      await keepIfLeased(services, branch)
      await retire(services, uid)
    })
  }
  for (const { uid } of await catalog.projects.duePurge(now)) {
    await attempt({ uid }, () =>
      catalog.transaction(async (session) => {
        const found = await session.projects.lock(uid)
        if (found?.purgeTime === undefined || found.purgeTime > clock.now()) return
        const work = await retireProject(services, session, found, {
          purge: true,
          callerUid: undefined,
        })
        await auditAct(session, 'purge-project', work, found.uid, clock.now())
      }),
    )
  }
  await catalog.work.forget(before(now, operationRetention))
  const next = await catalog.branches.nextDue()
  // What is due still had to be put off (a child is being cloned): a second is soon enough.
  const soonest = after(clock.now(), seconds(1))
  return next === undefined ? undefined : epochMs(next <= now ? soonest : next)
}

/** Somebody may have come since the last look. A compute that does not answer holds its branch only for so long. */
async function keepIfLeased(services: Services, branch: Branch): Promise<void> {
  const { expireTime, slidingTtl, isHeldBySessions, deleteTime } = branch
  if (expireTime === undefined || deleteTime !== undefined) return
  if (slidingTtl === undefined && !isHeldBySessions) return
  try {
    await keepLease(services, branch)
  } catch (error) {
    if (services.clock.now() < after(expireTime, heldFor)) throw error
    services.log.error({ err: error, branch: branch.branchId }, 'a branch ends unasked')
  }
}

/** Looks again under the project's lock: the end may just have been moved. */
async function retire(services: Services, uid: Parameters<typeof load>[1]): Promise<void> {
  const { catalog, clock, log } = services
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
    // A child that is being cloned from it, or reset to it, finishes first; it needs a moment only.
    const children = await session.branches.children(branch.uid)
    if (children.some((child) => child.state === 'INIT' || child.pendingState === 'RESETTING'))
      return
    if (isExpired) log.info({ branch: branch.branchId, uid }, 'branch has expired')
    const work = await retireBranch(services, session, project, branch, {
      purge: true,
      callerUid: undefined,
    })
    await auditAct(session, isExpired ? 'expire-branch' : 'purge-branch', work, branch.uid, now)
  })
}

const load = (
  session: Pick<Services['catalog'], 'branches'>,
  uid: Parameters<Services['catalog']['branches']['byUid']>[0],
) => session.branches.byUid(uid)
