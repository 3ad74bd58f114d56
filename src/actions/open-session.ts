/**
 * Logging in to Postgres, decided: which endpoint, who, and as which role. Authentication comes
 * before the wake, so no scanner keeps a compute awake; unknown endpoints and roles take the same
 * path as known ones, so probing learns nothing.
 */
import { isLive } from '../domain/branch.ts'
import { Fault, toRecord } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import { seconds } from '../lib/time.ts'
import type { EndpointContext } from '../ports/catalog.ts'
import type { CredentialClaims } from '../ports/tokens.ts'
import { mayRunDdl } from './access.ts'
import { scopes } from './credentials.ts'
import { type Prepared, wake } from './fleet.ts'
import type { Services } from './services.ts'
import type {
  Challenge,
  RouteHints,
  ScramVerifier,
  SessionAnswer,
  SessionAsk,
  SessionRequest,
} from './session.ts'

/** How this login must prove itself. Never wakes anything. */
export async function challenge(services: Services, ask: SessionAsk): Promise<Challenge> {
  const context = await routeByName(services, ask.hints)
  if (context === undefined || !context.project.enablePgNativeLogin) return { kind: 'password' }
  const text = await verifierOf(services, context, ask.user)
  const verifier = text === undefined ? undefined : parseVerifier(text)
  if (verifier === undefined) return { kind: 'password' }
  return { kind: 'scram', endpoint: context.endpoint.uid, verifier }
}

/** From Postgres itself while it runs, else as it was when it went to sleep. */
async function verifierOf(
  { catalog, computes, roles }: Services,
  { endpoint, branch }: EndpointContext,
  user: string,
): Promise<string | undefined> {
  if (computes.state(endpoint.uid).kind !== 'ready') {
    return catalog.endpoints.verifier(branch.uid, user)
  }
  const verifiers = await roles.passwordVerifiers(computes.socketDirectory(endpoint.uid))
  return verifiers.find(({ role }) => role === user)?.verifier
}

/** `SCRAM-SHA-256$<iterations>:<salt>$<StoredKey>:<ServerKey>` (Postgres's pg_authid, RFC 5803). */
export function parseVerifier(text: string): ScramVerifier | undefined {
  const match = /^SCRAM-SHA-256\$(\d+):([^$:]+)\$([^$:]+):([^$:]+)$/.exec(text)
  if (match === null) return undefined
  const [, iterations = '', salt = '', storedKey = '', serverKey = ''] = match
  return { iterations: Number(iterations), salt, storedKey, serverKey }
}

/** Authenticates, wakes, and says where to connect and as whom. */
export async function openSession(
  services: Services,
  prepared: Prepared,
  request: SessionRequest,
): Promise<SessionAnswer> {
  try {
    const grant =
      request.proof.kind === 'scram'
        ? await openByPassword(services, request, request.proof.endpoint)
        : await openByToken(services, prepared, request, request.proof.password)
    return { kind: 'granted', grant }
  } catch (error) {
    if (!(error instanceof Fault)) {
      services.log.error({ err: error }, 'cannot open a session')
      return { kind: 'refused', fault: { reason: 'INTERNAL', facts: { request: 'session' } } }
    }
    services.log.info({ reason: error.reason, user: request.user }, 'session refused')
    return { kind: 'refused', fault: toRecord(error) }
  }
}

async function openByPassword(services: Services, request: SessionRequest, uid: EndpointUid) {
  const context = await services.catalog.endpoints.context(uid)
  if (context === undefined || !isOpen(context)) throw new Fault('ENDPOINT_NOT_FOUND')
  if (!context.project.enablePgNativeLogin) throw new Fault('NATIVE_LOGIN_DISABLED')
  await noteLogin(services, context)
  return grantTo(services, context, request.user)
}

async function openByToken(
  services: Services,
  prepared: Prepared,
  request: SessionRequest,
  password: string,
) {
  const { catalog, tokens, computes, roles } = services
  const named = await routeByName(services, request.hints)
  const verified = await tokens.verify(password)
  if (verified.kind === 'invalid') throw await wrongPassword(services, named, request.user)
  const { claims } = verified
  if (verified.kind === 'expired') throw new Fault('TOKEN_EXPIRED')
  const identity = await catalog.identities.byLoginName(claims.subject)
  if (identity === undefined || !identity.isActive) {
    throw new Fault('LOGIN_FAILED', { user: request.user })
  }
  if (request.user !== claims.subject) {
    throw new Fault('TOKEN_OTHER_ROLE', { identity: claims.subject, user: request.user })
  }
  const context = named ?? (await catalog.endpoints.context(claims.audience as EndpointUid))
  if (context === undefined || !isOpen(context)) throw new Fault('ENDPOINT_NOT_FOUND')
  if (claims.audience !== context.endpoint.uid) throw new Fault('TOKEN_OTHER_ENDPOINT')
  const level = await catalog.permissions.levelOf(context.project.uid, identity.uid)
  const isManager = await mayRunDdl(catalog, context.project, context.branch, identity)
  if (level === undefined && !isManager) throw new Fault('LOGIN_FAILED', { user: request.user })

  await noteLogin(services, context)
  await wake(services, context)
  const socket = computes.socketDirectory(context.endpoint.uid)
  if (isManager) {
    await prepared.manager(services, context.endpoint.uid, identity)
  } else {
    // What it could do as a manager, here or on the branch that this one was forked from, is over.
    await roles.endManager(socket, identity.loginName)
    if (!(await roles.hasIdentityRole(socket, identity.loginName))) {
      throw new Fault('LOGIN_FAILED', { user: request.user })
    }
  }
  const narrowing = narrowingOf(claims)
  const role =
    narrowing === undefined
      ? request.user
      : await roles.ensureNarrowed(socket, identity, request.database, narrowing)
  return grantTo(services, context, role)
}

const narrowingOf = ({ scope, tables }: CredentialClaims) =>
  scope === scopes.readOnly ? ({ permission: 'READ_ONLY', tables } as const) : undefined

/** A password in place of a token: where password login is off, that is the thing to say. */
async function wrongPassword(
  services: Services,
  named: EndpointContext | undefined,
  user: string,
): Promise<Fault> {
  if (named !== undefined && !named.project.enablePgNativeLogin) {
    const verifier = await verifierOf(services, named, user)
    if (verifier !== undefined) return new Fault('NATIVE_LOGIN_DISABLED')
  }
  return new Fault('LOGIN_FAILED', { user })
}

/** Before the wake: whoever suspends looks at this once more under the lock, and lets us be. */
async function noteLogin(
  { catalog, clock, log }: Services,
  { endpoint }: EndpointContext,
): Promise<void> {
  const now = clock.now()
  if (endpoint.lastActiveTime !== undefined && now - endpoint.lastActiveTime < seconds(1)) return
  await catalog.endpoints
    .update(endpoint.uid, { lastActiveTime: now })
    .catch((error: unknown) => log.warn({ err: error }, 'cannot note a login'))
}

async function grantTo(services: Services, context: EndpointContext, role: string) {
  const { computes } = services
  const { endpoint } = context
  await wake(services, context) // again: what was done since took its time
  return {
    endpoint: endpoint.uid,
    socketPath: `${computes.socketDirectory(endpoint.uid)}/.s.PGSQL.5432`,
    role,
  }
}

const isOpen = (context: EndpointContext): boolean =>
  isLive(context) && context.branch.state === 'READY'

const endpointUid = /^ep-[a-z0-9-]{1,60}$/

/** TLS server name, then the address that was dialled, then `options=endpoint=`. */
async function routeByName(
  { catalog }: Pick<Services, 'catalog'>,
  { serverName, localAddress, endpointOption }: RouteHints,
): Promise<EndpointContext | undefined> {
  const label = serverName?.split('.')[0]
  const byName = label !== undefined && endpointUid.test(label) ? label : undefined
  if (byName !== undefined && endpointOption !== undefined && byName !== endpointOption) {
    throw new Fault('ENDPOINT_CONTRADICTED', { host: byName, option: endpointOption.slice(0, 63) })
  }
  const found =
    byName !== undefined
      ? await catalog.endpoints.context(byName as EndpointUid)
      : localAddress.startsWith('127.88.')
        ? await catalog.endpoints.contextByAddress(localAddress)
        : endpointOption !== undefined
          ? await catalog.endpoints.context(endpointOption as EndpointUid)
          : undefined
  return found !== undefined && isOpen(found) ? found : undefined
}
