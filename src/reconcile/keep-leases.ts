/**
 * Moves the ends of branches that asked for it: looked at once a minute, shortly before each end, and once more when it has
 * come. What Postgres itself says of its sessions counts, whoever they are of. The new end is a row before the old one is
 * over, so a server that dies in between ends nothing too soon and holds nothing for long.
 */
import type { Services } from '../actions/services.ts'
import { boundsFor } from '../actions/ttl-policy.ts'
import type { Branch } from '../domain/branch.ts'
import { lookAhead, planLease, type SeenUse } from '../domain/lease.ts'
import { before, type EpochMs, epochMs } from '../lib/time.ts'

type Parts = Pick<Services, 'catalog' | 'computes' | 'clock' | 'log' | 'policy'>

/** Answers when an end is so near that it is worth a look before the slow tick. */
export async function keepLeases(services: Parts): Promise<EpochMs | undefined> {
  const { catalog, clock, log } = services
  let next: EpochMs | undefined
  for (const branch of await catalog.branches.leased()) {
    let end = branch.expireTime
    try {
      end = (await keepLease(services, branch)) ?? end
    } catch (error) {
      log.warn({ err: error, branch: branch.branchId }, 'cannot see whether a branch is in use')
    }
    const look = end === undefined ? undefined : before(end, lookAhead)
    if (look === undefined || look <= clock.now()) continue
    next = next === undefined ? look : epochMs(Math.min(next, look))
  }
  return next
}

/** The end that was moved to; `undefined`: it stays. */
export async function keepLease(
  services: Parts,
  { uid, projectUid }: Pick<Branch, 'uid' | 'projectUid'>,
): Promise<EpochMs | undefined> {
  const { catalog, clock, log, policy } = services
  const seen = await useOf(services, uid)
  return catalog.transaction(async (session) => {
    await session.projects.lock(projectUid)
    const branch = await session.branches.byUid(uid)
    if (branch === undefined || branch.deleteTime !== undefined) return undefined
    const { branchId, createdBy } = branch
    const { maximum } = await boundsFor(session, policy, { uid: projectUid }, branchId, createdBy)
    const limits = { now: clock.now(), maximum }
    const expireTime = planLease(branch, seen, limits)
    if (expireTime === undefined) return undefined
    await session.branches.update(uid, { expireTime })
    log.debug(
      { branch: branch.branchId, uid, ...seen, expireTime },
      'the end of a branch moves away',
    )
    return expireTime
  })
}

/** Of a compute that sleeps nobody is connected to; what it did last is written down. */
async function useOf(
  { catalog, computes }: Pick<Parts, 'catalog' | 'computes'>,
  branch: Branch['uid'],
): Promise<SeenUse> {
  let sessions = 0
  let last = 0
  for (const endpoint of await catalog.endpoints.ofBranch(branch)) {
    last = Math.max(last, endpoint.lastActiveTime ?? 0)
    if (computes.state(endpoint.uid).kind !== 'ready') continue
    const activity = await computes.activity(endpoint.uid)
    sessions += activity.sessions
    last = Math.max(last, activity.lastActive ?? 0)
  }
  return { sessions, lastActive: last === 0 ? undefined : epochMs(last) }
}
