/**
 * Waking, suspending and preparing computes: every start and stop of a branch's compute goes through
 * here, under the lock of its volume, so that nobody starts what another clones or deletes.
 */
import type { Branch } from '../domain/branch.ts'
import { settingsForCu } from '../domain/cu.ts'
import type { Endpoint } from '../domain/endpoint.ts'
import { Fault } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import type { Project } from '../domain/project.ts'
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

/** Starts the endpoint's compute unless it runs; resolves when it answered a query. */
export async function wake(
  services: Services,
  { project, branch, endpoint }: EndpointContext,
): Promise<void> {
  const { computes, volumes, storage } = services
  if (computes.state(endpoint.uid).kind === 'ready') return
  if (endpoint.isDisabled) throw new Fault('ENDPOINT_DISABLED')
  await volumes.run(branch.uid, async () => {
    if (computes.state(endpoint.uid).kind === 'ready') return
    await storage.check()
    await computes.ensureReady(computeSpec(services, project, branch, endpoint))
  })
}

/** Stops the endpoint's compute, first keeping what logins need to know while it sleeps. */
export async function suspend(
  services: Services,
  { branch, endpoint }: Pick<EndpointContext, 'branch' | 'endpoint'>,
  mode: StopMode = 'fast',
): Promise<void> {
  const { computes, volumes } = services
  await volumes.run(branch.uid, async () => {
    if (mode === 'fast' && computes.state(endpoint.uid).kind === 'ready') {
      await rememberWhileAsleep(services, branch, endpoint)
    }
    await computes.stop(endpoint.uid, mode)
  })
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

/**
 * Which identities a running compute already knows, and as what, so that a login asks Postgres only
 * once per run. Forgotten with every change of the compute's state.
 */
export class Prepared {
  readonly #known = new Map<EndpointUid, Map<string, 'manager' | 'member'>>()

  constructor({ computes }: Pick<Services, 'computes'>) {
    computes.onChange((uid) => this.#known.delete(uid))
  }

  /** Makes sure that this manager's role exists in the (running) compute, with all its rights. */
  async manager(
    { computes, roles }: Services,
    endpoint: EndpointUid,
    identity: LoginIdentity,
  ): Promise<void> {
    if (this.#known.get(endpoint)?.get(identity.loginName) === 'manager') return
    await roles.ensureManager(computes.socketDirectory(endpoint), identity)
    this.#remember(endpoint, identity, 'manager')
  }

  /**
   * Makes sure that this identity's role can do only what SQL granted to it: it may have managed the
   * project once, and its role is in the data, so a fork of an old branch brings its rights along.
   * `false`: there is no such role.
   */
  async member(
    { computes, roles }: Services,
    endpoint: EndpointUid,
    identity: LoginIdentity,
  ): Promise<boolean> {
    const socket = computes.socketDirectory(endpoint)
    if (!(await roles.hasIdentityRole(socket, identity.loginName))) return false
    if (this.#known.get(endpoint)?.get(identity.loginName) === 'member') return true
    await roles.endManager(socket, identity.loginName)
    this.#remember(endpoint, identity, 'member')
    return true
  }

  #remember(endpoint: EndpointUid, identity: LoginIdentity, as: 'manager' | 'member'): void {
    const known = this.#known.get(endpoint) ?? new Map<string, 'manager' | 'member'>()
    known.set(identity.loginName, as)
    this.#known.set(endpoint, known)
  }
}
