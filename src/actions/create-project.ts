/** Create project: rows, then its first branch `production` with endpoint `primary`. */
import { Fault } from '../domain/faults.ts'
import { type BranchId, type ProjectUid, projectName } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import { type EndpointDefaults, type Project, projectDefaults } from '../domain/project.ts'
import { type EpochMs, type Millis, millis } from '../lib/time.ts'
import type { Kind } from '../operations/kind.ts'
import type { Caller, CreateProject, EndpointDefaultsSpec } from './actions.ts'
import { branchSteps, newBranch, reserveBranch } from './create-branch.ts'
import type { Prepared } from './fleet.ts'
import {
  type LengthRange,
  type Limits,
  mayAddProject,
  mayHaveSize,
  maySuspendAfter,
  mustKeepHistory,
} from './limits.ts'
import { newProjectUid } from './new-uid.ts'
import type { Services } from './services.ts'
import { viewProject } from './views.ts'

const production = 'production' as BranchId

export async function createProject(
  services: Services,
  caller: Caller,
  input: CreateProject,
): Promise<OperationResource> {
  const { catalog, clock, policy, storage } = services
  const { projectId } = input
  return catalog.transaction(async (session) => {
    if ((await session.projects.byId(projectId)) !== undefined) throw new Fault('PROJECT_EXISTS')
    const now = clock.now()
    const project = newProject(services, caller, input, now)
    const branch = {
      ...newBranch(project, caller, production, now),
      isProtected: input.initialBranch.isProtected ?? false,
    }
    await mayAddProject(session, policy)
    await storage.checkRoom()
    await session.projects.insert({ ...project, defaultBranchUid: branch.uid })
    await session.permissions.set(project.uid, caller.identity.uid, 'CAN_MANAGE')
    const { work } = await reserveBranch(session, {
      project,
      branch,
      kind: 'create-project',
      caller,
      now,
      resource: projectName(projectId),
      subject: 'Project',
      sizing: sizing(project.endpointDefaults, input.initialEndpoint, {
        limits: policy,
        at: 'initial_endpoint_spec',
      }),
    })
    const withProject = {
      ...work,
      keys: [project.uid, branch.uid],
      input: { ...work.input, project: project.uid },
    }
    await session.work.insert(withProject)
    return renderOperation({ ...withProject, outcome: { kind: 'pending' } })
  })
}

function newProject(
  { policy, computes }: Pick<Services, 'policy' | 'computes'>,
  caller: Caller,
  { projectId, spec }: CreateProject,
  now: EpochMs,
): Project {
  const pgVersion = spec.pgVersion ?? policy.defaultMajor
  const available = computes.toolchains().map(({ major }) => major)
  if (!available.includes(pgVersion)) {
    throw new Fault('TOOLCHAIN_MISSING', { major: pgVersion, available: available.join(', ') })
  }
  const { historyRetention } = spec
  if (historyRetention !== undefined) {
    mustKeepHistory('spec.history_retention_duration', historyRetention, policy)
  }
  return {
    uid: newProjectUid(),
    projectId,
    displayName: spec.displayName ?? projectId,
    pgVersion,
    ownerUid: caller.identity.uid,
    historyRetention:
      historyRetention ?? within(projectDefaults.historyRetention, policy.historyRetention),
    defaultBranchUid: undefined,
    endpointDefaults: sizing(defaultSizing(policy), spec.endpointDefaults ?? {}, {
      limits: policy,
      at: 'spec.default_endpoint_settings',
    }),
    enablePgNativeLogin: spec.enablePgNativeLogin ?? false,
    customTags: spec.customTags ?? [],
    budgetPolicyId: spec.budgetPolicyId,
    createTime: now,
    updateTime: now,
    deleteTime: undefined,
    purgeTime: undefined,
  }
}

export const createProjectKind = (services: Services, prepared: Prepared): Kind => ({
  name: 'create-project',
  onFailure: 'undo',
  steps: [
    {
      name: 'reserve', // done when accepted; here for its undo, which must come last
      async undo({ row }) {
        await services.catalog.projects.remove(row.input.project as ProjectUid)
      },
    },
    ...branchSteps(services, prepared),
  ],
  async finish({ row }, session) {
    const project = await session.projects.byUid(row.input.project as ProjectUid)
    if (project === undefined) throw new Error('the row of a project in the making is gone')
    return viewProject(services, session, project)
  },
})

/** The defaults with what a request says laid over them; refuses what the limits do not allow. */
export function sizing(
  base: EndpointDefaults,
  spec: EndpointDefaultsSpec,
  { limits, at }: { readonly limits: Limits; readonly at: string },
): EndpointDefaults {
  const minCu = spec.minCu ?? Math.min(base.minCu, spec.maxCu ?? base.maxCu)
  const maxCu = spec.maxCu ?? Math.max(base.maxCu, minCu)
  // What is there already stays, also when the limits have been lowered since.
  if (spec.minCu !== undefined || spec.maxCu !== undefined) {
    mayHaveSize(`${at}.autoscaling_limit_max_cu`, minCu, maxCu, limits)
  }
  if (spec.suspension?.kind === 'after') {
    maySuspendAfter(`${at}.suspend_timeout_duration`, spec.suspension.timeout, limits)
  }
  return {
    minCu,
    maxCu,
    suspendTimeout:
      spec.suspension === undefined
        ? base.suspendTimeout
        : spec.suspension.kind === 'never'
          ? undefined
          : spec.suspension.timeout,
    pgSettings: spec.pgSettings ?? base.pgSettings,
  }
}

/** Our defaults, moved into an operator's limits where they lie outside. */
const defaultSizing = ({ cu, suspendTimeout }: Limits): EndpointDefaults => {
  const { minCu, maxCu, suspendTimeout: usual } = projectDefaults.endpoint
  return {
    ...projectDefaults.endpoint,
    minCu: Math.min(minCu, cu.max),
    maxCu: Math.min(maxCu, cu.max),
    suspendTimeout: within(usual, suspendTimeout),
  }
}

export const within = (length: Millis, { min, max }: LengthRange): Millis =>
  millis(Math.min(max, Math.max(min, length)))
