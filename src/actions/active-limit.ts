/** How many computes of a project may be awake at once; those of its default branch do not count. */
import type { Branch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import type { Project } from '../domain/project.ts'
import type { CatalogSession, EndpointContext } from '../ports/catalog.ts'
import type { Services } from './services.ts'

type Needs = Pick<Services, 'computes' | 'policy' | 'waking'>

/** Throws when one more compute, on this branch or on a new one, would be too many. */
export async function mayWakeOneMore(
  { computes, policy, waking }: Needs,
  { endpoints }: Pick<CatalogSession, 'endpoints'>,
  project: Project,
  on?: { readonly branch: Pick<Branch, 'uid'>; readonly endpoint?: { readonly uid: EndpointUid } },
): Promise<void> {
  const { maxActiveComputes: limit } = policy
  const isDefault = (branch: Pick<Branch, 'uid'>) => branch.uid === project.defaultBranchUid
  if (limit === undefined || (on !== undefined && isDefault(on.branch))) return
  const isAwake = (uid: EndpointUid) =>
    waking.has(uid) || ['starting', 'ready'].includes(computes.state(uid).kind)
  const awake = (await endpoints.contextsOf(project.uid)).filter(
    ({ branch, endpoint }) =>
      !isDefault(branch) && endpoint.uid !== on?.endpoint?.uid && isAwake(endpoint.uid),
  )
  if (awake.length < limit) return
  throw new Fault('ACTIVE_COMPUTES_LIMIT', { project: project.projectId, limit })
}

/** Does `start` if one more may be awake: of two at once that want the last place, one gets it. */
export async function withinActiveLimit(
  services: Needs & Pick<Services, 'catalog'>,
  context: EndpointContext,
  start: () => Promise<void>,
): Promise<void> {
  const { uid } = context.endpoint
  await mayWakeOneMore(services, services.catalog, context.project, context)
  services.waking.add(uid) // nothing has run since the look
  try {
    await start()
  } finally {
    services.waking.delete(uid)
  }
}
