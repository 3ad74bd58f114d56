/**
 * Operations, polled under the resource that they work on. Ids may hold slashes in other servers'
 * answers, so an id reaches to the end of the path.
 */
import type { Actions, Caller } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import {
  branchName,
  endpointName,
  type OperationUid,
  projectName,
  snapshotName,
} from '../domain/names.ts'
import { base } from './base-path.ts'
import { branchOperation } from './branch-resource.ts'
import { endpointOperation } from './endpoint-resource.ts'
import { projectOperation } from './project-resource.ts'
import { ok, type Reply, type Route, route } from './route.ts'
import { snapshotOperation } from './snapshot-resource.ts'

const project = `${base}/projects/{project}` as const
const branch = `${project}/branches/{branch}` as const
const endpoint = `${branch}/endpoints/{endpoint}` as const

export const operationRoutes = (actions: Actions): readonly Route[] => {
  const poll = async (caller: Caller, resource: string, id: string): Promise<Reply> => {
    if (id.length > 200 || /[^\x21-\x7e]/.test(id)) throw new Fault('OPERATION_NOT_FOUND')
    return ok(await actions.getOperation(caller, resource, id as OperationUid))
  }
  return [
    route({
      method: 'GET',
      path: `${project}/operations/{+operation}`,
      summary: 'Get an operation on a project',
      operationId: 'getProjectOperation',
      tag: 'Operations',
      reply: { 200: projectOperation },
      refusals: ['OPERATION_NOT_FOUND'],
      access: 'identity',
      handle: ({ caller, params }) => poll(caller, projectName(params.project), params.operation),
    }),
    route({
      method: 'GET',
      path: `${branch}/operations/{+operation}`,
      summary: 'Get an operation on a branch',
      operationId: 'getBranchOperation',
      tag: 'Operations',
      reply: { 200: branchOperation },
      refusals: ['OPERATION_NOT_FOUND'],
      access: 'identity',
      handle: ({ caller, params }) =>
        poll(caller, branchName(params.project, params.branch), params.operation),
    }),
    route({
      method: 'GET',
      path: `${project}/snapshots/{snapshot}/operations/{+operation}`,
      summary: 'Get an operation on a snapshot',
      operationId: 'getSnapshotOperation',
      tag: 'Operations',
      reply: { 200: snapshotOperation },
      refusals: ['OPERATION_NOT_FOUND'],
      access: 'identity',
      handle: ({ caller, params }) =>
        poll(caller, snapshotName(params.project, params.snapshot), params.operation),
    }),
    route({
      method: 'GET',
      path: `${endpoint}/operations/{+operation}`,
      summary: 'Get an operation on an endpoint',
      operationId: 'getEndpointOperation',
      tag: 'Operations',
      reply: { 200: endpointOperation },
      refusals: ['OPERATION_NOT_FOUND'],
      access: 'identity',
      handle: ({ caller, params }) =>
        poll(
          caller,
          endpointName(params.project, params.branch, params.endpoint),
          params.operation,
        ),
    }),
  ]
}
