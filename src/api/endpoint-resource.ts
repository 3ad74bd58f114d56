/** An endpoint as answers show it: `domain/endpoint.ts` renders it. */
import { z } from 'zod'
import { operationOn } from './operation-resource.ts'
import { computeUnits } from './project-resource.ts'
import { moment, pageOf, resourceId, resourceName, seconds, settingValues } from './reply-fields.ts'

export const endpointState = z
  .enum(['INIT', 'ACTIVE', 'IDLE'])
  .meta({ id: 'EndpointState', description: '`IDLE`: the next connection starts its compute.' })

export const endpointType = z
  .enum(['ENDPOINT_TYPE_READ_WRITE', 'ENDPOINT_TYPE_READ_ONLY'])
  .meta({ id: 'EndpointType' })

const status = z.strictObject({
  endpoint_id: resourceId,
  endpoint_type: endpointType,
  current_state: endpointState,
  pending_state: endpointState.optional(),
  disabled: z.boolean(),
  autoscaling_limit_min_cu: computeUnits,
  autoscaling_limit_max_cu: computeUnits,
  suspend_timeout_duration: seconds
    .optional()
    .meta({ description: 'Idle for so long, its compute is stopped; absent: never.' }),
  settings: z.strictObject({ pg_settings: settingValues.optional() }),
  group: z.strictObject({
    min: z.int().min(1),
    max: z.int().min(1),
    enable_readable_secondaries: z.boolean(),
  }),
  hosts: z.strictObject({
    host: z.string().meta({ description: 'What Postgres clients connect to.' }),
    read_only_host: z.string().optional(),
  }),
  last_active_time: moment.optional(),
})

export const endpointResource = z
  .strictObject({
    name: resourceName('projects/app/branches/dev/endpoints/primary'),
    endpoint_id: resourceId,
    parent: resourceName('projects/app/branches/dev'),
    uid: z.string().regex(/^ep-[a-z0-9-]+$/),
    create_time: moment,
    update_time: moment,
    status: status.meta({ readOnly: true }),
  })
  .meta({ id: 'Endpoint', description: 'An endpoint: keeps its host while computes come and go.' })

export const endpointPage = pageOf('endpoints', endpointResource).meta({ id: 'EndpointPage' })
export const endpointOperation = operationOn('Endpoint', endpointResource)
