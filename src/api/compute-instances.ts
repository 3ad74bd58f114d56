/** The computes behind an endpoint: a preview of the contract that only its Python SDK carries. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { base } from './base-path.ts'
import { endpointState } from './endpoint-resource.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { moment, pageOf, resourceName } from './reply-fields.ts'
import { ok, type Route, route } from './route.ts'

const instance = z
  .strictObject({
    name: resourceName(
      'projects/app/branches/dev/endpoints/primary/compute-instances/compute-blue-fern-e5f6a7b8',
    ),
    compute_instance_id: z.string().regex(/^compute-[a-z0-9-]+$/),
    compute_host: z.string(),
    current_state: endpointState,
    pending_state: endpointState.optional(),
    role: z.enum(['READ_WRITE', 'READ_ONLY']),
    start_time: moment.optional().meta({ description: 'Of the run that there is now.' }),
    suspend_time: moment.optional().meta({
      description:
        'When it was last stopped: nobody used it, its settings changed, or the server ended.',
    }),
  })
  .meta({ id: 'ComputeInstance', description: 'The compute of an endpoint, managed by it.' })

const page = pageOf('compute_instances', instance).meta({ id: 'ComputeInstancePage' })

const parent =
  `${base}/projects/{project}/branches/{branch}/endpoints/{endpoint}/compute-instances` as const

export const computeInstanceRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'GET',
    path: parent,
    summary: 'List the computes of an endpoint',
    description: 'One, since an endpoint here is served by one compute on one machine.',
    operationId: 'listComputeInstances',
    tag: 'Endpoints',
    reply: { 200: page },
    refusals: ['PAGE_TOKEN_UNKNOWN'],
    access: 'identity',
    query: pageQuery,
    handle: async ({ caller, params, query }) =>
      ok(
        renderPage(
          'compute_instances',
          await actions.listComputeInstances(caller, params, readPage(query)),
        ),
      ),
  }),
  route({
    method: 'GET',
    path: `${parent}/{instance}`,
    summary: 'Get a compute of an endpoint',
    operationId: 'getComputeInstance',
    tag: 'Endpoints',
    reply: { 200: instance },
    refusals: ['COMPUTE_INSTANCE_NOT_FOUND'],
    access: 'identity',
    handle: async ({ caller, params }) =>
      ok(await actions.getComputeInstance(caller, params, params.instance)),
  }),
]
