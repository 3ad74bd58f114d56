/** Endpoints. */
import { z } from 'zod'
import type { Actions, EndpointSpec } from '../actions/actions.ts'
import type { MaskFields } from '../domain/field-mask.ts'
import { parseEndpointId } from '../domain/names.ts'
import { base } from './base-path.ts'
import {
  endpointOperation,
  endpointPage,
  endpointResource,
  endpointType,
} from './endpoint-resource.ts'
import { checkGroup, group, readSizing, sizing } from './endpoint-settings.ts'
import { defined, flag, maskQuery, newId, pgSettings, queryFlag } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { ok, type Route, route } from './route.ts'

const spec = z.object({
  ...sizing,
  disabled: flag.optional().describe('No connection starts its compute.'),
  group: group.optional(),
  settings: z.object({ pg_settings: pgSettings.optional() }).optional(),
})

const creation = z
  .object({
    spec: spec.extend({ endpoint_type: endpointType }).meta({ writeOnly: true }),
  })
  .meta({ id: 'EndpointCreate' })

const update = z
  .object({ spec: spec.default({}).meta({ writeOnly: true }) })
  .meta({ id: 'EndpointUpdate' })

const suspensionMembers = ['spec.no_suspension', 'spec.suspend_timeout_duration']

export const endpointMask: MaskFields = {
  leaves: [
    'spec.autoscaling_limit_min_cu',
    'spec.autoscaling_limit_max_cu',
    'spec.disabled',
    'spec.group.min',
    'spec.group.max',
    'spec.group.enable_readable_secondaries',
    'spec.settings.pg_settings',
    ...suspensionMembers,
  ],
  groups: { 'spec.suspension': suspensionMembers },
  immutable: ['spec.endpoint_type'],
  ignored: [],
}

const parent = `${base}/projects/{project}/branches/{branch}/endpoints` as const
const one = `${parent}/{endpoint}` as const

export const endpointRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'POST',
    path: parent,
    summary: 'Create an endpoint',
    description:
      'A read-only one: the read-write endpoint of a branch comes with it. It is served by a hot standby.',
    operationId: 'createEndpoint',
    tag: 'Endpoints',
    reply: { 200: endpointOperation },
    refusals: [
      'ENDPOINT_EXISTS',
      'READ_WRITE_ENDPOINT_EXISTS',
      'READ_ONLY_ENDPOINTS_LIMIT',
      'ACTIVE_COMPUTES_LIMIT',
      'STORAGE_FULL',
      'STORAGE_NEARLY_FULL',
      'STORAGE_UNAVAILABLE',
      'FIELD_IMMUTABLE',
    ],
    access: 'identity',
    query: z.object({
      endpoint_id: newId('endpoint', 'replica', parseEndpointId),
      replace_existing: queryFlag
        .optional()
        .describe('Update the endpoint of this id, if there is one.'),
    }),
    body: {
      schema: creation,
      wrapper: 'endpoint',
      example: { spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' } },
    },
    subject: ({ caller, params }) => actions.getBranch(caller, params),
    handle: async ({ caller, params, query, body: { spec } }) =>
      ok(
        await actions.createEndpoint(caller, {
          branch: params,
          endpointId: query.endpoint_id,
          type: spec.endpoint_type,
          spec: readSpec(spec),
          replaceExisting: query.replace_existing ?? false,
        }),
      ),
  }),
  route({
    method: 'GET',
    path: parent,
    summary: 'List endpoints',
    operationId: 'listEndpoints',
    tag: 'Endpoints',
    reply: { 200: endpointPage },
    refusals: ['PAGE_TOKEN_UNKNOWN'],
    access: 'identity',
    query: pageQuery,
    handle: async ({ caller, params, query }) =>
      ok(renderPage('endpoints', await actions.listEndpoints(caller, params, readPage(query)))),
  }),
  route({
    method: 'GET',
    path: one,
    summary: 'Get an endpoint',
    operationId: 'getEndpoint',
    tag: 'Endpoints',
    reply: { 200: endpointResource },
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.getEndpoint(caller, params)),
  }),
  route({
    method: 'PATCH',
    path: one,
    summary: 'Update an endpoint',
    operationId: 'updateEndpoint',
    tag: 'Endpoints',
    reply: { 200: endpointOperation },
    access: 'identity',
    query: maskQuery,
    body: {
      schema: update,
      wrapper: 'endpoint',
      mask: endpointMask,
      example: { spec: { suspend_timeout_duration: '300s' } },
    },
    subject: ({ caller, params }) => actions.getEndpoint(caller, params),
    handle: async ({ caller, params, body: { spec } }) =>
      ok(await actions.updateEndpoint(caller, params, readSpec(spec))),
  }),
  route({
    method: 'DELETE',
    path: one,
    summary: 'Delete an endpoint',
    description:
      'A read-only endpoint goes with its sessions. A read-write one goes with its branch alone.',
    operationId: 'deleteEndpoint',
    tag: 'Endpoints',
    reply: { 200: endpointOperation },
    refusals: ['READ_WRITE_ENDPOINT_STAYS'],
    access: 'identity',
    handle: async ({ caller, params }) => ok(await actions.deleteEndpoint(caller, params)),
  }),
]

function readSpec(fields: z.output<typeof spec>): EndpointSpec {
  checkGroup(fields.group, 'spec')
  return {
    ...readSizing(fields, 'spec'),
    ...defined({ isDisabled: fields.disabled, pgSettings: fields.settings?.pg_settings }),
  }
}
