/**
 * Create endpoint: a branch's read-write endpoint comes with it, so what is made here is a reader. Its
 * row comes first, then its volume, then its first start, which shows whether Postgres takes its
 * settings.
 */
import { type Branch, isLive } from '../domain/branch.ts'
import { type Endpoint, isReader, maxReadersPerBranch } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import { type EndpointUid, endpointName } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import type { Kind, StepContext } from '../operations/kind.ts'
import type { CatalogSession, EndpointContext, NewWork } from '../ports/catalog.ts'
import { lockProject, may } from './access.ts'
import type { Caller, CreateEndpoint } from './actions.ts'
import { mayWakeOneMore } from './active-limit.ts'
import { catchUp, loginEffort } from './catch-up.ts'
import { sizing } from './create-project.ts'
import { wake } from './fleet.ts'
import { newEndpointUid, newOperationUid } from './new-uid.ts'
import { dropReader, placeReader } from './readers.ts'
import type { Services } from './services.ts'
import { changeEndpoint } from './update-endpoint.ts'
import { viewEndpoint } from './views.ts'

export async function createEndpoint(
  services: Services,
  caller: Caller,
  input: CreateEndpoint,
): Promise<OperationResource> {
  return services.catalog.transaction(async (session) => {
    const project = await lockProject(session, input.branch, may(caller, 'createEndpoint'))
    const branch = await session.branches.byId(project.uid, input.branch.branch)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
    const existing = await session.endpoints.byId(branch.uid, input.endpointId)
    if (existing !== undefined) {
      if (!input.replaceExisting) throw new Fault('ENDPOINT_EXISTS')
      if (existing.type !== input.type) {
        throw new Fault('FIELD_IMMUTABLE', { field: 'spec.endpoint_type' })
      }
      return changeEndpoint(services, session, caller, project, branch, existing, input.spec)
    }
    if (input.type === 'ENDPOINT_TYPE_READ_WRITE') throw new Fault('READ_WRITE_ENDPOINT_EXISTS')
    return reserveReader(services, session, caller, project, branch, input)
  })
}

async function reserveReader(
  services: Services,
  session: CatalogSession,
  caller: Caller,
  project: Project,
  branch: Branch,
  { endpointId, type, spec }: CreateEndpoint,
): Promise<OperationResource> {
  const now = services.clock.now()
  const readers = (await session.endpoints.ofBranch(branch.uid)).filter(
    (endpoint) => isReader(endpoint) && endpoint.life !== 'DELETED',
  )
  if (readers.length >= maxReadersPerBranch) {
    throw new Fault('READ_ONLY_ENDPOINTS_LIMIT', {
      branch: branch.branchId,
      limit: maxReadersPerBranch,
    })
  }
  const isDisabled = spec.isDisabled ?? false
  if (!isDisabled) {
    await mayWakeOneMore(services, session, project, { branch })
    await services.storage.checkRoom()
  }
  const endpoint: Endpoint = {
    uid: newEndpointUid(),
    branchUid: branch.uid,
    endpointId,
    type,
    life: 'INIT',
    ...sizing(project.endpointDefaults, spec, { limits: services.policy, at: 'spec' }),
    isDisabled,
    address: await session.endpoints.nextAddress(),
    lastActiveTime: now,
    suspendTime: undefined,
    createTime: now,
    updateTime: now,
  }
  await session.endpoints.insert(endpoint)
  const work: NewWork = {
    uid: newOperationUid(),
    kind: 'create-endpoint',
    resource: endpointName(project.projectId, branch.branchId, endpointId),
    subject: 'Endpoint',
    projectUid: project.uid,
    callerUid: caller.identity.uid,
    keys: [branch.uid], // after whatever makes or deletes the branch
    input: { endpoint: endpoint.uid },
    createTime: now,
  }
  await session.work.insert(work)
  return renderOperation({ ...work, outcome: { kind: 'pending' } })
}

const endpointUid = ({ row }: StepContext): EndpointUid => row.input.endpoint as EndpointUid

export const createEndpointKind = (services: Services): Kind => ({
  name: 'create-endpoint',
  onFailure: 'undo',
  steps: [
    {
      name: 'reserve', // done when accepted; here for its undo, which must come last
      async undo(context) {
        await services.catalog.endpoints.remove(endpointUid(context))
      },
    },
    {
      name: 'clone',
      async run(context) {
        const found = await liveContext(services, context)
        if (found.endpoint.isDisabled) return // its first start makes it
        await services.volumes.run(found.endpoint.uid, () => placeReader(services, found))
      },
      async undo(context) {
        await dropReader(services, { uid: context.row.projectUid }, { uid: endpointUid(context) })
      },
    },
    {
      name: 'start',
      async run(context) {
        const found = await liveContext(services, context)
        const failed = await services.door.listen([found.endpoint.address])
        for (const { address, problem } of failed) {
          services.log.warn({ address, problem }, 'cannot listen on an endpoint address')
        }
        if (found.endpoint.isDisabled) return
        await wake(services, found)
        await catchUp(services, found, loginEffort)
      },
      async undo(context) {
        const found = await services.catalog.endpoints.context(endpointUid(context))
        if (found !== undefined) await services.door.unlisten([found.endpoint.address])
      },
    },
    {
      name: 'record',
      async run(context) {
        await services.catalog.transaction(async (session) => {
          await session.projects.lock(context.row.projectUid)
          const found = await session.endpoints.context(endpointUid(context))
          // Deleted while it was made: the delete waits for us and finds its state as it left it.
          if (found?.endpoint.life !== 'INIT') return
          await session.endpoints.update(found.endpoint.uid, { life: 'READY' })
        })
      },
    },
  ],
  async finish(context) {
    const found = await services.catalog.endpoints.context(endpointUid(context))
    if (found === undefined) throw new Fault('ENDPOINT_NOT_FOUND')
    return viewEndpoint(services, found.project, found.branch, found.endpoint)
  },
})

/** Its branch may have been deleted since this was accepted; that delete waits for us. */
async function liveContext({ catalog }: Services, context: StepContext): Promise<EndpointContext> {
  const found = await catalog.endpoints.context(endpointUid(context))
  if (found === undefined || !isLive(found)) throw new Fault('ENDPOINT_NOT_FOUND')
  return found
}
