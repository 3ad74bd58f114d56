/** Rows put together as the published resources show them. */
import { type Branch, type BranchResource, renderBranch } from '../domain/branch.ts'
import {
  type Endpoint,
  type EndpointResource,
  type EndpointState,
  type EndpointView,
  renderEndpoint,
} from '../domain/endpoint.ts'
import { type Project, type ProjectResource, renderProject } from '../domain/project.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import type { Services } from './services.ts'

export async function viewProject(
  { policy }: Pick<Services, 'policy'>,
  session: CatalogSession,
  project: Project,
): Promise<ProjectResource> {
  const { defaultBranchUid } = project
  const [owner, branch, lastActiveTime] = await Promise.all([
    session.identities.byUid(project.ownerUid),
    defaultBranchUid === undefined ? undefined : session.branches.byUid(defaultBranchUid),
    session.endpoints.lastActive(project.uid),
  ])
  return renderProject({
    project,
    owner: owner?.loginName ?? 'deleted identity',
    defaultBranchId: branch?.branchId,
    lastActiveTime,
    branchLogicalSizeLimit: policy.maxBranchLogicalSize,
  })
}

export const viewBranch = (project: Project, branch: Branch): BranchResource =>
  renderBranch({
    branch,
    projectId: project.projectId,
    isDefault: branch.uid === project.defaultBranchUid,
  })

export function viewEndpoint(
  services: Pick<Services, 'computes' | 'hostOf'>,
  project: Project,
  branch: Branch,
  endpoint: Endpoint,
): EndpointResource {
  return renderEndpoint(endpointView(services, project, branch, endpoint))
}

export const endpointView = (
  services: Pick<Services, 'computes' | 'hostOf'>,
  project: Project,
  branch: Branch,
  endpoint: Endpoint,
): EndpointView => ({
  endpoint,
  projectId: project.projectId,
  branchId: branch.branchId,
  ...endpointState(services, branch, endpoint),
  host: services.hostOf(endpoint),
})

/** An endpoint's state is what its compute is doing, seen from outside. */
function endpointState(
  { computes }: Pick<Services, 'computes'>,
  branch: Branch,
  endpoint: Endpoint,
): { state: EndpointState; pendingState: EndpointState | undefined } {
  if (branch.state === 'INIT' || branch.state === 'IMPORTING' || endpoint.life === 'INIT')
    return { state: 'INIT', pendingState: 'ACTIVE' }
  const { kind } = computes.state(endpoint.uid)
  switch (kind) {
    case 'ready':
      return { state: 'ACTIVE', pendingState: undefined }
    case 'starting':
      return { state: 'IDLE', pendingState: 'ACTIVE' }
    case 'stopping':
      return { state: 'ACTIVE', pendingState: 'IDLE' }
    case 'stopped':
    case 'crashed': // the next connection starts it again
      return { state: 'IDLE', pendingState: undefined }
  }
}
