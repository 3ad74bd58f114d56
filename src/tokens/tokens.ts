/** Database credentials: JWTs (RFC 7519) signed with ES256 by keys in the state directory. */
import { errors, type JWK, type JWTPayload, type JWTVerifyOptions, jwtVerify, SignJWT } from 'jose'
import { z } from 'zod'
import type { Layout } from '../domain/layout.ts'
import { Secret } from '../lib/secret.ts'
import { type Clock, type EpochMs, epochMs, seconds } from '../lib/time.ts'
import type { CredentialClaims, Tokens, Verification } from '../ports/tokens.ts'
import { openSigningKeys, signingAlgorithm } from './signing-keys.ts'

/** RFC 8725 §3.11: tells our credentials from any other JWT that the same keys may come to sign. */
const tokenType = 'lakelet-credential+jwt'

export interface TokensOptions {
  readonly layout: Layout
  readonly issuer: string
  readonly clock: Clock
}

/** Claims as they are on the wire; times in whole seconds. */
const payloadSchema = z.object({
  sub: z.string().min(1),
  aud: z.string().min(1),
  scope: z.string(),
  branch: z.string(),
  endpoint: z.string(),
  tables: z.array(z.string()).optional(),
  group: z.string().optional(),
  jti: z.string().min(1),
  iat: z.number().int(),
  exp: z.number().int(),
})

export interface OpenTokens extends Tokens {
  /** With their private parts, newest first: for the OAuth issuer alone. */
  privateKeys(): readonly JWK[]
  /** Follows a key whose time is over by a new one; `true`: the keys are others now. */
  rotate(): Promise<boolean>
}

export async function openTokens({ layout, issuer, clock }: TokensOptions): Promise<OpenTokens> {
  let keys = await openSigningKeys(layout, clock)

  const keyFor = ({ kid }: { kid?: string }) => {
    const key = keys.find(({ id }) => id === kid)
    if (key === undefined) throw new errors.JWKSNoMatchingKey()
    return key.publicKey
  }
  const pinned: JWTVerifyOptions = { issuer, algorithms: [signingAlgorithm], typ: tokenType }

  return {
    issuer,
    async sign(claims) {
      const [current] = keys
      if (current === undefined) throw new Error('there is no signing key')
      const { subject, audience, scope, branch, endpoint, tables, group, tokenId } = claims
      const token = await new SignJWT({
        scope,
        branch,
        endpoint,
        ...(tables === undefined ? {} : { tables: [...tables] }),
        ...(group === undefined ? {} : { group }),
      })
        .setProtectedHeader({ alg: signingAlgorithm, kid: current.id, typ: tokenType })
        .setIssuer(issuer)
        .setSubject(subject)
        .setAudience(audience)
        .setJti(tokenId)
        .setIssuedAt(toSeconds(claims.issuedAt))
        .setExpirationTime(toSeconds(claims.expiresAt))
        .sign(current.privateKey)
      return new Secret(token)
    },

    async verify(token): Promise<Verification> {
      try {
        const { payload } = await jwtVerify(token, keyFor, {
          ...pinned,
          currentDate: new Date(clock.now()),
        })
        return outcome('valid', payload)
      } catch (error) {
        // Checked after signature, issuer and type: an expired token is one of ours.
        if (error instanceof errors.JWTExpired) return outcome('expired', error.payload)
        if (error instanceof errors.JOSEError) return { kind: 'invalid' }
        throw error
      }
    },

    jwks: async () => ({ keys: keys.map(({ publicJwk }) => ({ ...publicJwk })) }),
    privateKeys: () => keys.map(({ privateJwk }) => privateJwk),

    async rotate() {
      const before = keys
      keys = await openSigningKeys(layout, clock, before)
      return keys !== before
    },
  }
}

function outcome(kind: 'valid' | 'expired', payload: JWTPayload): Verification {
  const parsed = payloadSchema.safeParse(payload)
  return parsed.success ? { kind, claims: toClaims(parsed.data) } : { kind: 'invalid' }
}

const toClaims = (payload: z.infer<typeof payloadSchema>): CredentialClaims => ({
  subject: payload.sub,
  audience: payload.aud,
  scope: payload.scope,
  branch: payload.branch,
  endpoint: payload.endpoint,
  tables: payload.tables,
  group: payload.group,
  tokenId: payload.jti,
  issuedAt: epochMs(payload.iat * seconds(1)),
  expiresAt: epochMs(payload.exp * seconds(1)),
})

/** Down: a credential never lives longer than it was promised to. */
const toSeconds = (moment: EpochMs): number => Math.floor(moment / seconds(1))
