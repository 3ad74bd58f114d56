/** Reads of the computes behind an endpoint. They are managed by their endpoint, never by themselves. */
import {
  type ComputeInstanceResource,
  computeInstanceId,
  renderComputeInstance,
} from '../domain/compute-instance.ts'
import { Fault } from '../domain/faults.ts'
import type { EndpointPath } from '../domain/names.ts'
import { decodePageToken } from '../domain/page.ts'
import type { EpochMs } from '../lib/time.ts'
import type { EndpointContext } from '../ports/catalog.ts'
import { findEndpoint, may } from './access.ts'
import type { Caller, Listing, Page } from './actions.ts'
import type { Services } from './services.ts'
import { endpointView } from './views.ts'

export async function listComputeInstances(
  services: Services,
  caller: Caller,
  path: EndpointPath,
  { token }: Page,
): Promise<Listing<ComputeInstanceResource>> {
  const found = await findEndpoint(services.catalog, path, may(caller, 'listComputeInstances'))
  // One item never has a second page, so no token was ever given out.
  if (token !== undefined) decodePageToken(`compute instances of ${found.endpoint.uid}`, token)
  return { items: [await view(services, found)], nextPageToken: undefined }
}

export async function getComputeInstance(
  services: Services,
  caller: Caller,
  path: EndpointPath,
  id: string,
): Promise<ComputeInstanceResource> {
  const found = await findEndpoint(services.catalog, path, may(caller, 'getComputeInstance'))
  if (id !== computeInstanceId(found.endpoint.uid)) throw new Fault('COMPUTE_INSTANCE_NOT_FOUND')
  return view(services, found)
}

async function view(
  services: Services,
  { project, branch, endpoint }: EndpointContext,
): Promise<ComputeInstanceResource> {
  const { computes } = services
  const isUp = computes.state(endpoint.uid).kind === 'ready'
  const startTime: EpochMs | undefined = isUp
    ? await computes.startTime(endpoint.uid).catch(() => undefined) // it went to sleep just now
    : undefined
  return renderComputeInstance(endpointView(services, project, branch, endpoint), startTime)
}
