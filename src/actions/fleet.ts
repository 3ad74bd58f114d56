/**
 * Waking, suspending and preparing computes: every start and stop of a branch's compute goes through
 * here, under the lock of its volume, so that nobody starts what another clones or deletes.
 */
import { type Branch, isLive } from '../domain/branch.ts'
import { settingsForCu } from '../domain/cu.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import type { Project } from '../domain/project.ts'
import { after, type EpochMs, seconds } from '../lib/time.ts'
import type { EndpointContext } from '../ports/catalog.ts'
import type { ComputeSpec, StopMode } from '../ports/compute.ts'
import type { LoginIdentity } from '../ports/roles.ts'
import type { VolumeId } from '../ports/storage.ts'
import type { Services } from './services.ts'

export const volumeOf = (project: Pick<Project, 'uid'>, branch: Pick<Branch, 'uid'>): VolumeId =>
  `${project.uid}/${branch.uid}` as VolumeId

export function computeSpec(
  { storage }: Pick<Services, 'storage'>,
  project: Project,
  branch: Pick<Branch, 'uid'>,
  endpoint: Endpoint,
): ComputeSpec {
  return {
    uid: endpoint.uid,
    major: project.pgVersion,
    dataDirectory: storage.dataDirectory(volumeOf(project, branch)),
    settings: { ...settingsForCu(endpoint.maxCu), ...endpoint.pgSettings },
  }
}

/** Held, inside the lock of the volume, by whoever is about to stop this compute. */
const stopOf = (endpoint: Pick<Endpoint, 'uid'>): string => `stop ${endpoint.uid}`

/** Starts the endpoint's compute unless it runs; resolves when it answered a query. */
export async function wake(
  services: Services,
  { branch, endpoint }: Pick<EndpointContext, 'branch' | 'endpoint'>,
): Promise<void> {
  const { catalog, computes, volumes, storage, stopping } = services
  if (endpoint.isDisabled) throw new Fault('ENDPOINT_DISABLED')
  // A compute that is about to be stopped is waited for, not granted.
  if (computes.state(endpoint.uid).kind === 'ready' && !volumes.isHeld(stopOf(endpoint))) return
  await volumes.run(branch.uid, async () => {
    if (computes.state(endpoint.uid).kind === 'ready') return
    if (stopping.aborted) throw new Fault('UNAVAILABLE', { doing: 'stopping' }) // everything that runs has just been stopped
    // Read again: while we waited it may have been deleted or disabled, and nobody stops it once more.
    const now = await catalog.endpoints.context(endpoint.uid)
    if (now === undefined || !isLive(now)) throw new Fault('ENDPOINT_NOT_FOUND')
    if (now.endpoint.isDisabled) throw new Fault('ENDPOINT_DISABLED')
    await storage.check()
    await computes.ensureReady(computeSpec(services, now.project, now.branch, now.endpoint))
  })
}

/** Stops the endpoint's compute, first keeping what logins need to know while it sleeps. */
export async function suspend(
  services: Services,
  { branch, endpoint }: Pick<EndpointContext, 'branch' | 'endpoint'>,
  mode: StopMode = 'fast',
  /** Asked when nobody can start, stop or be granted it any more: the wait may have been long. */
  isStillWanted: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  const { computes, volumes } = services
  await volumes.run(branch.uid, () =>
    volumes.run(stopOf(endpoint), async () => {
      if (!(await isStillWanted())) return
      if (mode === 'fast' && computes.state(endpoint.uid).kind === 'ready') {
        await rememberWhileAsleep(services, branch, endpoint)
      }
      await computes.stop(endpoint.uid, mode)
    }),
  )
}

/** Password verifiers (so that a login is checked before it wakes anything) and the size. */
export async function rememberWhileAsleep(
  { catalog, computes, roles, log, clock }: Services,
  branch: Pick<Branch, 'uid'>,
  endpoint: Pick<Endpoint, 'uid'>,
): Promise<void> {
  try {
    const socket = computes.socketDirectory(endpoint.uid)
    const [verifiers, logicalSizeBytes, activity] = await Promise.all([
      roles.passwordVerifiers(socket),
      computes.logicalSize(endpoint.uid),
      computes.activity(endpoint.uid),
    ])
    await catalog.transaction(async (session) => {
      await session.endpoints.saveVerifiers(
        branch.uid,
        Object.fromEntries(verifiers.map(({ role, verifier }) => [role, verifier])),
      )
      await session.branches.update(branch.uid, { logicalSizeBytes })
      const lastActiveTime = activity.lastActive ?? undefined
      if (lastActiveTime !== undefined) {
        await session.endpoints.update(endpoint.uid, { lastActiveTime })
      }
    })
  } catch (error) {
    // Only a cache: the next wake writes it again. `clock` dates the loss for whoever reads the log.
    log.warn({ err: error, endpoint: endpoint.uid, at: clock.now() }, 'cannot note what sleeps')
  }
}

/** A manager that a compute knew this recently is not looked at again: a pool opening is one look. */
const knownFor = seconds(1)

/**
 * Which managers a running compute knows just now. A look costs one connection to Postgres; it also
 * gives to the shared owner what other managers made by SQL since (databases, roles).
 */
export class Prepared {
  readonly #known = new Map<EndpointUid, Map<string, EpochMs>>()

  constructor({ computes }: Pick<Services, 'computes'>) {
    computes.onChange((uid) => this.#known.delete(uid))
  }

  /** Makes sure that this manager's role exists in the (running) compute, with all its rights. */
  async manager(
    { computes, roles, clock }: Services,
    endpoint: EndpointUid,
    identity: LoginIdentity,
  ): Promise<void> {
    const now = clock.now()
    const seen = this.#known.get(endpoint)?.get(identity.loginName)
    if (seen !== undefined && now < after(seen, knownFor)) return
    await roles.ensureManager(computes.socketDirectory(endpoint), identity)
    const known = this.#known.get(endpoint) ?? new Map<string, EpochMs>()
    known.set(identity.loginName, now)
    this.#known.set(endpoint, known)
  }
}
