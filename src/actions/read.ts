/** Reads: get and list of projects, branches and endpoints, and operations as clients poll them. */
import { decide, rules } from '../domain/authorization.ts'
import type { BranchResource } from '../domain/branch.ts'
import type { EndpointResource } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import type { BranchPath, EndpointPath, OperationUid, ProjectPath } from '../domain/names.ts'
import { type OperationResource, renderOperation } from '../domain/operation.ts'
import { decodePageToken, encodePageToken } from '../domain/page.ts'
import type { ProjectResource } from '../domain/project.ts'
import { seconds } from '../lib/time.ts'
import type { Engine } from '../operations/engine.ts'
import { findBranch, findEndpoint, findProject, may } from './access.ts'
import type { Caller, Listing, Page } from './actions.ts'
import type { Services } from './services.ts'
import { viewBranch, viewEndpoint, viewProject } from './views.ts'

export async function getProject(
  services: Services,
  caller: Caller,
  path: ProjectPath,
): Promise<ProjectResource> {
  const { catalog } = services
  const project = await findProject(catalog, path.project, may(caller, 'getProject'))
  return viewProject(services, catalog, project)
}

export async function listProjects(
  services: Services,
  caller: Caller,
  page: Page & { readonly showDeleted: boolean },
): Promise<Listing<ProjectResource>> {
  const { catalog } = services
  const rows = await catalog.projects.list({
    after: afterOf('projects', page),
    limit: page.size + 1,
    visibleTo: caller.identity.isAdmin ? undefined : caller.identity.uid,
    showDeleted: page.showDeleted,
  })
  const { shown, nextPageToken } = cut('projects', rows, page.size, (row) => row.projectId)
  const items = await Promise.all(shown.map((row) => viewProject(services, catalog, row)))
  return { items, nextPageToken }
}

export async function getBranch(
  { catalog }: Services,
  caller: Caller,
  path: BranchPath,
): Promise<BranchResource> {
  const { project, branch } = await findBranch(catalog, path, may(caller, 'getBranch'))
  return viewBranch(project, branch)
}

export async function listBranches(
  { catalog }: Services,
  caller: Caller,
  path: ProjectPath,
  page: Page & { readonly showDeleted: boolean },
): Promise<Listing<BranchResource>> {
  const project = await findProject(catalog, path.project, may(caller, 'listBranches'))
  const list = `branches of ${project.uid}`
  const rows = await catalog.branches.list(project.uid, {
    after: afterOf(list, page),
    limit: page.size + 1,
    showDeleted: page.showDeleted,
  })
  const { shown, nextPageToken } = cut(list, rows, page.size, (row) => `${row.branchId}/${row.uid}`)
  return { items: shown.map((row) => viewBranch(project, row)), nextPageToken }
}

export async function getEndpoint(
  services: Services,
  caller: Caller,
  path: EndpointPath,
): Promise<EndpointResource> {
  const { project, branch, endpoint } = await findEndpoint(
    services.catalog,
    path,
    may(caller, 'getEndpoint'),
  )
  return viewEndpoint(services, project, branch, endpoint)
}

export async function listEndpoints(
  services: Services,
  caller: Caller,
  path: BranchPath,
  page: Page,
): Promise<Listing<EndpointResource>> {
  const { project, branch } = await findBranch(services.catalog, path, may(caller, 'listEndpoints'))
  const list = `endpoints of ${branch.uid}`
  const rows = await services.catalog.endpoints.list(branch.uid, {
    after: afterOf(list, page),
    limit: page.size + 1,
  })
  const { shown, nextPageToken } = cut(list, rows, page.size, (row) => row.endpointId)
  return { items: shown.map((row) => viewEndpoint(services, project, branch, row)), nextPageToken }
}

export const afterOf = (list: string, { token }: Page): string | undefined =>
  token === undefined ? undefined : decodePageToken(list, token)

/** A page of what is in memory as a whole, in the order of its keys. */
export function pageOf<Item>(
  list: string,
  items: readonly Item[],
  page: Page,
  key: (item: Item) => string,
): Listing<Item> {
  const from = afterOf(list, page)
  const rest = items
    .filter((item) => from === undefined || key(item) > from)
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
  const { shown, nextPageToken } = cut(list, rest, page.size, key)
  return { items: shown, nextPageToken }
}

/** One row more than the page was read: it says whether there is a next page. */
export function cut<Row>(
  list: string,
  rows: readonly Row[],
  size: number,
  key: (row: Row) => string,
): { readonly shown: readonly Row[]; readonly nextPageToken: string | undefined } {
  const shown = rows.slice(0, size)
  const last = shown.at(-1)
  const hasMore = rows.length > size && last !== undefined
  return { shown, nextPageToken: hasMore ? encodePageToken(list, key(last)) : undefined }
}

/**
 * SDKs poll once at once and then back off by up to a second: so the first poll of an operation that
 * is about to finish is worth holding.
 */
const pollPatience = seconds(2)

export async function getOperation(
  { catalog }: Services,
  engine: Pick<Engine, 'wait' | 'progress'>,
  caller: Caller,
  resource: string,
  uid: OperationUid,
): Promise<OperationResource> {
  const over = engine.wait(uid, pollPatience) // listens before it looks: nothing slips between
  const first = await catalog.work.byUid(uid)
  if (first === undefined || first.resource !== resource) throw new Fault('OPERATION_NOT_FOUND')
  const { identity } = caller
  const decision = decide(rules.getOperation, {
    isAdmin: identity.isAdmin,
    level: await catalog.permissions.levelOf(first.projectUid, identity.uid),
    isOwn: first.callerUid === identity.uid,
  })
  if (decision.kind !== 'allowed') throw new Fault('OPERATION_NOT_FOUND')
  if (first.outcome.kind !== 'pending') return renderOperation(first)
  await over
  return renderOperation((await catalog.work.byUid(uid)) ?? first, engine.progress(uid))
}
