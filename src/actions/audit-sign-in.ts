/** What the audit log says of people who sign in and of tokens that are asked for. */
import type { Actor } from '../domain/audit.ts'
import type { Identity } from '../domain/identity.ts'
import { type Begun, begin } from './audit-entry.ts'
import type { AuditNotes } from './audit-notes.ts'
import type { Services } from './services.ts'

/** From where a request of the sign-in comes. */
export interface SignInOrigin {
  readonly remoteAddress: string
  readonly userAgent: string
  readonly requestId: string
}

type Parts = Pick<Services, 'clock'> & { readonly auditNotes: AuditNotes }

/**
 * Of an account that is not there not even the name: people type passwords into the wrong field.
 */
export const signInEntry = (
  { clock }: Pick<Services, 'clock'>,
  action: 'sign-in' | 'set-password',
  identity: Identity | undefined,
  origin: SignInOrigin,
): Begun =>
  begin(
    action,
    identity === undefined
      ? { resource: 'identities' }
      : { resource: `identities/${identity.loginName}`, resourceUid: identity.uid },
    { actor: actorOf(identity, action), origin, time: clock.now() },
  )

/** Whoever only tries to sign in has proved nothing yet. */
function actorOf(identity: Identity | undefined, action: string): Actor {
  if (identity === undefined) return { kind: 'UNKNOWN' }
  const { kind, uid, loginName: name } = identity
  return action === 'sign-in' ? { kind: 'UNKNOWN', name } : { kind, uid, name }
}

export interface TokenRequestFacts {
  readonly grant: string
  readonly client: string | undefined
  readonly identity: Identity | undefined
  /** Why there is no token: a reason of ours, or the code of the RFC. */
  readonly refusal: string | undefined
}

export function noteTokenRequest(
  { auditNotes, clock }: Parts,
  { grant, client, identity, refusal }: TokenRequestFacts,
  origin: SignInOrigin,
): void {
  const actor: Actor =
    identity === undefined
      ? { kind: 'UNKNOWN' }
      : { kind: identity.kind, uid: identity.uid, name: identity.loginName }
  const details = { grant, client: client ?? '' }
  const entry = begin(
    'issue-access-token',
    { resource: 'access-tokens', details },
    { actor, origin, time: clock.now() },
  )
  auditNotes.note(
    refusal === undefined
      ? { ...entry, result: 'succeeded' }
      : { ...entry, result: 'refused', reason: refusal },
  )
}
