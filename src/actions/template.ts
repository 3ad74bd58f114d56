/**
 * A fresh cluster takes seconds to initialise, so it is made once per Postgres major and kept as a
 * volume; a project's first branch is a clone of it like any other. Made as a volume of another name
 * first: the template's name appears only when it is complete.
 */
import type { EndpointUid } from '../domain/names.ts'
import type { PostgresMajor } from '../domain/project.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import { placeVolume, type Source } from './place-volume.ts'
import type { Services } from './services.ts'

/** The template as a clone source; made first when it is not there. */
export async function templateSource(services: Services, major: PostgresMajor): Promise<Source> {
  const { storage, computes, roles, volumes } = services
  const template = `templates/postgres-${major}` as VolumeId
  const source: Source = {
    volume: () => Promise.resolve(template),
    lock: template,
    compute: `template-${major}` as EndpointUid, // never runs
  }
  const making = `templates/postgres-${major}-making` as VolumeId
  const compute = `making-${major}` as EndpointUid
  const draft = `template-${major}` as DraftId
  const dataDirectory = storage.dataDirectory(making)
  const spec: ComputeSpec = { uid: compute, major, dataDirectory, settings: {} }
  await volumes.run(`make ${template}`, async () => {
    if ((await storage.listVolumes()).includes(template)) return
    services.log.info({ major }, 'initialising a fresh Postgres cluster')
    // A server that died here left a compute running on what is now thrown away.
    await computes.adopt(spec).catch(() => undefined) // one that cannot be taken over was ended
    await computes.forget(compute)
    await storage.deleteVolume(making)
    const directory = await storage.createDraft(draft)
    await computes.initialize(major, directory)
    await storage.linkWal(draft, making)
    await storage.publish(draft, making)
    await computes.ensureReady(spec)
    await roles.prepareCluster(computes.socketDirectory(compute))
    await computes.stop(compute, 'fast')
    const made: Source = { volume: () => Promise.resolve(making), lock: making, compute }
    await placeVolume(services, made, template, draft)
    await computes.forget(compute)
    await storage.deleteVolume(making)
  })
  return source
}
