/**
 * The server process, composed: catalog, storage, computes, operations, reconcilers, API, and the
 * gateway as a child. The only place where the parts meet. Each part registers how it ends as soon as
 * it runs, so a start that fails half-way leaves nothing running.
 */
import { chmod, chown, mkdir, readFile, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createActions, createKinds } from '../actions/create-actions.ts'
import { computeSpec, Prepared, suspend } from '../actions/fleet.ts'
import { challenge, openSession } from '../actions/open-session.ts'
import type { Policy, Services } from '../actions/services.ts'
import type { GatewayLink } from '../actions/session.ts'
import { createApi } from '../api/create-api.ts'
import { serveApi } from '../api/listen.ts'
import { openCatalog } from '../catalog/open-catalog.ts'
import { type OpenComputes, openComputes } from '../compute/open-computes.ts'
import { isLive } from '../domain/branch.ts'
import { type Layout, layoutOf } from '../domain/layout.ts'
import type { EndpointUid } from '../domain/names.ts'
import { defaultPostgresMajor } from '../domain/project.ts'
import { writeDurableFile } from '../lib/durable-file.ts'
import { KeyedMutex } from '../lib/keyed-mutex.ts'
import { createLog, type Log } from '../lib/log.ts'
import { findServiceUser, type ServiceUser } from '../lib/service-user.ts'
import type { Settings } from '../lib/settings.ts'
import { type Clock, hours, millis, minutes, seconds, systemClock } from '../lib/time.ts'
import { version } from '../lib/version.ts'
import { createEngine } from '../operations/engine.ts'
import type { Catalog } from '../ports/catalog.ts'
import type { ComputeSpec, Computes } from '../ports/compute.ts'
import { meetDeadlines } from '../reconcile/deadlines.ts'
import { startLoop } from '../reconcile/loop.ts'
import { type AwakeNoter, awakeNoter } from '../reconcile/note-awake.ts'
import { findOrphans } from '../reconcile/orphans.ts'
import { idleSuspender } from '../reconcile/suspend-idle.ts'
import { databricksAuthFiles } from '../roles/databricks-auth.ts'
import { openRoles } from '../roles/open-roles.ts'
import { openStorage } from '../storage/open-storage.ts'
import { openCertificateAuthority } from '../tokens/certificate-authority.ts'
import { openTokens } from '../tokens/tokens.ts'
import { ensureFirstProject, ensureOwner } from './first-start.ts'
import { createGatewayHost } from './gateway-host.ts'
import { choosePort, freePort, type PortChoice } from './gateway-port.ts'
import { findHostStyle, type HostStyle, hostOf, sayHostStyle } from './hosts.ts'
import { keepRunning } from './keep-running.ts'
import { writeTrustFiles } from './trust-files.ts'

const catalogUid = 'catalog' as EndpointUid

/** What the start screen and `lakelet status` show. */
export interface ServerFacts {
  readonly version: string
  readonly pid: number
  readonly stateDirectory: string
  readonly apiUrl: string
  readonly pgPort: number
  readonly hostStyle: HostStyle
  readonly port: PortChoice
  readonly owner: string
  readonly caFile: string
  readonly nodeCaFile: string
  readonly status: () => Promise<Record<string, unknown>>
}

export interface Server {
  readonly facts: ServerFacts
  /** Ends API, gateway, computes and catalog, in this order. Safe to call twice. */
  stop(): Promise<void>
}

type Ending = () => Promise<void>

export async function startServer(settings: Settings): Promise<Server> {
  const endings: Ending[] = []
  let ended: Promise<void> | undefined
  const stop = () => {
    ended ??= endInOrder(endings)
    return ended
  }
  try {
    const facts = await compose(settings, (ending) => endings.push(ending))
    return { facts, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function endInOrder(endings: readonly Ending[]): Promise<void> {
  const failures: unknown[] = []
  for (const ending of [...endings].reverse()) {
    try {
      await ending()
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'stop the server')
}

async function compose(settings: Settings, onStop: (ending: Ending) => void): Promise<ServerFacts> {
  const clock = systemClock
  const startedAt = clock.now()
  const layout = layoutOf(settings.stateDir)
  const serviceUser = await findServiceUser(settings.computeUser)
  await prepareStateDirectory(layout, serviceUser)
  const log = createLog('server', join(layout.log, 'server.log'))

  const computes = await openComputes({
    layout,
    serviceUser,
    extensionFiles: databricksAuthFiles,
    log,
    clock,
  })
  const catalog = await startCatalog(settings, layout, serviceUser, computes, {
    log,
    clock,
    onStop,
  })
  await sameCatalog(layout, catalog)

  const storage = await openStorage({
    layout,
    serviceUser,
    ...(settings.storage === undefined ? {} : { requested: settings.storage }),
    ...(settings.poolSize === undefined ? {} : { poolBytes: settings.poolSize }),
    log,
    clock,
  })
  onStop(async () => {
    await storage.settle()
    await storage.close({ unmount: true })
  })
  await storage.recover()

  const hostStyle = await findHostStyle(settings.domain)
  const port = await choosePort(
    settings.pgHost,
    settings.pgPort,
    hostStyle.kind === 'addresses' ? '127.88.0.1' : undefined,
  )
  const apiPort = settings.apiPort === 0 ? await freePort(settings.apiHost) : settings.apiPort
  const apiUrl = `http://${settings.apiHost.includes(':') ? `[${settings.apiHost}]` : settings.apiHost}:${apiPort}`
  const [tokens, authority, roles] = [
    await openTokens({ layout, issuer: `${apiUrl}/oidc`, clock }),
    await openCertificateAuthority({ layout, clock }),
    openRoles({ clock, log }),
  ]
  const trust = await writeTrustFiles(layout, authority.certificate)

  const gateway = createGatewayHost({
    port: port.port,
    serviceUser,
    logFile: join(layout.log, 'gateway.log'),
    log,
    clock,
  })
  const services: Services = {
    catalog,
    storage,
    computes,
    roles,
    tokens,
    clock,
    log,
    policy: policyOf(settings),
    volumes: new KeyedMutex(),
    door: gateway.door,
    hostOf: (endpoint) => hostOf(hostStyle, endpoint),
  }
  const prepared = new Prepared(services)
  const engine = createEngine({ catalog, kinds: createKinds(services, prepared), clock, log })
  const actions = createActions(services, engine)

  await adoptComputes(services)
  onStop(() => stopComputes(services))
  const noter = awakeNoter(services)
  const link: GatewayLink = {
    challenge: (ask) => challenge(services, ask),
    async open(request) {
      const answer = await openSession(services, prepared, request)
      if (answer.kind === 'granted') noter.touched(answer.grant.endpoint, 'opened')
      return answer
    },
    certificate: (serverName, localAddress) =>
      authority.leaf(certificateNames(hostStyle, serverName), [
        ...new Set(['127.0.0.1', '::1', localAddress]),
      ]),
    closed: (endpoint) => noter.touched(endpoint, 'closed'),
  }
  onStop(() => gateway.stop())
  await gateway.start(link, await listenAddresses(catalog, settings.pgHost, hostStyle, port))

  await engine.start()
  onStop(() => engine.stop())
  await startLoops(services, noter, onStop)

  const facts: ServerFacts = {
    version,
    pid: process.pid,
    stateDirectory: layout.root,
    apiUrl,
    pgPort: port.port,
    hostStyle,
    port,
    owner: '',
    ...trust,
    status: async () => ({
      version,
      pid: process.pid,
      state_directory: layout.root,
      start_time: new Date(startedAt).toISOString(),
      api_url: apiUrl,
      postgres: {
        port: port.port,
        hosts: sayHostStyle(hostStyle),
        ...(port.notice === undefined ? {} : { notice: port.notice }),
        toolchains: computes.toolchains(),
      },
      storage: await storage.status(),
      catalog: settings.catalogUrl === undefined ? 'embedded' : 'external',
      gateway: gateway.describe(),
      orphan_volumes: await findOrphans(services),
    }),
  }
  const app = createApi({
    actions,
    workspaceId: catalog.workspaceId,
    status: facts.status,
    jwks: () => tokens.jwks(),
    apiUrl: () => apiUrl,
    log,
    version,
    contract: settings.contract,
  })
  const api = await serveApi(app, { host: settings.apiHost, port: apiPort })
  onStop(() => api.close())

  const owner = await ensureOwner(services, layout)
  await ensureFirstProject(services, actions, owner)
  await tellWhereWeAre(layout, facts)
  onStop(() => rm(layout.serverFile, { force: true }))
  log.info({ api: apiUrl, port: port.port }, 'server is ready')
  return { ...facts, owner: owner.loginName }
}

async function prepareStateDirectory(
  layout: Layout,
  serviceUser: ServiceUser | undefined,
): Promise<void> {
  await mkdir(layout.root, { recursive: true, mode: 0o755 })
  await mkdir(layout.log, { recursive: true, mode: 0o755 })
  await mkdir(layout.keys, { recursive: true, mode: 0o700 })
  if (serviceUser === undefined) return
  await chmod(layout.root, 0o755)
  for (let path = layout.root; path !== dirname(path); path = dirname(path)) {
    const { mode } = await stat(path)
    if ((mode & 0o001) === 0) {
      throw new Error(
        `User ${serviceUser.name}, who runs Postgres, cannot reach ${layout.root}: ${path} is closed to others. Choose another directory with --state-dir (LAKELET_STATE_DIR).`,
      )
    }
  }
}

/** The embedded catalog is a compute like any other; it is adopted when it still runs. */
async function startCatalog(
  settings: Settings,
  layout: Layout,
  serviceUser: ServiceUser | undefined,
  computes: OpenComputes,
  { log, clock, onStop }: { log: Log; clock: Clock; onStop: (ending: Ending) => void },
): Promise<Catalog> {
  const { catalogUrl } = settings
  if (catalogUrl !== undefined) {
    const catalog = await openCatalog({ url: catalogUrl }, { log, clock })
    onStop(() => catalog.close())
    return catalog
  }
  const spec: ComputeSpec = {
    uid: catalogUid,
    major: defaultPostgresMajor,
    dataDirectory: layout.catalog,
    settings: { max_connections: '50', shared_buffers: '32MB' },
  }
  await initializeCatalog(layout, serviceUser, computes)
  await computes.adopt(spec)
  await computes.ensureReady(spec)
  const socketDirectory = computes.socketDirectory(catalogUid)
  // Throws when another server holds it: then it is that server's to keep and to stop.
  const catalog = await openCatalog({ socketDirectory }, { log, clock })
  const letGo = keepRunning(computes, spec, { log, clock })
  onStop(() => {
    letGo()
    return computes.close('fast') // with whatever else could not be stopped before
  })
  onStop(() => catalog.close())
  return catalog
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
async function sameCatalog(layout: Layout, catalog: Catalog): Promise<void> {
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

const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  )

const policyOf = (settings: Settings): Policy => ({
  maxBranchTtl: settings.maxBranchTtl,
  defaultBranchTtl: settings.defaultBranchTtl,
  contract: settings.contract,
  maxProjects: settings.maxProjects,
  maxBranchesPerProject: settings.maxBranchesPerProject,
  credentialTtl: { min: minutes(5), max: hours(1), default: hours(1) },
  defaultMajor: defaultPostgresMajor,
})

/** Computes outlive the server: those that still run are taken over before anything else happens. */
async function adoptComputes(services: Services): Promise<void> {
  const { catalog, computes, storage, log } = services
  for (const { project, branch, endpoint } of await catalog.endpoints.everyContext()) {
    const adopted = await computes.adopt(computeSpec({ storage }, project, branch, endpoint))
    if (adopted === 'adopted') log.info({ endpoint: endpoint.uid }, 'adopted a running compute')
  }
}

/** Each first notes what logins need. A catalog that is being started again is waited for. */
async function stopComputes(services: Services): Promise<void> {
  const { catalog, clock, log } = services
  const end = clock.monotonic() + seconds(15)
  for (;;) {
    try {
      const contexts = await catalog.endpoints.everyContext()
      await Promise.all(contexts.map((context) => suspend(services, context)))
      return
    } catch (error) {
      log.error({ err: error }, 'cannot suspend the computes')
      if (clock.monotonic() > end) throw error
      await clock.sleep(millis(200))
    }
  }
}

async function startLoops(
  services: Services,
  noter: AwakeNoter,
  onStop: (ending: Ending) => void,
): Promise<void> {
  const { catalog, clock, log } = services
  const deadlines = startLoop({
    name: 'deadlines',
    run: () => meetDeadlines(services),
    slowest: seconds(60),
    clock,
    log,
  })
  const suspender = startLoop({
    name: 'suspend-idle',
    run: idleSuspender(services),
    slowest: seconds(30),
    clock,
    log,
  })
  const notes = startLoop({
    name: 'note-awake',
    run: () => noter.run(),
    slowest: seconds(1), // nothing to do costs nothing: what is due is in memory
    clock,
    log,
  })
  services.computes.onChange(() => suspender.poke())
  const unlisten = catalog.onEvent((event) => {
    if (event.kind === 'due') deadlines.poke()
  })
  onStop(async () => {
    unlisten()
    await Promise.all([deadlines.stop(), suspender.stop(), notes.stop()])
  })
}

async function listenAddresses(
  catalog: Catalog,
  host: string,
  style: HostStyle,
  port: PortChoice,
): Promise<readonly string[]> {
  const contexts = await catalog.endpoints.everyContext()
  return [
    ...(port.hasLocalhost ? [host] : []),
    // Resolvers that know *.localhost answer with both.
    ...(style.kind === 'domain' && style.domain === 'localhost' ? ['::1'] : []),
    ...(style.kind === 'addresses'
      ? contexts.filter(isLive).map(({ endpoint }) => endpoint.address)
      : []),
  ]
}

/** Never a name that a client made up: a leaf for each would be work for whoever asks. */
function certificateNames(style: HostStyle, serverName: string | undefined): readonly string[] {
  const names = ['localhost', '*.localhost']
  if (style.kind !== 'domain' || style.domain === 'localhost') return names
  return serverName === undefined ? names : [...names, style.domain, `*.${style.domain}`]
}

const tellWhereWeAre = async (layout: Layout, facts: ServerFacts): Promise<void> =>
  writeDurableFile(
    layout.serverFile,
    `${JSON.stringify({
      pid: facts.pid,
      startTime: await processStart(),
      version: facts.version,
      apiUrl: facts.apiUrl,
      apiHost: new URL(facts.apiUrl).hostname.replace(/^\[|\]$/g, ''),
      apiPort: Number(new URL(facts.apiUrl).port),
      pgPort: facts.pgPort,
      caFile: facts.caFile,
      nodeCaFile: facts.nodeCaFile,
      stateDirectory: facts.stateDirectory,
    })}\n`,
    0o644,
  )

/** Field 22 of /proc/self/stat: with the pid, it names this process and no later one. */
async function processStart(): Promise<string | undefined> {
  const text = await readFile('/proc/self/stat', 'utf8').catch(() => '')
  return text.slice(text.lastIndexOf(')') + 2).split(' ')[19]
}
