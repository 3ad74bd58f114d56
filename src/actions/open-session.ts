/**
 * Logging in to Postgres, decided: which endpoint, who, and as which role. Authentication comes
 * before the wake, so no scanner keeps a compute awake; unknown endpoints and roles take the same
 * path as known ones, so probing learns nothing.
 */
import { hasEnded, isLive } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
import { Fault, type Reason, toRecord } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import type { Principal } from '../domain/principal.ts'
import { after, seconds } from '../lib/time.ts'
import type { EndpointContext } from '../ports/catalog.ts'
import type { CredentialClaims } from '../ports/tokens.ts'
import {
  type AskedLogin,
  type LoginFacts,
  noteFailedProof,
  noteLogin,
  noteRefusedLogin,
} from './audit-logins.ts'
import { catchUp, loginEffort, prepareRole } from './catch-up.ts'
import { scopes } from './credentials.ts'
import { type Prepared, wake } from './fleet.ts'
import { newOperationUid } from './new-uid.ts'
import { writerOf } from './readers.ts'
import type { Services } from './services.ts'
import type {
  Challenge,
  RouteHints,
  ScramVerifier,
  SessionAnswer,
  SessionAsk,
  SessionGrant,
  SessionHolder,
  SessionRequest,
} from './session.ts'
import { sessionPrincipal, sessionRight } from './session-rights.ts'

/** How this login must prove itself. Wakes nothing that went to sleep. */
export async function challenge(services: Services, ask: SessionAsk): Promise<Challenge> {
  const { context } = await routeByName(services, ask.hints)
  if (context === undefined || !context.project.enablePgNativeLogin) return { kind: 'password' }
  const text = await verifierOf(services, context, ask.user)
  const verifier = text === undefined ? undefined : parseVerifier(text)
  if (verifier === undefined) return { kind: 'password' }
  return { kind: 'scram', endpoint: context.endpoint.uid, verifier }
}

/** From Postgres itself while it runs, else as it was when it went to sleep. */
async function verifierOf(
  services: Services,
  context: EndpointContext,
  user: string,
): Promise<string | undefined> {
  const { catalog, computes, roles, log } = services
  const { branch } = context
  // A reader may be behind; passwords are good or not as the writer says.
  const endpoint = isReader(context.endpoint) ? await writerOf(catalog, branch) : context.endpoint
  // One that crashed was awake and could note nothing: it is started again, as for any login.
  if ((await computes.look(endpoint.uid)).kind === 'crashed') {
    await wake(services, { branch, endpoint }).catch((error: unknown) =>
      log.warn({ err: error, endpoint: endpoint.uid }, 'cannot ask a crashed compute for roles'),
    )
  }
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
  const facts: LoginFacts = {}
  try {
    const grant =
      request.proof.kind === 'scram'
        ? await openByPassword(services, request, request.proof.endpoint, facts)
        : await openByToken(services, prepared, request, request.proof.password, facts)
    noteLogin(services, request, facts, grant.role)
    return { kind: 'granted', grant }
  } catch (error) {
    noteRefusedLogin(services, request, facts, error)
    if (!(error instanceof Fault)) {
      services.log.error({ err: error }, 'cannot open a session')
      return { kind: 'refused', fault: { reason: 'INTERNAL', facts: { request: 'session' } } }
    }
    services.log.info({ reason: error.reason, user: request.user }, 'session refused')
    return { kind: 'refused', fault: toRecord(error) }
  }
}

/** The gateway has found a proof wrong by itself; `open` was not asked. */
export async function tellFailedProof(
  services: Services,
  asked: AskedLogin,
  reason: Reason,
): Promise<void> {
  const { context } = await routeByName(services, asked.hints).catch(() => ({ context: undefined }))
  const facts = context === undefined ? {} : { context }
  noteFailedProof(services, asked, facts, reason)
}

async function openByPassword(
  services: Services,
  request: SessionRequest,
  uid: EndpointUid,
  facts: LoginFacts,
) {
  facts.isPassword = true
  const context = await services.catalog.endpoints.context(uid)
  if (context === undefined || !isOpen(services, context)) throw new Fault('ENDPOINT_NOT_FOUND')
  facts.context = context
  if (!context.project.enablePgNativeLogin) throw new Fault('NATIVE_LOGIN_DISABLED')
  await noteActive(services, context)
  await wakeUpToDate(services, context)
  return grantTo(services, context, request.user)
}

async function openByToken(
  services: Services,
  prepared: Prepared,
  request: SessionRequest,
  password: string,
  facts: LoginFacts,
) {
  const { catalog, tokens } = services
  const route = await routeByName(services, request.hints)
  if (route.context !== undefined) facts.context = route.context
  const verified = await tokens.verify(password)
  if (verified.kind === 'invalid') {
    // Neither a token nor a place where the password could be known.
    if (!route.isNamed && password.split('.').length !== 3) throw new Fault('ENDPOINT_UNNAMED')
    throw await wrongPassword(services, route.context, request.user)
  }
  const { claims } = verified
  facts.claims = claims
  if (verified.kind === 'expired') throw new Fault('TOKEN_EXPIRED')
  const identity = await catalog.identities.byLoginName(claims.subject)
  // A name given to somebody else since (times in tokens are whole seconds) is not the one it named.
  const isReborn =
    identity !== undefined && identity.createTime >= after(claims.issuedAt, seconds(1))
  if (identity === undefined || !identity.isActive || isReborn) {
    throw new Fault('LOGIN_FAILED', { user: request.user })
  }
  const loginName = claims.group ?? claims.subject
  if (request.user !== loginName) {
    throw new Fault('TOKEN_OTHER_ROLE', { identity: loginName, user: request.user })
  }
  facts.identity = identity
  // Who names an endpoint that is gone must not end up on another: that might be production.
  const context = route.isNamed
    ? route.context
    : await catalog.endpoints.context(claims.audience as EndpointUid)
  if (context === undefined || !isOpen(services, context)) throw new Fault('ENDPOINT_NOT_FOUND')
  facts.context = context
  if (claims.audience !== context.endpoint.uid) throw new Fault('TOKEN_OTHER_ENDPOINT')
  const principal = await sessionPrincipal(catalog, identity, claims.group)
  const right =
    principal && (await sessionRight(catalog, context.project, context.branch, principal))
  if (principal === undefined || right === undefined) {
    throw new Fault('LOGIN_FAILED', { user: request.user })
  }

  await noteActive(services, context)
  await wakeUpToDate(services, context)
  const { database } = request
  const role = await prepareRole(services, context, (uid) =>
    roleOn(services, prepared, uid, { principal, right, claims, database }),
  )
  return grantTo(services, context, role, { identity: identity.uid, group: claims.group, right })
}

/** The role that this principal logs in as, with the rights that it has today. */
async function roleOn(
  services: Services,
  prepared: Prepared,
  endpoint: EndpointUid,
  {
    principal,
    right,
    claims,
    database,
  }: {
    readonly principal: Principal
    readonly right: SessionHolder['right']
    readonly claims: CredentialClaims
    readonly database: string
  },
): Promise<string> {
  const { computes, roles } = services
  if (right === 'manager') await prepared.manager(services, endpoint, principal)
  else if (!(await prepared.member(services, endpoint, principal))) {
    throw new Fault('ROLE_MISSING', { user: principal.loginName })
  }
  const narrowing = narrowingOf(claims)
  if (narrowing === undefined) return principal.loginName
  // After the principal's own role: a narrowed one reaches no further than that.
  return roles.ensureNarrowed(computes.socketDirectory(endpoint), principal, database, narrowing)
}

/** A session of a reader sees what was committed before it began. */
async function wakeUpToDate(services: Services, context: EndpointContext): Promise<void> {
  await wake(services, context)
  if (!isReader(context.endpoint)) return
  await catchUp(services, context, loginEffort).catch((error: unknown) => {
    // The writer cannot start: reading what is there is better than nothing.
    services.log.warn({ err: error, endpoint: context.endpoint.uid }, 'a reader cannot catch up')
  })
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
async function noteActive(
  { catalog, clock, log }: Services,
  { endpoint }: EndpointContext,
): Promise<void> {
  const now = clock.now()
  if (endpoint.lastActiveTime !== undefined && now - endpoint.lastActiveTime < seconds(1)) return
  await catalog.endpoints
    .update(endpoint.uid, { lastActiveTime: now })
    .catch((error: unknown) => log.warn({ err: error }, 'cannot note a login'))
}

async function grantTo(
  services: Services,
  context: EndpointContext,
  role: string,
  holder?: SessionHolder,
): Promise<SessionGrant> {
  const { computes } = services
  const { endpoint } = context
  await wake(services, context) // again: what was done since took its time
  return {
    id: newOperationUid(),
    holder,
    endpoint: endpoint.uid,
    socketPath: `${computes.socketDirectory(endpoint.uid)}/.s.PGSQL.5432`,
    role,
  }
}

const isOpen = ({ clock }: Pick<Services, 'clock'>, context: EndpointContext): boolean =>
  !hasEnded(context.branch, clock.now()) &&
  isLive(context) &&
  context.branch.state === 'READY' &&
  context.endpoint.life === 'READY'

const endpointUid = /^ep-[a-z0-9-]{1,60}$/

interface Route {
  /** The connection itself says which endpoint it wants; else its credential does. */
  readonly isNamed: boolean
  /** `undefined` also for a name that no live endpoint has. */
  readonly context: EndpointContext | undefined
}

/** TLS server name, then the address that was dialled, then `options=endpoint=`. */
async function routeByName(
  services: Pick<Services, 'catalog' | 'clock'>,
  { serverName, localAddress, endpointOption }: RouteHints,
): Promise<Route> {
  const { endpoints } = services.catalog
  const label = serverName?.split('.')[0]
  const byName = label !== undefined && endpointUid.test(label) ? label : undefined
  if (byName !== undefined && endpointOption !== undefined && byName !== endpointOption) {
    throw new Fault('ENDPOINT_CONTRADICTED', { host: byName, option: endpointOption.slice(0, 63) })
  }
  const finding =
    byName !== undefined
      ? endpoints.context(byName as EndpointUid)
      : localAddress.startsWith('127.88.')
        ? endpoints.contextByAddress(localAddress)
        : endpointOption !== undefined
          ? endpoints.context(endpointOption as EndpointUid)
          : undefined
  if (finding === undefined) return { isNamed: false, context: undefined }
  const found = await finding
  return {
    isNamed: true,
    context: found !== undefined && isOpen(services, found) ? found : undefined,
  }
}
