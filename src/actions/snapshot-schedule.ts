/**
 * The schedule of a branch's automatic snapshots. The next moment is a row, so it outlives the server;
 * what was missed while that was down is made good by exactly one snapshot at its start.
 */
import { isLive } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import { type BranchPath, type BranchUid, branchName, type ProjectId } from '../domain/names.ts'
import { automaticId } from '../domain/snapshot.ts'
import {
  type Cadence,
  type CadenceResource,
  nextMoment,
  renderCadence,
  retentionOf,
} from '../domain/snapshot-cadence.ts'
import { after } from '../lib/time.ts'
import { findBranch, lockProject } from './access.ts'
import type { Caller } from './actions.ts'
import { newSnapshot, reserveSnapshot } from './create-snapshot.ts'
import { seeing } from './read.ts'
import type { Services } from './services.ts'

/** A type, not an interface: it is rendered as JSON. */
export type SnapshotScheduleResource = {
  readonly name: string
  readonly schedule: readonly CadenceResource[]
}

/** A branch that never had one has an empty schedule. */
export async function getSnapshotSchedule(
  { catalog }: Services,
  caller: Caller,
  path: BranchPath,
): Promise<SnapshotScheduleResource> {
  const { project, branch } = await findBranch(catalog, path, seeing(caller))
  const schedule = await catalog.snapshotSchedules.of(branch.uid)
  return render(project.projectId, branch.branchId, schedule?.cadences ?? [])
}

/** Replaces the whole set of cadences; `undefined` leaves it as it is. */
export async function updateSnapshotSchedule(
  { catalog, clock }: Services,
  caller: Caller,
  path: BranchPath,
  cadences: readonly Cadence[] | undefined,
): Promise<SnapshotScheduleResource> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, {
      caller,
      needs: 'CAN_MANAGE', // what it takes stays as long as it says
      to: 'change snapshot schedules',
    })
    const branch = await session.branches.byId(project.uid, path.branch)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
    if (cadences !== undefined) {
      const nextTime = nextMoment(cadences, clock.now())
      await session.snapshotSchedules.set({ branchUid: branch.uid, cadences, nextTime })
    }
    const schedule = await session.snapshotSchedules.of(branch.uid)
    return render(project.projectId, branch.branchId, schedule?.cadences ?? [])
  })
}

const render = (
  project: ProjectId,
  branch: BranchPath['branch'],
  cadences: readonly Cadence[],
): SnapshotScheduleResource => ({
  name: `${branchName(project, branch)}/snapshot-schedule`,
  schedule: cadences.map(renderCadence),
})

/**
 * Takes the snapshot that this branch's schedule has due, if it still has, and writes the next moment down:
 * both or neither.
 */
export async function takeDueSnapshot(
  { catalog, clock, log }: Pick<Services, 'catalog' | 'clock' | 'log'>,
  {
    uid,
    projectUid,
  }: {
    readonly uid: BranchUid
    readonly projectUid: Parameters<Services['catalog']['projects']['lock']>[0]
  },
): Promise<void> {
  await catalog.transaction(async (session) => {
    const project = await session.projects.lock(projectUid)
    const branch = await session.branches.byUid(uid)
    const schedule = await session.snapshotSchedules.of(uid)
    const now = clock.now()
    if (project === undefined || branch === undefined || schedule?.nextTime === undefined) return
    if (!isLive({ project, branch }) || schedule.nextTime > now) return
    const { cadences, nextTime: since } = schedule
    await session.snapshotSchedules.set({
      branchUid: uid,
      cadences,
      nextTime: nextMoment(cadences, now),
    })
    const retention = retentionOf(cadences, since, now)
    if (retention === undefined) return
    const snapshot = newSnapshot(branch)
    const usual = automaticId(branch.branchId, now)
    const isTaken = (await session.snapshots.byId(project.uid, usual)) !== undefined
    const snapshotId = isTaken ? automaticId(snapshot.uid, now) : usual
    log.info({ branch: branch.branchId, snapshot: snapshotId }, 'taking an automatic snapshot')
    await reserveSnapshot(session, project, {
      ...snapshot,
      snapshotId,
      isAutomatic: true,
      expireTime: after(now, retention),
      createdBy: undefined,
      createTime: now,
    })
  })
}
