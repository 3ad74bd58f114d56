/**
 * The server's catalog: the embedded one that it runs itself, or any other Postgres by its URL. Held by
 * one server at a time, and bound to the state directory whose volumes it knows.
 */
import { chown, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type CatalogAddress, openCatalog } from '../catalog/open-catalog.ts'
import { CatalogHeld } from '../catalog/server-lock.ts'
import type { OpenComputes } from '../compute/open-computes.ts'
import type { Layout } from '../domain/layout.ts'
import type { EndpointUid } from '../domain/names.ts'
import { defaultPostgresMajor } from '../domain/project.ts'
import { writeDurableFile } from '../lib/durable-file.ts'
import type { Log } from '../lib/log.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type { Settings } from '../lib/settings-table.ts'
import { type Clock, millis } from '../lib/time.ts'
import type { Catalog } from '../ports/catalog.ts'
import type { ComputeSpec, Computes } from '../ports/compute.ts'

const catalogUid = 'catalog' as EndpointUid

type Ending = () => Promise<void>

/** The embedded catalog is a compute like any other; it is adopted when it still runs. */
export async function startCatalog(
  settings: Settings,
  layout: Layout,
  serviceUser: ServiceUser | undefined,
  computes: OpenComputes,
  { log, clock, onStop }: { log: Log; clock: Clock; onStop: (ending: Ending) => void },
): Promise<Catalog> {
  let address: CatalogAddress
  let isOurs = true
  if (settings.catalogUrl !== undefined) {
    address = { url: settings.catalogUrl }
  } else {
    const spec: ComputeSpec = {
      uid: catalogUid,
      major: defaultPostgresMajor,
      dataDirectory: layout.catalog,
      settings: { max_connections: '50', shared_buffers: '32MB' },
    }
    await initializeCatalog(layout, serviceUser, computes)
    // One that runs already may be another server's: only the lock tells.
    isOurs = (await computes.adopt(spec)) === 'absent'
    await computes.ensureReady(spec)
    address = { socketDirectory: computes.socketDirectory(catalogUid) }
    onStop(async () => {
      // With whatever else could not be stopped before.
      if (isOurs) await computes.close('fast')
    })
    onStop(keepRunning(computes, spec, { log, clock }))
  }
  try {
    const catalog = await openCatalog(address, {
      log,
      clock,
      onTaken(error) {
        // Not in order: computes, volumes and catalog are the other server's now.
        log.fatal({ err: error }, 'the server ends: another one has taken its catalog')
        process.stderr.write(`lakelet: ${error.message}; this one ends\n`)
        process.exit(75)
      },
    })
    isOurs = true
    onStop(() => catalog.close())
    return catalog
  } catch (error) {
    if (error instanceof CatalogHeld) isOurs = false
    throw error
  }
}

/** Nobody connects to the catalog through a wake, so when it crashes it is started again here. */
function keepRunning(
  computes: Computes,
  spec: ComputeSpec,
  { log, clock }: { log: Log; clock: Clock },
): Ending {
  const ended = new AbortController()
  const isDown = () => !ended.signal.aborted && computes.state(spec.uid).kind === 'crashed'
  const restart = async () => {
    for (let pause = 100; isDown(); pause = Math.min(5000, pause * 2)) {
      try {
        await computes.ensureReady(spec)
        log.warn('the catalog runs again')
      } catch (error) {
        log.error({ err: error }, 'cannot start the catalog again')
        await clock.sleep(millis(pause), ended.signal).catch(() => undefined)
      }
    }
  }
  let restarts = Promise.resolve()
  const unlisten = computes.onChange((uid, { kind }) => {
    if (uid === spec.uid && kind === 'crashed') restarts = restarts.then(restart)
  })
  return async () => {
    ended.abort()
    unlisten()
    await restarts
  }
}

/** A catalog directory without the marker is one whose initialisation was cut short. */
async function initializeCatalog(
  layout: Layout,
  serviceUser: ServiceUser | undefined,
  computes: Pick<Computes, 'initialize'>,
): Promise<void> {
  const marker = join(layout.root, 'catalog-made')
  if (await exists(marker)) return
  await rm(layout.catalog, { recursive: true, force: true })
  await mkdir(layout.catalog, { mode: 0o700 })
  if (serviceUser !== undefined) {
    await chown(layout.catalog, serviceUser.uid, serviceUser.gid)
  }
  await computes.initialize(defaultPostgresMajor, layout.catalog, { sync: true })
  await writeDurableFile(marker, '')
}

/** Volumes belong to one catalog: another one would take them for strangers. */
export async function sameCatalog(layout: Layout, catalog: Catalog): Promise<void> {
  const file = join(layout.root, 'catalog-id')
  if (await exists(file)) {
    const known = (await readFile(file, 'utf8')).trim()
    if (known !== catalog.workspaceId) {
      throw new Error(
        `The state directory ${layout.root} belongs to another catalog (workspace ${known}, not ${catalog.workspaceId}). Use that catalog, or another --state-dir.`,
      )
    }
    return
  }
  await writeDurableFile(file, `${catalog.workspaceId}\n`)
}

/** Only what is known to be absent is absent: a marker that cannot be read now must not cost a catalog. */
const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return false
      throw error
    },
  )
