/** Ends snapshots at their expiry, and takes the automatic ones that schedules have due. */
import { retireSnapshot } from '../actions/delete-snapshot.ts'
import type { Services } from '../actions/services.ts'
import { takeDueSnapshot } from '../actions/snapshot-schedule.ts'
import type { Snapshot } from '../domain/snapshot.ts'
import { after, type EpochMs, epochMs, seconds } from '../lib/time.ts'

/** Returns the next moment at which something falls due. */
export async function meetSnapshotDeadlines(services: Services): Promise<EpochMs | undefined> {
  const { catalog, clock, log } = services
  const now = clock.now()
  /** One that cannot be met now keeps nothing else from its moment. */
  const attempt = async (facts: object, work: () => Promise<void>) => {
    try {
      await work()
    } catch (error) {
      log.error({ err: error, ...facts }, 'cannot do what snapshots have due')
    }
  }
  for (const { uid } of await catalog.snapshots.dueExpiry(now)) {
    await attempt({ snapshot: uid }, () => retire(services, uid))
  }
  for (const branch of await catalog.snapshotSchedules.due(now)) {
    await attempt({ branch: branch.uid }, () => takeDueSnapshot(services, branch))
  }
  const next = await catalog.snapshots.nextDue()
  // What is due still could not be done: a second is soon enough.
  const soonest = after(clock.now(), seconds(1))
  return next === undefined ? undefined : epochMs(next <= now ? soonest : next)
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
    await retireSnapshot(services, session, project, snapshot, undefined)
  })
}
