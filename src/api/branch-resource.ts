/** A branch as answers show it: `domain/branch.ts` renders it. */
import { z } from 'zod'
import { durabilities } from '../domain/branch.ts'
import { operationOn } from './operation-resource.ts'
import { int64, moment, pageOf, resourceId, resourceName, seconds } from './reply-fields.ts'
import { branchVerification } from './verification-resource.ts'

const state = z.enum(['INIT', 'IMPORTING', 'READY', 'RESETTING', 'DELETED']).meta({
  id: 'BranchState',
  description: '`READY`: it answers SQL. `IMPORTING`: it is being filled from another Postgres.',
})

export const durability = z.enum(durabilities).meta({
  id: 'Durability',
  description:
    "`durable`: a commit is on disk when it is acknowledged. `relaxed`: Postgres's `synchronous_commit` is off, so a crash of the machine may cost the last moments of acknowledged commits; `fsync` stays on.",
})

const position = z
  .string()
  .regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/)
  .meta({ examples: ['0/1A2B3C8'] })

const status = z.strictObject({
  branch_id: resourceId,
  current_state: state,
  pending_state: state.optional(),
  state_change_time: moment,
  default: z.boolean(),
  is_protected: z.boolean(),
  durability,
  logical_size_bytes: int64,
  expire_time: moment.optional().meta({ description: 'When it ends; absent: never.' }),
  sliding_ttl: seconds
    .optional()
    .meta({ description: 'Its end moves to so long after its last activity.' }),
  is_held_by_sessions: z
    .literal(true)
    .optional()
    .meta({ description: 'It does not end while somebody is connected.' }),
  source_branch: resourceName('projects/app/branches/production').optional(),
  source_branch_lsn: position
    .optional()
    .meta({ description: 'Where in the log of its source it began.' }),
  source_branch_time: moment.optional(),
  source_snapshot: resourceName('projects/app/snapshots/before-release')
    .optional()
    .meta({ description: 'What it began with, in place of a source branch.' }),
  history: z
    .strictObject({
      window_start_time: moment.meta({ description: 'The oldest time to branch from.' }),
      window_start_lsn: position.meta({ description: 'The oldest log position to branch from.' }),
      size_bytes: int64.meta({
        description:
          'What the history takes on disk, as counted last: every ten minutes while it is written to, less often where that takes the file system long.',
      }),
    })
    .optional()
    .meta({ description: 'What other branches can begin with; absent: nothing yet.' }),
  delete_time: moment.optional(),
  purge_time: moment.optional().meta({ description: 'When a deleted one is removed for good.' }),
})

export const branchResource = z
  .strictObject({
    name: resourceName('projects/app/branches/dev'),
    branch_id: resourceId,
    parent: resourceName('projects/app'),
    uid: z.string().regex(/^br-[a-z0-9-]+$/),
    create_time: moment,
    update_time: moment,
    status: status.meta({ readOnly: true }),
  })
  .meta({
    id: 'Branch',
    description: 'A branch: a writable line of data with a source and an end.',
  })

export const branchPage = pageOf('branches', branchResource).meta({ id: 'BranchPage' })
export const branchOperation = operationOn('Branch', branchResource, branchVerification)
