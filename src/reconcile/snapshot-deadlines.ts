/** Ends snapshots at their expiry, and takes the automatic ones that schedules have due. */
import { newSnapshot, reserveSnapshot } from '../actions/create-snapshot.ts'
import { retireSnapshot } from '../actions/delete-snapshot.ts'
import type { Services } from '../actions/services.ts'
import type { Branch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import { automaticId, type Snapshot } from '../domain/snapshot.ts'
import { nextMoment, retentionOf } from '../domain/snapshot-cadence.ts'
import { after, type EpochMs, epochMs, seconds } from '../lib/time.ts'
import { auditAct } from './audit-act.ts'

/** Returns the next moment at which something falls due. */
export async function meetSnapshotDeadlines(services: Services): Promise<EpochMs | undefined> {
  const { catalog, clock } = services
  const now = clock.now()
  await endDueSnapshots(services)
  for (const branch of await catalog.snapshotSchedules.due(now)) {
    await attempt(services, { branch: branch.uid }, () => takeDueSnapshot(services, branch))
  }
  const next = await catalog.snapshots.nextDue()
  // What is due still could not be done: a second is soon enough.
  const soonest = after(clock.now(), seconds(1))
  return next === undefined ? undefined : epochMs(next <= now ? soonest : next)
}

export async function endDueSnapshots(services: Services): Promise<void> {
  const { catalog, clock } = services
  for (const { uid } of await catalog.snapshots.dueExpiry(clock.now())) {
    await attempt(services, { snapshot: uid }, () => retire(services, uid))
  }
}

/** One that cannot be met now keeps nothing else from its moment. */
async function attempt(
  { log }: Pick<Services, 'log'>,
  facts: object,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    log.error({ err: error, ...facts }, 'cannot do what snapshots have due')
  }
}

/** Looks again under the project's lock. */
async function retire(services: Services, uid: Snapshot['uid']): Promise<void> {
  const { catalog, clock, log } = services
  await catalog.transaction(async (session) => {
    const row = await session.snapshots.byUid(uid)
    const project = row && (await session.projects.lock(row.projectUid))
    const snapshot = await session.snapshots.byUid(uid)
    if (project === undefined || snapshot === undefined) return
    const { state, expireTime } = snapshot
    if (state === 'DELETING' || expireTime === undefined || expireTime > clock.now()) return
    log.info({ snapshot: snapshot.snapshotId, uid }, 'snapshot has expired')
    const work = await retireSnapshot(services, session, project, snapshot, undefined)
    await auditAct(session, 'expire-snapshot', work, uid, clock.now())
  })
}

/**
 * Takes the snapshot that this branch's schedule has due, if it still has, and writes the next moment down:
 * both or neither. What was missed while the server was down is made good by exactly one.
 */
async function takeDueSnapshot(
  { catalog, storage, clock, log }: Pick<Services, 'catalog' | 'storage' | 'clock' | 'log'>,
  { uid, projectUid }: Pick<Branch, 'uid' | 'projectUid'>,
): Promise<void> {
  const noRoom = await refusalOf(() => storage.checkRoom())
  await catalog.transaction(async (session) => {
    const project = await session.projects.lock(projectUid)
    const branch = await session.branches.byUid(uid)
    const schedule = await session.snapshotSchedules.of(uid)
    const now = clock.now()
    if (project === undefined || branch === undefined || schedule?.nextTime === undefined) return
    if (project.deleteTime !== undefined || branch.deleteTime !== undefined) return
    if (schedule.nextTime > now) return
    const { cadences, nextTime: since } = schedule
    await session.snapshotSchedules.set({
      branchUid: uid,
      cadences,
      nextTime: nextMoment(cadences, now),
    })
    const retention = retentionOf(cadences, since, now)
    if (retention === undefined) return
    if (noRoom !== undefined) {
      // The next moment is as good: to try without end would fill the log in place of the pool.
      log.error({ err: noRoom, branch: branch.branchId }, 'an automatic snapshot is left out')
      return
    }
    const snapshot = newSnapshot(branch)
    const usual = automaticId(branch.branchId, now)
    const isTaken = (await session.snapshots.byId(project.uid, usual)) !== undefined
    const snapshotId = isTaken ? automaticId(snapshot.uid, now) : usual
    log.info({ branch: branch.branchId, snapshot: snapshotId }, 'taking an automatic snapshot')
    const work = await reserveSnapshot(session, project, {
      ...snapshot,
      snapshotId,
      isAutomatic: true,
      expireTime: after(now, retention),
      createdBy: undefined,
      createTime: now,
    })
    await auditAct(session, 'create-snapshot', work, snapshot.uid, now)
  })
}

/** Only what the machine lacks is a reason to go on without; everything else is thrown. */
async function refusalOf(work: () => Promise<void>): Promise<Fault | undefined> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (error instanceof Fault && error.reason === 'STORAGE_NEARLY_FULL') return error
    throw error
  }
}
