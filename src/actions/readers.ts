/**
 * The compute of a read-only endpoint, its "reader": a hot standby of the branch's read-write compute,
 * its "writer", on a volume of its own. That volume holds nothing that the branch's does not: whatever
 * is wrong with it, it is thrown away and made anew. Who holds a reader's lock may take its branch's,
 * never the other way round.
 */
import { type Branch, defaultDatabase } from '../domain/branch.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import { isReader } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import type { ProjectUid } from '../domain/names.ts'
import { standbySettings } from '../domain/standby-settings.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { CatalogSession, EndpointContext } from '../ports/catalog.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import { branchSource } from './branch-origin.ts'
import { computeSpec, settingsOf } from './compute-spec.ts'
import { placeVolume } from './place-volume.ts'
import type { Services } from './services.ts'

export const readerVolumeOf = (
  project: { readonly uid: ProjectUid },
  endpoint: Pick<Endpoint, 'uid'>,
): VolumeId => `${project.uid}/${endpoint.uid}` as VolumeId

/** The branch's read-write endpoint; every branch has one as long as its row is there. */
export async function writerOf(
  { endpoints }: Pick<CatalogSession, 'endpoints'>,
  branch: Pick<Branch, 'uid'>,
): Promise<Endpoint> {
  const writer = (await endpoints.ofBranch(branch.uid)).find((endpoint) => !isReader(endpoint))
  if (writer === undefined) throw new Fault('BRANCH_NOT_FOUND') // purged a moment ago
  return writer
}

/** What any endpoint's compute is started with. */
export async function anyComputeSpec(
  services: Pick<Services, 'storage' | 'catalog'>,
  { project, branch, endpoint }: EndpointContext,
): Promise<ComputeSpec> {
  if (!isReader(endpoint)) return computeSpec(services, project, branch, endpoint)
  const writer = await writerOf(services.catalog, branch)
  return {
    uid: endpoint.uid,
    major: project.pgVersion,
    dataDirectory: services.storage.dataDirectory(readerVolumeOf(project, endpoint)),
    settings: standbySettings(settingsOf(endpoint), settingsOf(writer)),
    firstDatabase: defaultDatabase,
    follows: writer.uid,
  }
}

/** Makes the reader's volume anew, as its branch is now. Under the reader's lock. */
export async function placeReader(
  services: Services,
  { project, branch, endpoint }: EndpointContext,
): Promise<void> {
  const source = await branchSource(services, branch.uid)
  await services.computes.stop(endpoint.uid, 'immediate')
  await failpoint('reader.place:before')
  const draft = endpoint.uid as string as DraftId
  await placeVolume(services, source, readerVolumeOf(project, endpoint), draft)
  await failpoint('reader.place:after')
}

/**
 * Starts the reader on what it has; if that will not do, on a new volume. A source that runs has
 * written down what it needs of its standbys, so it is woken before the second try. Under the reader's
 * lock.
 */
export async function startReader(
  services: Services,
  context: EndpointContext,
  wakeWriter: (writer: Endpoint) => Promise<void>,
): Promise<void> {
  const { computes, storage, catalog, log, stopping } = services
  const { project, branch, endpoint } = context
  if (!(await storage.hasVolume(readerVolumeOf(project, endpoint)))) {
    await placeReader(services, context)
  }
  try {
    await computes.ensureReady(await anyComputeSpec(services, context))
  } catch (error) {
    if (stopping.aborted) throw error
    log.warn({ err: error, endpoint: endpoint.uid }, 'make the volume of a reader anew')
    const writer = await writerOf(catalog, branch)
    if (!writer.isDisabled) await wakeWriter(writer)
    await placeReader(services, context)
    await computes.ensureReady(await anyComputeSpec(services, context))
  }
}

/** Ends the reader and removes its volume. Absent is success. */
export const dropReader = (
  services: Pick<Services, 'computes' | 'storage' | 'volumes'>,
  project: { readonly uid: ProjectUid },
  endpoint: Pick<Endpoint, 'uid'>,
): Promise<void> =>
  services.volumes.run(endpoint.uid, () => removeReader(services, project, endpoint))

/** The same for who holds the reader's lock. */
export async function removeReader(
  { computes, storage }: Pick<Services, 'computes' | 'storage'>,
  project: { readonly uid: ProjectUid },
  endpoint: Pick<Endpoint, 'uid'>,
): Promise<void> {
  await computes.forget(endpoint.uid)
  await failpoint('reader.drop:stopped')
  await storage.deleteDraft(endpoint.uid as string as DraftId)
  await storage.deleteVolume(readerVolumeOf(project, endpoint))
}
