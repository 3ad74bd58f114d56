/** A snapshot, and a branch's schedule of them, as answers show them: `domain/snapshot*.ts` render them. */
import { z } from 'zod'
import { daysOfWeek } from '../domain/snapshot-cadence.ts'
import { operationOn } from './operation-resource.ts'
import { int64, moment, pageOf, resourceId, resourceName, seconds } from './reply-fields.ts'

const status = z.strictObject({
  source_branch: resourceName('projects/app/branches/production').meta({
    description: 'What it was taken of; that branch may be gone.',
  }),
  expire_time: moment.optional().meta({ description: 'When it ends.' }),
  no_expiry: z.literal(true).optional().meta({ description: 'It does not end.' }),
  full_size_bytes: int64.optional().meta({ description: 'What it would take alone.' }),
  diff_size_bytes: int64.optional().meta({
    description:
      'What only it holds, counted at most an hour ago; absent where the storage cannot tell.',
  }),
})

export const snapshotResource = z
  .strictObject({
    name: resourceName('projects/app/snapshots/before-release'),
    snapshot_id: resourceId,
    uid: z.string().regex(/^sn-[a-z0-9-]+$/),
    create_time: moment,
    status: status.meta({ readOnly: true }),
  })
  .meta({
    id: 'Snapshot',
    description:
      'An immutable point of a branch, which it outlives: later branches can begin here.',
  })

export const snapshotPage = pageOf('snapshots', snapshotResource).meta({ id: 'SnapshotPage' })
export const snapshotOperation = operationOn('Snapshot', snapshotResource)

const hour = z.int().min(0).max(23).meta({ description: 'In UTC.' })

const cadence = z
  .strictObject({
    retention: seconds,
    daily_schedule: z.strictObject({ hour }).optional(),
    weekly_schedule: z.strictObject({ day_of_week: z.enum(daysOfWeek), hour }).optional(),
    monthly_schedule: z.strictObject({ day: z.int().min(1).max(31), hour }).optional(),
  })
  .meta({ id: 'ScheduleCadence' })

export const snapshotScheduleResource = z
  .strictObject({
    name: resourceName('projects/app/branches/production/snapshot-schedule'),
    schedule: z.array(cadence),
  })
  .meta({ id: 'SnapshotSchedule', description: 'When automatic snapshots of a branch are taken.' })

export const snapshotScheduleOperation = operationOn('SnapshotSchedule', snapshotScheduleResource)

export const snapshotScheduleChanged = snapshotScheduleOperation
  .extend({ schedule: z.array(cadence) })
  .meta({
    id: 'SnapshotScheduleChanged',
    description:
      'A finished operation, with the schedule beside it for SDKs that expect just that.',
  })
