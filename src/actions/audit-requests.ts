/** Requests that were refused before an action saw them: an unreadable body, a wrong access token. */
import type { Identity } from '../domain/identity.ts'
import type { Caller } from './actions.ts'
import { actorOf, begin, originOf } from './audit-entry.ts'
import type { Services } from './services.ts'

export interface RefusedRequest extends Omit<Caller, 'identity'> {
  readonly error: unknown
  readonly isSignIn: boolean
  readonly method: string
  readonly path: string
  /** The route's pattern, when one matched. */
  readonly route: string | undefined
  readonly identity: Identity | undefined
}

export function noteRefusedRequest(
  { auditNotes, clock }: Pick<Services, 'auditNotes' | 'clock'>,
  { error, isSignIn, method, path, route, identity, ...origin }: RefusedRequest,
): void {
  const { agent } = origin
  const actor =
    identity === undefined
      ? ({ kind: 'UNKNOWN', ...(agent === undefined ? {} : { agent }) } as const)
      : actorOf({ ...origin, identity })
  const begun = begin(
    isSignIn ? 'authenticate' : 'request',
    // Of a wrong token the pattern is enough: paths are as many as a stranger likes.
    {
      resource: isSignIn ? 'access-tokens' : path.replace(/^\/api\/2\.0\/postgres\//, ''),
      details: { method, route: route ?? '' },
    },
    { actor, origin: originOf(origin), time: clock.now() },
  )
  auditNotes.failed(error, begun)
}
