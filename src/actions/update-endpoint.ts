/** Update of endpoints: the row at once, the compute by an operation, which Postgres may refuse. */

import { type Branch, isLive } from '../domain/branch.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import { type EndpointPath, type EndpointUid, endpointName } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import type { Project } from '../domain/project.ts'
import type { Kind } from '../operations/kind.ts'
import type { CatalogSession, NewWork } from '../ports/catalog.ts'
import { lockProject, may } from './access.ts'
import type { Caller, EndpointSpec } from './actions.ts'
import { suspend, wake } from './fleet.ts'
import { mayHaveSize, maySuspendAfter } from './limits.ts'
import { newOperationUid } from './new-uid.ts'
import type { Services } from './services.ts'
import { viewEndpoint } from './views.ts'

export async function updateEndpoint(
  services: Services,
  caller: Caller,
  path: EndpointPath,
  spec: EndpointSpec,
): Promise<OperationResource> {
  return services.catalog.transaction(async (session) => {
    const project = await lockProject(session, path, may(caller, 'updateEndpoint'))
    const branch = await session.branches.byId(project.uid, path.branch)
    if (branch === undefined) throw new Fault('BRANCH_NOT_FOUND')
    const endpoint = await session.endpoints.byId(branch.uid, path.endpoint)
    if (endpoint === undefined) throw new Fault('ENDPOINT_NOT_FOUND')
    return changeEndpoint(services, session, caller, project, branch, endpoint, spec)
  })
}

/** Holds the project already. */
export async function changeEndpoint(
  { clock, computes, policy }: Pick<Services, 'clock' | 'computes' | 'policy'>,
  session: CatalogSession,
  caller: Caller,
  project: Project,
  branch: Branch,
  endpoint: Endpoint,
  spec: EndpointSpec,
): Promise<OperationResource> {
  const minCu = spec.minCu ?? Math.min(endpoint.minCu, spec.maxCu ?? endpoint.maxCu)
  const maxCu = spec.maxCu ?? Math.max(endpoint.maxCu, minCu)
  // What is there already stays, also when the limits have been lowered since.
  if (spec.minCu !== undefined || spec.maxCu !== undefined) {
    mayHaveSize('spec.autoscaling_limit_max_cu', minCu, maxCu, policy)
  }
  if (spec.suspension?.kind === 'after') {
    maySuspendAfter('spec.suspend_timeout_duration', spec.suspension.timeout, policy)
  }
  const now = clock.now()
  const changes: Changeable = {
    minCu,
    maxCu,
    isDisabled: spec.isDisabled ?? endpoint.isDisabled,
    suspendTimeout:
      spec.suspension === undefined
        ? endpoint.suspendTimeout
        : spec.suspension.kind === 'never'
          ? undefined
          : spec.suspension.timeout,
    pgSettings: spec.pgSettings ?? endpoint.pgSettings,
  }
  await session.endpoints.update(endpoint.uid, { ...changes, updateTime: now })
  const needsRestart = maxCu !== endpoint.maxCu || spec.pgSettings !== undefined
  const work: NewWork = {
    uid: newOperationUid(),
    kind: 'update-endpoint',
    resource: endpointName(project.projectId, branch.branchId, endpoint.endpointId),
    subject: 'Endpoint',
    projectUid: project.uid,
    callerUid: caller.identity.uid,
    keys: [branch.uid],
    input: {
      endpoint: endpoint.uid,
      needsRestart,
      mustStart: spec.pgSettings !== undefined,
      wasUp: computes.state(endpoint.uid).kind === 'ready',
      before: printChangeable(endpoint),
      after: printChangeable(changes),
    },
    createTime: now,
  }
  await session.work.insert(work)
  return renderOperation({ ...work, outcome: { kind: 'pending' } })
}

/** What an update changes, and takes back when Postgres refuses it. */
type Changeable = Pick<Endpoint, 'minCu' | 'maxCu' | 'isDisabled' | 'suspendTimeout' | 'pgSettings'>

const printChangeable = (endpoint: Changeable) => ({
  minCu: endpoint.minCu,
  maxCu: endpoint.maxCu,
  isDisabled: endpoint.isDisabled,
  suspendTimeout: endpoint.suspendTimeout ?? null,
  pgSettings: endpoint.pgSettings,
})
type Printed = ReturnType<typeof printChangeable>

/** Only fields that this update changed and that no later one has: theirs may have been accepted. */
export function takeBack(now: Printed, before: Printed, after: Printed): Partial<Endpoint> {
  const isOurs = (field: keyof Printed): boolean => {
    const [current, was, became] = [now, before, after].map((of) => JSON.stringify(of[field]))
    return was !== became && current === became
  }
  const fields = (Object.keys(before) as (keyof Printed)[]).filter(isOurs)
  return Object.fromEntries(fields.map((field) => [field, before[field] ?? undefined]))
}

export const updateEndpointKind = (services: Services): Kind => ({
  name: 'update-endpoint',
  onFailure: 'undo',
  steps: [
    {
      name: 'apply',
      async run({ row }) {
        const uid = row.input.endpoint as EndpointUid
        const context = await services.catalog.endpoints.context(uid)
        if (context === undefined || !isLive(context)) return // its delete waits for us
        const isUp = services.computes.state(uid).kind === 'ready'
        if (context.endpoint.isDisabled) {
          await services.door.endSessions(uid)
          await suspend(services, context)
          return
        }
        const restarts = isUp && row.input.needsRestart === true
        if (restarts) await suspend(services, context)
        // Whether Postgres takes its settings is known when it has started with them.
        if (restarts || row.input.mustStart === true) await wake(services, context)
      },
      async undo({ row }) {
        const { catalog, clock, log } = services
        const uid = row.input.endpoint as EndpointUid
        const [before, after] = [row.input.before, row.input.after] as unknown as Printed[]
        await catalog.transaction(async (session) => {
          await session.projects.lock(row.projectUid) // no update is accepted meanwhile
          const context = await session.endpoints.context(uid)
          if (context === undefined || before === undefined || after === undefined) return
          const now = printChangeable(context.endpoint)
          await session.endpoints.update(uid, {
            ...takeBack(now, before, after),
            updateTime: clock.now(),
          })
        })
        const context = await catalog.endpoints.context(uid)
        if (context === undefined || row.input.wasUp !== true) return
        // One that is deleted or cannot start must not hold up what waits for this.
        await wake(services, context).catch((error: unknown) =>
          log.warn({ err: error, endpoint: uid }, 'the next connection will try to start it'),
        )
      },
    },
  ],
  async finish({ row }) {
    const context = await services.catalog.endpoints.context(row.input.endpoint as EndpointUid)
    if (context === undefined) throw new Fault('ENDPOINT_NOT_FOUND')
    return viewEndpoint(services, context.project, context.branch, context.endpoint)
  },
})
