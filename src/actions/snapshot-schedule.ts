/**
 * The schedule of a branch's automatic snapshots. The next moment is a row, so it outlives the server
 * (reconcile/snapshot-deadlines.ts).
 */
import { Fault } from '../domain/faults.ts'
import { type BranchPath, branchName, type ProjectId } from '../domain/names.ts'
import type { OperationResource } from '../domain/operation.ts'
import {
  type Cadence,
  type CadenceResource,
  nextMoment,
  renderCadence,
} from '../domain/snapshot-cadence.ts'
import { findBranch, lockProject, may } from './access.ts'
import type { Caller } from './actions.ts'
import type { Services } from './services.ts'
import { recordDone } from './work-done.ts'

/** A type, not an interface: it is rendered as JSON. */
export type SnapshotScheduleResource = {
  readonly name: string
  readonly schedule: readonly CadenceResource[]
}

/** The SDKs disagree on what an update answers, so both are told (api/snapshot-schedule.ts). */
export interface ChangedSchedule {
  readonly operation: OperationResource
  readonly schedule: SnapshotScheduleResource
}

/** A branch that never had one has an empty schedule. */
export async function getSnapshotSchedule(
  { catalog }: Services,
  caller: Caller,
  path: BranchPath,
): Promise<SnapshotScheduleResource> {
  const { project, branch } = await findBranch(catalog, path, may(caller, 'getSnapshotSchedule'))
  const schedule = await catalog.snapshotSchedules.of(branch.uid)
  return render(project.projectId, branch.branchId, schedule?.cadences ?? [])
}

/** Replaces the whole set of cadences; `undefined` leaves it as it is. Nothing moves, so it is over at once. */
export async function updateSnapshotSchedule(
  { catalog, clock }: Services,
  caller: Caller,
  path: BranchPath,
  cadences: readonly Cadence[] | undefined,
): Promise<ChangedSchedule> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'updateSnapshotSchedule'))
    const branch = await session.branches.byId(project.uid, path.branch)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
    const now = clock.now()
    if (cadences !== undefined) {
      const nextTime = nextMoment(cadences, now)
      await session.snapshotSchedules.set({ branchUid: branch.uid, cadences, nextTime })
    }
    const known = await session.snapshotSchedules.of(branch.uid)
    const schedule = render(project.projectId, branch.branchId, known?.cadences ?? [])
    const operation = await recordDone(session, {
      caller,
      kind: 'update-snapshot-schedule',
      resource: schedule.name,
      subject: 'SnapshotSchedule',
      projectUid: project.uid,
      response: schedule,
      now,
    })
    return { operation, schedule }
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
