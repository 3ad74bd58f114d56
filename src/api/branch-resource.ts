/** A branch as answers show it: `domain/branch.ts` renders it. */
import { z } from 'zod'
import { importPhases } from '../domain/import-progress.ts'
import { operationOn } from './operation-resource.ts'
import { int64, moment, pageOf, resourceId, resourceName } from './reply-fields.ts'

const state = z.enum(['INIT', 'IMPORTING', 'READY', 'RESETTING', 'DELETED']).meta({
  id: 'BranchState',
  description: '`READY`: it answers SQL. `IMPORTING`: it is being filled from another Postgres.',
})

const status = z.strictObject({
  branch_id: resourceId,
  current_state: state,
  pending_state: state.optional(),
  state_change_time: moment,
  default: z.boolean(),
  is_protected: z.boolean(),
  logical_size_bytes: int64,
  expire_time: moment.optional().meta({ description: 'When it ends; absent: never.' }),
  source_branch: resourceName('projects/app/branches/production').optional(),
  source_branch_lsn: z
    .string()
    .regex(/^[0-9A-F]{1,8}\/[0-9A-F]{1,8}$/)
    .optional()
    .meta({ description: 'Where in the log of its source it began.', examples: ['0/1A2B3C8'] }),
  source_branch_time: moment.optional(),
  source_snapshot: resourceName('projects/app/snapshots/before-release')
    .optional()
    .meta({ description: 'What it began with, in place of a source branch.' }),
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

const names = z.array(z.string())
const count = int64.meta({ examples: [12] })

/** Of an import. */
const importProgress = z
  .strictObject({
    phase: z.enum(importPhases),
    tables_done: count,
    tables_total: count,
    bytes_done: count,
    bytes_total: count.meta({ description: "Of tables on the source's disk." }),
    left_out: z
      .strictObject({
        roles: names.meta({
          description: 'They owned or were granted something: it belongs to the shared owner now.',
        }),
        policies: names,
        event_triggers: names,
        publications: names,
        subscriptions: names,
        user_mappings: names,
      })
      .optional()
      .meta({ description: 'What of the source has no place in a branch.' }),
  })
  .meta({ id: 'ImportProgress', description: 'How far an import is.' })

export const branchOperation = operationOn('Branch', branchResource, {
  progress: importProgress.optional(),
})
