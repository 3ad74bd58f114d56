/**
 * Waking, suspending and preparing computes: every start and stop of a branch's compute goes through
 * here, under the lock of its volume, so that nobody starts what another clones or deletes.
 */
import { type Branch, hasEnded, isLive } from '../domain/branch.ts'
import { type Endpoint, isReader } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import { after, type EpochMs, seconds } from '../lib/time.ts'
import type { EndpointContext } from '../ports/catalog.ts'
import type { Activity, StopMode } from '../ports/compute.ts'
import type { LoginIdentity } from '../ports/roles.ts'
import { withinActiveLimit } from './active-limit.ts'
import { computeSpec } from './compute-spec.ts'
import { mustHaveData } from './known-volumes.ts'
import { startReader } from './readers.ts'
import type { Services } from './services.ts'

/** What guards the volume that this endpoint's compute runs on. */
export const lockOf = (
  branch: Pick<Branch, 'uid'>,
  endpoint: Pick<Endpoint, 'uid' | 'type'>,
): string => (isReader(endpoint) ? endpoint.uid : branch.uid)

/** Held, inside the lock of the volume, by whoever is about to stop this compute. */
export const stopOf = (endpoint: Pick<Endpoint, 'uid'>): string => `stop ${endpoint.uid}`

/** Starts the endpoint's compute unless it runs; resolves when it answered a query. */
export async function wake(
  services: Services,
  { branch, endpoint }: Pick<EndpointContext, 'branch' | 'endpoint'>,
): Promise<void> {
  const { catalog, clock, computes, volumes, stopping } = services
  if (endpoint.isDisabled) throw new Fault('ENDPOINT_DISABLED')
  // A compute that is about to be stopped is waited for, not granted.
  const { kind } = await computes.look(endpoint.uid)
  if (kind === 'ready' && !volumes.isHeld(stopOf(endpoint))) return
  await volumes.run(lockOf(branch, endpoint), async () => {
    if (computes.state(endpoint.uid).kind === 'ready') return
    // Everything that runs has just been stopped.
    if (stopping.aborted) throw new Fault('UNAVAILABLE', { doing: 'stopping' })
    // Read again: while we waited it may have been deleted or disabled, and nobody stops it once more.
    const now = await catalog.endpoints.context(endpoint.uid)
    if (now === undefined || !isLive(now) || hasEnded(now.branch, clock.now())) {
      throw new Fault('ENDPOINT_NOT_FOUND')
    }
    if (now.endpoint.isDisabled) throw new Fault('ENDPOINT_DISABLED')
    await mustHaveData(services, now)
    await withinActiveLimit(services, now, () =>
      isReader(endpoint)
        ? startReader(services, now, (writer) => wake(services, { ...now, endpoint: writer }))
        : computes.ensureReady(computeSpec(services, now.project, now.branch, now.endpoint)),
    )
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
  await volumes.run(lockOf(branch, endpoint), () =>
    volumes.run(stopOf(endpoint), async () => {
      if (!(await isStillWanted())) return
      const wasUp = computes.state(endpoint.uid).kind === 'ready'
      if (mode === 'fast' && wasUp) await rememberWhileAsleep(services, branch, endpoint)
      await computes.stop(endpoint.uid, mode)
    }),
  )
}

/** Password verifiers (so that a login is checked before it wakes anything) and the size. */
export async function rememberWhileAsleep(
  services: Services,
  branch: Pick<Branch, 'uid'>,
  endpoint: Pick<Endpoint, 'uid' | 'type'>,
): Promise<void> {
  const { catalog, computes, roles, log, clock } = services
  try {
    const [verifiers] = await Promise.all([
      // Only the writer knows for sure which passwords are good.
      isReader(endpoint)
        ? undefined
        : roles.passwordVerifiers(computes.socketDirectory(endpoint.uid)),
      noteAwake(services, { branch, endpoint }),
    ])
    await catalog.transaction(async (session) => {
      await session.endpoints.update(endpoint.uid, { suspendTime: clock.now() })
      if (verifiers === undefined) return
      await session.endpoints.saveVerifiers(
        branch.uid,
        Object.fromEntries(verifiers.map(({ role, verifier }) => [role, verifier])),
      )
    })
  } catch (error) {
    // Only a cache: the next wake writes it again. `clock` dates the loss for whoever reads the log.
    log.warn({ err: error, endpoint: endpoint.uid, at: clock.now() }, 'cannot note what sleeps')
  }
}

/** Notes size and last activity of a compute that runs; answers with what it saw. */
export async function noteAwake(
  { catalog, computes }: Pick<Services, 'catalog' | 'computes'>,
  { branch, endpoint }: NotedEndpoint,
): Promise<Activity> {
  const [logicalSizeBytes, activity] = await Promise.all([
    isReader(endpoint) ? undefined : computes.logicalSize(endpoint.uid), // the writer's to tell
    computes.activity(endpoint.uid),
  ])
  await catalog.transaction(async (session) => {
    if (logicalSizeBytes !== undefined) {
      await session.branches.update(branch.uid, { logicalSizeBytes })
    }
    const known = (await session.endpoints.context(endpoint.uid))?.endpoint.lastActiveTime ?? 0
    // Sessions that have ended are not seen any more, so what is seen may be older than what is known.
    if (activity.lastActive !== undefined && activity.lastActive > known) {
      await session.endpoints.update(endpoint.uid, { lastActiveTime: activity.lastActive })
    }
  })
  return activity
}

export interface NotedEndpoint {
  readonly branch: Pick<Branch, 'uid'>
  readonly endpoint: Pick<Endpoint, 'uid' | 'type'>
}

/** An identity that a compute knew this recently is not looked at again: a pool opening is one look. */
const knownFor = seconds(1)

interface Known {
  readonly as: 'manager' | 'member'
  readonly at: EpochMs
  /** A look that is under way is joined. */
  readonly done: Promise<void>
}

/**
 * Which identities a running compute knows just now, and as what. A look costs one connection to
 * Postgres; it also gives to the shared owner what other managers made by SQL since (databases,
 * roles). Forgotten with every change of the compute's state.
 */
export class Prepared {
  readonly #known = new Map<EndpointUid, Map<string, Known>>()

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
    const known = this.#find(endpoint, identity, 'manager', now)
    if (known !== undefined) return known.done
    const done = roles.ensureManager(computes.socketDirectory(endpoint), identity)
    this.#remember(endpoint, identity, { as: 'manager', at: now, done })
    return done
  }

  /**
   * Makes sure that this identity's role can do only what SQL granted to it: it may have managed the
   * project once, and its role is in the data, so a fork of an old branch brings its rights along.
   * `false`: there is no such role.
   */
  async member(
    { computes, roles, clock }: Services,
    endpoint: EndpointUid,
    identity: LoginIdentity,
  ): Promise<boolean> {
    const now = clock.now()
    const socket = computes.socketDirectory(endpoint)
    if (!(await roles.hasIdentityRole(socket, identity.loginName))) return false
    const known = this.#find(endpoint, identity, 'member', now)
    const done = known?.done ?? roles.endManager(socket, identity.loginName)
    if (known === undefined) this.#remember(endpoint, identity, { as: 'member', at: now, done })
    await done
    return true
  }

  /** Takes from a role what made it a manager, unless `isStillOne` says afterwards that it is one. */
  async endManager(
    { computes, roles }: Pick<Services, 'computes' | 'roles'>,
    endpoint: EndpointUid,
    identity: LoginIdentity,
    isStillOne: () => Promise<boolean>,
  ): Promise<void> {
    const socket = computes.socketDirectory(endpoint)
    this.#known.get(endpoint)?.delete(identity.loginName)
    await roles.endManager(socket, identity.loginName)
    // Somebody may have given it back just now, and a login may have seen to it before we took it.
    if (await isStillOne()) await roles.ensureManager(socket, identity)
  }

  #find(
    endpoint: EndpointUid,
    identity: LoginIdentity,
    as: Known['as'],
    now: EpochMs,
  ): Known | undefined {
    const seen = this.#known.get(endpoint)?.get(identity.loginName)
    return seen?.as === as && now < after(seen.at, knownFor) ? seen : undefined
  }

  #remember(endpoint: EndpointUid, identity: LoginIdentity, known: Known): void {
    const all = this.#known.get(endpoint) ?? new Map<string, Known>()
    all.set(identity.loginName, known)
    this.#known.set(endpoint, all)
    known.done.catch(() => all.delete(identity.loginName)) // a failure is not known
  }
}
