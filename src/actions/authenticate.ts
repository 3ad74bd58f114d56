/**
 * Whose bearer token this is: a personal access token, or an access token of the OAuth issuer. Both
 * are looked up in the catalog for every request, so what is revoked there ends at once.
 */
import { Fault } from '../domain/faults.ts'
import { describeForeignToken } from '../domain/foreign-token.ts'
import type { Identity } from '../domain/identity.ts'
import type { Secret } from '../lib/secret.ts'
import { rfc3339 } from '../lib/time.ts'
import { authenticate as authenticatePersonal } from './access-tokens.ts'
import type { Services } from './services.ts'
import { accessTokenKeys } from './sign-in.ts'

type Parts = Pick<Services, 'catalog' | 'clock' | 'tokens'>

/** Throws UNAUTHENTICATED, which says what the token seems to be. */
export async function authenticate(parts: Parts, token: Secret): Promise<Identity> {
  const { catalog, clock, tokens } = parts
  if (token.reveal().startsWith('dapi')) return authenticatePersonal(parts, token)
  const holder = await catalog.oauthRecords.holderOf(accessTokenKeys(token))
  if (holder === undefined) {
    const problem = describeForeignToken(token.reveal(), [tokens.issuer])
    throw new Fault('UNAUTHENTICATED', { problem })
  }
  const { identity, expireTime } = holder
  if (expireTime !== undefined && clock.now() >= expireTime) {
    throw new Fault('UNAUTHENTICATED', { problem: `it expired at ${rfc3339(expireTime)}` })
  }
  return identity
}
