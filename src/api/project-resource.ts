/** A project as answers show it: `domain/project.ts` renders it. */
import { z } from 'zod'
import { smallestCu } from '../domain/cu.ts'
import { postgresMajors } from '../domain/project.ts'
import { operationOn } from './operation-resource.ts'
import {
  int64,
  moment,
  pageOf,
  resourceId,
  resourceName,
  seconds,
  settingValues,
  uuid,
} from './reply-fields.ts'

export const computeUnits = z.number().min(smallestCu)

const endpointDefaults = z
  .strictObject({
    autoscaling_limit_min_cu: computeUnits,
    autoscaling_limit_max_cu: computeUnits,
    no_suspension: z.literal(true).optional(),
    suspend_timeout_duration: seconds.optional(),
    pg_settings: settingValues.optional(),
  })
  .meta({ description: 'What `primary` of a later branch begins with.' })

export const customTag = z.strictObject({ key: z.string(), value: z.string() })

const status = z.strictObject({
  project_id: resourceId,
  display_name: z.string(),
  pg_version: z
    .literal(postgresMajors)
    .meta({ type: 'integer', description: 'Major version of Postgres.' }),
  owner: z.string().meta({ description: 'Login name of whoever created it.' }),
  default_branch: resourceName('projects/app/branches/production').optional(),
  history_retention_duration: seconds,
  default_endpoint_settings: endpointDefaults,
  enable_pg_native_login: z.boolean(),
  custom_tags: z.array(customTag).optional(),
  budget_policy_id: z.string().optional(),
  branch_logical_size_limit_bytes: int64,
  synthetic_storage_size_bytes: int64,
  compute_last_active_time: moment.optional(),
})

export const projectResource = z
  .strictObject({
    name: resourceName('projects/app'),
    project_id: resourceId,
    uid: uuid,
    create_time: moment,
    update_time: moment,
    delete_time: moment.optional().meta({ description: 'When it was deleted.' }),
    purge_time: moment.optional().meta({ description: 'When a deleted one is removed for good.' }),
    status: status.meta({ readOnly: true }),
  })
  .meta({ id: 'Project', description: 'A project: owns branches and the defaults of endpoints.' })

export const projectPage = pageOf('projects', projectResource).meta({ id: 'ProjectPage' })
export const projectOperation = operationOn('Project', projectResource)
