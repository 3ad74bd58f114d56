/**
 * The server process, composed: catalog, storage, computes, operations, reconcilers, API, and the
 * gateway as a child. The only place where the parts meet. Each part registers how it ends as soon as
 * it runs, so a start that fails half-way leaves nothing running.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { auditNotes } from '../actions/audit-notes.ts'
import { noteRefusedRequest } from '../actions/audit-requests.ts'
import { createActions, createKinds } from '../actions/create-actions.ts'
import { sweepExports } from '../actions/export-branch.ts'
import { Prepared } from '../actions/fleet.ts'
import { challenge, openSession, tellFailedProof } from '../actions/open-session.ts'
import type { Policy, Services } from '../actions/services.ts'
import type { GatewayLink } from '../actions/session.ts'
import { createApi } from '../api/create-api.ts'
import { keepInFile } from '../api/exchange.ts'
import { serveApi } from '../api/listen.ts'
import { openBackupPlaces } from '../backup/open-places.ts'
import { openComputes } from '../compute/open-computes.ts'
import { isLive } from '../domain/branch.ts'
import { layoutOf } from '../domain/layout.ts'
import { defaultPostgresMajor } from '../domain/project.ts'
import { removeDrafts } from '../lib/durable-file.ts'
import { KeyedMutex } from '../lib/keyed-mutex.ts'
import { createLog, type Log } from '../lib/log.ts'
import { findServiceUser } from '../lib/service-user.ts'
import type { Settings } from '../lib/settings-table.ts'
import { hours, minutes, systemClock } from '../lib/time.ts'
import { version } from '../lib/version.ts'
import { createEngine } from '../operations/engine.ts'
import type { Catalog } from '../ports/catalog.ts'
import { meetDueFirst } from '../reconcile/deadlines.ts'
import { historyKeeper } from '../reconcile/keep-history.ts'
import { awakeNoter } from '../reconcile/note-awake.ts'
import { tellSweep } from '../reconcile/sweep-strays.ts'
import { databricksAuthFiles } from '../roles/databricks-auth.ts'
import { openRoles } from '../roles/open-roles.ts'
import { openStorage } from '../storage/open-storage.ts'
import { openCertificateAuthority } from '../tokens/certificate-authority.ts'
import { openSecretBox } from '../tokens/secret-box.ts'
import { openTokens } from '../tokens/tokens.ts'
import { openTransfers } from '../transfer/open-transfers.ts'
import { hostId } from '../worktree/bound-to.ts'
import { findLeftOvers } from '../worktree/left-overs.ts'
import { ensureFirstProject, ensureOwner } from './first-start.ts'
import { createGatewayHost } from './gateway-host.ts'
import { choosePort, freePort, type PortChoice } from './gateway-port.ts'
import {
  certificateAddresses,
  certificateNames,
  findHostStyle,
  type HostStyle,
  hostOf,
  sayHostStyle,
} from './hosts.ts'
import { sameCatalog, startCatalog } from './server-catalog.ts'
import { ownersLink, startIssuer } from './sign-in.ts'
import { holdStateDirectory } from './start-lock.ts'
import { startLoops } from './start-loops.ts'
import { prepareStateDirectory, tellWhereWeAre } from './state-directory.ts'
import { adoptComputes, stopComputes, sweepToolchains } from './surviving-computes.ts'
import { writeTrustFiles } from './trust-files.ts'

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
  /** Where the owner sets a password; a secret. `undefined`: there is one. */
  readonly setupLink: string | undefined
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

/** One part of the server may take this long to end; a compute that hangs is ended within it. */
const endPatience = minutes(2)

/** `stopAsked` ends a start that is under way at its next part; what runs by then is stopped. */
export async function startServer(settings: Settings, stopAsked?: AbortSignal): Promise<Server> {
  const endings: Ending[] = []
  let ended: Promise<void> | undefined
  const stop = () => {
    ended ??= endInOrder(endings)
    return ended
  }
  try {
    const facts = await compose(settings, (ending) => {
      endings.push(ending)
      stopAsked?.throwIfAborted()
    })
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
      await withinPatience(ending())
    } catch (error) {
      failures.push(error)
    }
  }
  if (failures.length > 0) throw new AggregateError(failures, 'stop the server')
}

/** Whatever hangs must not keep the rest from ending. */
async function withinPatience(ending: Promise<void>): Promise<void> {
  const done = new AbortController()
  const late = systemClock.sleep(endPatience, done.signal).then(() => {
    throw new Error(`a part of the server has not ended after ${endPatience / 1000} s`)
  })
  late.catch(() => undefined) // also when it is cut short
  try {
    await Promise.race([ending, late])
  } finally {
    done.abort()
  }
}

async function compose(settings: Settings, onStop: (ending: Ending) => void): Promise<ServerFacts> {
  const clock = systemClock
  const startedAt = clock.now()
  const layout = layoutOf(settings.stateDir)
  const serviceUser = await findServiceUser(settings.computeUser)
  await prepareStateDirectory(layout, serviceUser)
  onStop(await holdStateDirectory(layout, clock))
  const logBound = { bytes: settings.logSize, files: settings.logFiles }
  const log = createLog('server', join(layout.log, 'server.log'), logBound)
  onStop(noteStrayErrors(log))

  const computes = await openComputes({
    layout,
    serviceUser,
    extensionFiles: databricksAuthFiles,
    postgresDirs: settings.postgresDirs,
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
    reserves: { pool: settings.poolReserve, disk: settings.diskReserve },
    log,
    clock,
  })
  onStop(async () => {
    await storage.settle()
    await storage.close({ unmount: true })
  })
  await storage.recover()
  for (const directory of [layout.root, layout.keys, layout.pool]) await removeDrafts(directory)

  const hostStyle = await findHostStyle(settings.domain)
  const port = await choosePort(
    settings.pgHost,
    settings.pgPort,
    hostStyle.kind === 'addresses' ? '127.88.0.1' : undefined,
  )
  const apiPort = settings.apiPort === 0 ? await freePort(settings.apiHost) : settings.apiPort
  const apiUrl = `http://${settings.apiHost.includes(':') ? `[${settings.apiHost}]` : settings.apiHost}:${apiPort}`
  const [tokens, authority, roles] = [
    await openTokens({ layout, issuer: `${settings.publicUrl ?? apiUrl}/oidc`, clock }),
    await openCertificateAuthority({ layout, clock }),
    openRoles({ clock, log }),
  ]
  const trust = await writeTrustFiles(layout, authority.certificate)

  const gateway = createGatewayHost({
    port: port.port,
    serviceUser,
    logFile: join(layout.log, 'gateway.log'),
    logBound,
    log,
    clock,
  })
  const notes = auditNotes({ catalog, clock, log })
  // After whatever has something to tell has ended.
  onStop(() => notes.settle({ isLast: true }))
  const stopping = new AbortController()
  const services: Services = {
    catalog,
    storage,
    computes,
    roles,
    tokens,
    backupPlaces: openBackupPlaces({ serviceUser, own: layout.root }),
    transfers: openTransfers({ layout, serviceUser, clock }),
    secrets: await openSecretBox(layout),
    clock,
    log,
    auditNotes: notes,
    policy: policyOf(settings),
    stopping: stopping.signal,
    volumes: new KeyedMutex(),
    waking: new Set(),
    door: hostStyle.kind === 'addresses' ? gateway.door : withoutAddresses(gateway.door),
    hostOf: (endpoint) => hostOf(hostStyle, endpoint),
  }
  const prepared = new Prepared(services)
  const engine = createEngine({ catalog, kinds: createKinds(services, prepared), clock, log })
  const actions = createActions(services, prepared, engine)

  onStop(() => {
    stopping.abort()
    return stopComputes(services)
  })
  await adoptComputes(services)
  await sweepExports(services)
  await meetDueFirst(services)
  // What runs is known: older copies that nothing runs from go, and nobody waits for that.
  sweepToolchains(services)
  const noter = awakeNoter(services)
  const link: GatewayLink = {
    challenge: (ask) => challenge(services, ask),
    async open(request) {
      const answer = await openSession(services, prepared, request)
      if (answer.kind === 'granted') noter.touched(answer.grant.endpoint, 'opened')
      return answer
    },
    certificate: (serverName, localAddress) =>
      authority.leaf(certificateNames(hostStyle, serverName), certificateAddresses(localAddress)),
    refused: (asked, reason) => void tellFailedProof(services, asked, reason),
    closed: (endpoint) => noter.touched(endpoint, 'closed'),
  }
  onStop(() => gateway.stop())
  await gateway.start(link, await listenAddresses(catalog, settings.pgHost, hostStyle, port))

  onStop(() => engine.stop())
  await engine.start()
  const sweepRules = { grace: settings.strayGrace, retention: settings.strayRetention }
  const historian = historyKeeper(services, { longest: settings.historyRetention })
  const repositories = { host: await hostId(), look: findLeftOvers }
  const { auditRetention, warnBefore } = settings
  const kept = { noter, historian, auditRetention, sweepRules, repositories, warnBefore }
  startLoops(services, prepared, kept, onStop)

  const facts: ServerFacts = {
    version,
    pid: process.pid,
    stateDirectory: layout.root,
    apiUrl,
    pgPort: port.port,
    hostStyle,
    port,
    owner: '',
    setupLink: undefined,
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
      history: await historian.describe(),
      sweep: await tellSweep(services, sweepRules).catch((error: unknown) => {
        log.error({ err: error }, 'cannot tell what the sweep would find')
        return { problem: "it cannot be looked at now; the server's log says why" }
      }),
    }),
  }
  const app = createApi({
    actions,
    workspaceId: catalog.workspaceId,
    status: facts.status,
    apiUrl: () => apiUrl,
    publicUrl: settings.publicUrl,
    log,
    version,
    contract: settings.contract,
    noteRefusal: (refused) => noteRefusedRequest(services, refused),
    keepExchange: keepInFile(process.env.LAKELET_TRAFFIC_TRACE),
  })
  const address = { apiUrl, publicUrl: settings.publicUrl }
  const { issuer, loop: signInLoop } = await startIssuer({
    ...address,
    services,
    tokens,
    layout,
    settings,
  })
  onStop(() => signInLoop.stop())
  const api = await serveApi(app, { host: settings.apiHost, port: apiPort }, [
    { prefix: '/oidc/', handle: (request, response) => issuer.handle(request, response) },
  ])
  onStop(() => api.close())

  const owner = await ensureOwner(services, layout)
  await ensureFirstProject(services, actions, owner)
  await tellWhereWeAre(layout, facts)
  onStop(() => rm(layout.serverFile, { force: true }))
  log.info({ api: apiUrl, port: port.port }, 'server is ready')
  return {
    ...facts,
    owner: owner.loginName,
    setupLink: await ownersLink(services, owner, address),
  }
}

/**
 * A promise that nobody waits for and that fails is a mistake of ours, but no reason to end what works.
 * An exception out of nowhere is: what it left half-done is unknown, and a crash is a resume.
 */
function noteStrayErrors(log: Log): Ending {
  const rejected = (error: unknown) => log.error({ err: error }, 'an error that nobody waited for')
  const thrown = (error: unknown) => {
    log.fatal({ err: error }, 'the server ends: an error that nobody handled')
    process.stderr.write(`lakelet: ${error instanceof Error ? error.stack : String(error)}\n`)
    process.exit(70)
  }
  process.on('unhandledRejection', rejected)
  process.on('uncaughtException', thrown)
  return async () => {
    process.off('unhandledRejection', rejected)
    process.off('uncaughtException', thrown)
  }
}

const policyOf = (settings: Settings): Policy => ({
  maxBranchTtl: settings.maxBranchTtl,
  defaultBranchTtl: settings.defaultBranchTtl,
  contract: settings.contract,
  maxProjects: settings.maxProjects,
  maxBranchesPerProject: settings.maxBranchesPerProject,
  maxRolesPerBranch: settings.maxRolesPerBranch,
  maxDatabasesPerBranch: settings.maxDatabasesPerBranch,
  maxRootBranchesPerProject: settings.maxRootBranchesPerProject,
  maxProtectedBranchesPerProject: settings.maxProtectedBranchesPerProject,
  maxSnapshotsPerProject: settings.maxSnapshotsPerProject,
  maxBranchLogicalSize: settings.maxBranchLogicalSize,
  historyRetention: { min: settings.minHistoryRetention, max: settings.maxHistoryRetention },
  suspendTimeout: { min: settings.minSuspendTimeout, max: settings.maxSuspendTimeout },
  cu: { max: settings.maxCu, spread: settings.maxCuSpread },
  maxActiveComputes:
    settings.maxActiveComputes ?? (settings.contract === 'strict' ? 20 : undefined),
  credentialTtl: { min: minutes(5), max: hours(1), default: hours(1) },
  defaultMajor: defaultPostgresMajor,
  collectGrace: settings.collectGrace,
})

/** Where endpoints have names, or share localhost, there is nothing to listen to for each. */
const withoutAddresses = (door: Services['door']): Services['door'] => ({
  listen: () => Promise.resolve([]),
  unlisten: () => Promise.resolve(),
  endSessions: (endpoint) => door.endSessions(endpoint),
  heldSessions: () => door.heldSessions(),
  endHeld: (ids, why) => door.endHeld(ids, why),
})

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
