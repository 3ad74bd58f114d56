/** The schedule of a branch's automatic snapshots: one a branch, changed in place and at once. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import { type MaskFields, resolveMask } from '../domain/field-mask.ts'
import { longestSnapshot } from '../domain/snapshot.ts'
import { type Cadence, daysOfWeek } from '../domain/snapshot-cadence.ts'
import { hours } from '../lib/time.ts'
import { base } from './base-path.ts'
import { duration, integer, maskQuery } from './fields.ts'
import { ok, type Route, route } from './route.ts'
import { snapshotScheduleChanged, snapshotScheduleResource } from './snapshot-resource.ts'

const path = `${base}/projects/{project}/branches/{branch}/snapshot-schedule` as const

/** protobuf's JSON leaves a 0 out. */
const hour = integer(0, 23).default(0)

const cadence = z.object({
  retention: duration(hours(1), longestSnapshot, '604800s'),
  daily_schedule: z.object({ hour }).optional(),
  weekly_schedule: z.object({ day_of_week: z.enum(daysOfWeek), hour }).optional(),
  monthly_schedule: z.object({ day: integer(1, 31), hour }).optional(),
})

/** More than anybody needs; a bound on work. */
const schedule = z.array(cadence).max(32)

const update = z.object({ schedule: schedule.optional() }).meta({ id: 'SnapshotScheduleUpdate' })

export const scheduleMask: MaskFields = {
  leaves: ['schedule'],
  groups: {},
  immutable: [],
  ignored: [],
}

export const snapshotScheduleRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'GET',
    path,
    summary: "Get a branch's snapshot schedule",
    operationId: 'getSnapshotSchedule',
    tag: 'Snapshots',
    reply: { 200: snapshotScheduleResource },
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getSnapshotSchedule(caller, params)),
  }),
  route({
    method: 'PATCH',
    path,
    summary: "Set a branch's snapshot schedule",
    description:
      'At once, and as a whole: an empty `schedule` ends automatic snapshots. When several cadences have a moment together, one snapshot is taken and kept for the longest of their retentions; what the server missed while it was down is made good by one.',
    operationId: 'updateSnapshotSchedule',
    tag: 'Snapshots',
    reply: { 200: snapshotScheduleChanged },
    refusals: ['MASK_UNKNOWN_PATH'],
    access: 'identity',
    query: maskQuery,
    body: {
      schema: update,
      wrapper: 'snapshot_schedule',
      example: { schedule: [{ retention: '604800s', daily_schedule: { hour: 3 } }] },
    },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    async handle({ caller, params, query, body }) {
      // An empty list is left out by clients, and a mask that names it means just that: no cadences.
      const cadences = body.schedule ?? []
      const [leaf] = resolveMask(query.update_mask, { schedule: cadences }, scheduleMask)
      const set = leaf === undefined ? undefined : cadences.map(readCadence)
      const changed = await actions.updateSnapshotSchedule(caller, params, set)
      // Older SDKs read the schedule from this answer, newer ones a finished operation that they poll once.
      return ok({ ...changed.operation, schedule: changed.schedule.schedule })
    },
  }),
]

function readCadence(fields: z.output<typeof cadence>, at: number): Cadence {
  const { retention, daily_schedule: day, weekly_schedule: week, monthly_schedule: month } = fields
  const given = [day, week, month].filter((schedule) => schedule !== undefined)
  if (given.length !== 1) {
    throw new Fault('FIELD_INVALID', {
      field: `schedule.${at}`,
      problem: 'it must hold exactly one of daily_schedule, weekly_schedule and monthly_schedule',
    })
  }
  if (week !== undefined) {
    return { retention, every: { kind: 'week', hour: week.hour, dayOfWeek: week.day_of_week } }
  }
  if (month !== undefined) {
    return { retention, every: { kind: 'month', hour: month.hour, day: month.day } }
  }
  return { retention, every: { kind: 'day', hour: day?.hour ?? 0 } }
}
