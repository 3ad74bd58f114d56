/** What the audit log says of log-ins to Postgres: who, to which branch, from where, by what proof. */
import type { Actor, AuditEntry } from '../domain/audit.ts'
import type { Reason } from '../domain/faults.ts'
import type { Identity } from '../domain/identity.ts'
import { endpointName } from '../domain/names.ts'
import type { EndpointContext } from '../ports/catalog.ts'
import type { CredentialClaims } from '../ports/tokens.ts'
import { begin } from './audit-entry.ts'
import type { Services } from './services.ts'
import type { SessionAsk } from './session.ts'

/** What is found out about a log-in on its way; each fact is set once it is proven. */
export interface LoginFacts {
  context?: EndpointContext
  identity?: Identity
  claims?: CredentialClaims
  /** A password that Postgres itself knows. */
  isPassword?: boolean
}

export type AskedLogin = SessionAsk & { readonly database: string }

const action = 'login'

export function noteLogin(
  { auditNotes, clock }: Pick<Services, 'auditNotes' | 'clock'>,
  asked: AskedLogin,
  facts: LoginFacts,
  role: string,
): void {
  auditNotes.note({ ...entryOf(clock.now(), asked, facts, role), result: 'succeeded' })
}

/** `failed`: the proof was good, and yet there is no session. */
export function noteRefusedLogin(
  { auditNotes, clock }: Pick<Services, 'auditNotes' | 'clock'>,
  asked: AskedLogin,
  facts: LoginFacts,
  error: unknown,
): void {
  auditNotes.failed(error, entryOf(clock.now(), asked, facts, asked.user))
}

/** The gateway itself refused: a password that does not fit its verifier. */
export function noteFailedProof(
  { auditNotes, clock }: Pick<Services, 'auditNotes' | 'clock'>,
  asked: AskedLogin,
  facts: LoginFacts,
  reason: Reason,
): void {
  auditNotes.note({ ...entryOf(clock.now(), asked, facts, asked.user), result: 'refused', reason })
}

function entryOf(
  time: AuditEntry['time'],
  asked: AskedLogin,
  { context, identity, claims, isPassword = false }: LoginFacts,
  role: string,
) {
  const actor: Actor =
    identity !== undefined
      ? { kind: identity.kind, uid: identity.uid, name: identity.loginName }
      : isPassword
        ? { kind: 'USER', name: asked.user }
        : { kind: 'UNKNOWN', name: asked.user }
  const begun = begin(
    action,
    {
      resource: context === undefined ? hintOf(asked) : nameOf(context),
      ...(context === undefined ? {} : { resourceUid: context.endpoint.uid }),
      details: {
        database: asked.database,
        role,
        proof: isPassword ? 'password' : 'token',
        ...(claims === undefined ? {} : { token_id: claims.tokenId, scope: claims.scope }),
      },
    },
    { actor, origin: { remoteAddress: asked.remoteAddress }, time },
  )
  return context === undefined ? begun : { ...begun, projectUid: context.project.uid }
}

const nameOf = ({ project, branch, endpoint }: EndpointContext): string =>
  endpointName(project.projectId, branch.branchId, endpoint.endpointId)

const hintOf = ({ hints }: SessionAsk): string =>
  `endpoints/${hints.serverName ?? hints.endpointOption ?? hints.localAddress}`
