/**
 * Delete endpoint: out of sight and its id free the moment that it is accepted; then its sessions, its
 * compute and its volume go, and the row last. There is no undelete: a reader holds nothing of its own.
 */
import { isReader } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import {
  type EndpointPath,
  type EndpointUid,
  endpointName,
  type ProjectUid,
} from '../domain/names.ts'
import { empty, type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Kind } from '../operations/kind.ts'
import type { NewWork } from '../ports/catalog.ts'
import { lockProject, may } from './access.ts'
import type { Caller } from './actions.ts'
import { newOperationUid } from './new-uid.ts'
import { dropReader } from './readers.ts'
import type { Services } from './services.ts'

export async function deleteEndpoint(
  { catalog, clock }: Services,
  caller: Caller,
  path: EndpointPath,
): Promise<OperationResource> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'deleteEndpoint'))
    const branch = await session.branches.byId(project.uid, path.branch)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
    const endpoint = await session.endpoints.byId(branch.uid, path.endpoint)
    if (endpoint === undefined) throw new Fault('ENDPOINT_NOT_FOUND')
    if (!isReader(endpoint)) {
      throw new Fault('READ_WRITE_ENDPOINT_STAYS', { endpoint: endpoint.endpointId })
    }
    const now = clock.now()
    await session.endpoints.update(endpoint.uid, { life: 'DELETED', updateTime: now })
    const work: NewWork = {
      uid: newOperationUid(),
      kind: 'delete-endpoint',
      resource: endpointName(project.projectId, branch.branchId, endpoint.endpointId),
      subject: 'Endpoint',
      projectUid: project.uid,
      callerUid: caller.identity.uid,
      keys: [branch.uid],
      input: { project: project.uid, endpoint: endpoint.uid },
      createTime: now,
    }
    await session.work.insert(work)
    return renderOperation({ ...work, outcome: { kind: 'pending' } })
  })
}

export const deleteEndpointKind = (services: Services): Kind => ({
  name: 'delete-endpoint',
  onFailure: 'retry',
  steps: [
    {
      name: 'close',
      async run({ row }) {
        const found = await services.catalog.endpoints.context(row.input.endpoint as EndpointUid)
        if (found === undefined) return
        await services.door.unlisten([found.endpoint.address])
        await services.door.endSessions(found.endpoint.uid)
      },
    },
    {
      name: 'erase',
      async run({ row }) {
        const uid = row.input.endpoint as EndpointUid
        await dropReader(services, { uid: row.input.project as ProjectUid }, { uid })
        await services.catalog.endpoints.remove(uid)
      },
    },
  ],
  finish: () => Promise.resolve(empty),
})
