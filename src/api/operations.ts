/**
 * Operations, polled under the resource that they work on. Ids may hold slashes in other servers'
 * answers, so an id reaches to the end of the path.
 */
import type { Actions, Caller } from '../actions/actions.ts'
import { Fault } from '../domain/faults.ts'
import {
  branchName,
  databaseName,
  endpointName,
  type OperationUid,
  projectName,
  roleName,
  snapshotName,
} from '../domain/names.ts'
import { base } from './base-path.ts'
import { branchOperation } from './branch-resource.ts'
import { databaseOperation } from './database-resource.ts'
import { endpointOperation } from './endpoint-resource.ts'
import { projectOperation } from './project-resource.ts'
import { roleOperation } from './role-resource.ts'
import { ok, type Reply, type Route, route } from './route.ts'
import { snapshotOperation, snapshotScheduleOperation } from './snapshot-resource.ts'

const project = `${base}/projects/{project}` as const
const branch = `${project}/branches/{branch}` as const
const endpoint = `${branch}/endpoints/{endpoint}` as const
const role = `${branch}/roles/{role}` as const
const database = `${branch}/databases/{database}` as const

export const operationRoutes = (actions: Actions): readonly Route[] => {
  const poll = async (caller: Caller, resource: string, id: string): Promise<Reply> => {
    return ok(await actions.getOperation(caller, resource, checkedId(id)))
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
      method: 'POST',
      path: `${branch}/operations/{operation}/cancel`,
      summary: 'Cancel an operation on a branch',
      description:
        'Of an import that is under way: it ends soon, with an error, and what it had begun is undone. A delete of the branch does the same.',
      operationId: 'cancelBranchOperation',
      tag: 'Operations',
      reply: { 200: branchOperation },
      refusals: ['OPERATION_NOT_FOUND', 'OPERATION_FINISHED', 'OPERATION_NOT_CANCELLABLE'],
      access: 'identity',
      handle: async ({ caller, params }) =>
        ok(
          await actions.cancelOperation(
            caller,
            branchName(params.project, params.branch),
            checkedId(params.operation),
          ),
        ),
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
      path: `${branch}/snapshot-schedule/operations/{+operation}`,
      summary: 'Get an operation on a snapshot schedule',
      operationId: 'getSnapshotScheduleOperation',
      tag: 'Operations',
      reply: { 200: snapshotScheduleOperation },
      refusals: ['OPERATION_NOT_FOUND'],
      access: 'identity',
      handle: ({ caller, params }) =>
        poll(
          caller,
          `${branchName(params.project, params.branch)}/snapshot-schedule`,
          params.operation,
        ),
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
    route({
      method: 'GET',
      path: `${role}/operations/{+operation}`,
      summary: 'Get an operation on a role',
      operationId: 'getRoleOperation',
      tag: 'Operations',
      reply: { 200: roleOperation },
      refusals: ['OPERATION_NOT_FOUND'],
      access: 'identity',
      handle: ({ caller, params }) =>
        poll(caller, roleName(params.project, params.branch, params.role), params.operation),
    }),
    route({
      method: 'GET',
      path: `${database}/operations/{+operation}`,
      summary: 'Get an operation on a database',
      operationId: 'getDatabaseOperation',
      tag: 'Operations',
      reply: { 200: databaseOperation },
      refusals: ['OPERATION_NOT_FOUND'],
      access: 'identity',
      handle: ({ caller, params }) =>
        poll(
          caller,
          databaseName(params.project, params.branch, params.database),
          params.operation,
        ),
    }),
  ]
}

function checkedId(id: string): OperationUid {
  if (id.length > 200 || /[^\x21-\x7e]/.test(id)) throw new Fault('OPERATION_NOT_FOUND')
  return id as OperationUid
}
