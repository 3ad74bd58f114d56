/**
 * Issuers whose tokens are exchanged for ours, and for whom: GitHub Actions, a cluster, a company's
 * sign-in. Their keys come from their own discovery document and are kept for ten minutes. Which
 * identity a token stands for is decided by rules over its claims, the first one that fits.
 */
import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose'
import { z } from 'zod'
import { type Clock, deadline, type Millis, minutes, seconds } from '../lib/time.ts'

/** A claim must equal this text, or begin with what stands before a `*` at its end. */
const pattern = z.string().min(1).max(500)

const issuerUrl = z.string().refine(isFetchable, 'it must be an https URL, or http on this machine')

const entrySchema = z.strictObject({
  issuer: issuerUrl,
  audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  rules: z
    .array(
      z.strictObject({
        /** At least one: without, anyone with a token of that issuer would be this identity. */
        claims: z
          .record(z.string(), pattern)
          .refine((claims) => Object.keys(claims).length > 0, 'name at least one claim'),
        /** Login name: a user's e-mail, a service principal's application id. */
        identity: z.string().min(1),
      }),
    )
    .min(1),
})

export type TrustedIssuer = z.output<typeof entrySchema>

/** Only between programs of one machine does nobody listen in. */
function isFetchable(text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, hostname, search, hash } = new URL(text)
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname)
  return (
    (protocol === 'https:' || (protocol === 'http:' && isLocal)) && search === '' && hash === ''
  )
}

/** The settings file of trusted issuers; throws an Error with every problem in it. */
export function readTrustedIssuers(text: string): readonly TrustedIssuer[] {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw new Error('it is not JSON')
  }
  const parsed = z.array(entrySchema).safeParse(json)
  if (parsed.success) return parsed.data
  throw new Error(
    parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
  )
}

/** Why a token is not taken, as a phrase for the one who sent it. */
export class TokenUntrusted extends Error {
  override readonly name = 'TokenUntrusted'
}

export interface TrustedIssuers {
  /**
   * Login name of the identity that the token stands for; throws TokenUntrusted. `wanted`: the only
   * identity that the caller would be.
   */
  identityOf(token: string, wanted: string | undefined): Promise<string>
}

/** What a signature by them proves anything at all: none of the symmetric ones, and never `none`. */
const algorithms = [
  'ES256',
  'ES384',
  'ES512',
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'EdDSA',
  'Ed25519',
]

export function createTrustedIssuers(
  entries: readonly TrustedIssuer[],
  clock: Clock,
): TrustedIssuers {
  const keys = new KeySets(clock)
  return {
    async identityOf(token, wanted) {
      const claimed = readIssuer(token)
      const known = entries.filter(({ issuer }) => issuer === claimed)
      const [first] = known
      if (first === undefined) throw new TokenUntrusted('its issuer is not trusted here')
      let payload: JWTPayload
      try {
        const verified = await jwtVerify(token, await keys.of(first.issuer), {
          issuer: first.issuer,
          audience: known.flatMap(({ audience }) => audience),
          algorithms,
          requiredClaims: ['exp', 'sub'],
          clockTolerance: 30,
          currentDate: new Date(clock.now()),
        })
        payload = verified.payload
      } catch (error) {
        throw new TokenUntrusted(sayProblem(error), { cause: error })
      }
      for (const { audience, rules } of known) {
        if (!overlaps(audience, payload.aud)) continue
        for (const { claims, identity } of rules) {
          if (wanted !== undefined && identity.toLowerCase() !== wanted.toLowerCase()) continue
          if (fits(claims, payload)) return identity
        }
      }
      throw new TokenUntrusted(
        wanted === undefined
          ? 'no rule fits its claims'
          : 'no rule for this client id fits its claims',
      )
    },
  }
}

const overlaps = (ours: string | readonly string[], theirs: JWTPayload['aud']): boolean =>
  [ours].flat().some((audience) => [theirs].flat().includes(audience))

const fits = (claims: Readonly<Record<string, string>>, payload: JWTPayload): boolean =>
  Object.entries(claims).every(([name, wanted]) => {
    const value = Object.hasOwn(payload, name) ? payload[name] : undefined
    if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') {
      return false
    }
    const text = String(value)
    return wanted.endsWith('*') ? text.startsWith(wanted.slice(0, -1)) : text === wanted
  })

/** The issuer that an unverified token names, to know whose keys to ask for. */
function readIssuer(token: string): string {
  try {
    const [, payload = ''] = token.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as JWTPayload
    if (typeof claims.iss === 'string') return claims.iss
  } catch {
    // Said below.
  }
  throw new TokenUntrusted('it is not a JWT with an issuer')
}

function sayProblem(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'it has expired'
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'aud'
      ? 'it was made for another audience'
      : `its claim "${error.claim}" is missing or not valid now`
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'its signature algorithm is not accepted'
  if (isAboutSignature(error)) return 'its signature is not that of its issuer'
  return 'the keys of its issuer cannot be fetched'
}

const isAboutSignature = (error: unknown): boolean =>
  error instanceof errors.JWSSignatureVerificationFailed ||
  error instanceof errors.JWKSNoMatchingKey ||
  error instanceof errors.JWKSMultipleMatchingKeys ||
  error instanceof errors.JWSInvalid ||
  error instanceof errors.JWTInvalid ||
  error instanceof errors.JOSENotSupported

class DiscoveryFailed extends Error {
  override readonly name = 'DiscoveryFailed'
}

type KeySet = ReturnType<typeof createRemoteJWKSet>

const keptFor = minutes(10)
const patience = seconds(5)

class KeySets {
  readonly #clock: Clock
  readonly #kept = new Map<string, { readonly keys: Promise<KeySet>; readonly since: Millis }>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  of(issuer: string): Promise<KeySet> {
    const now = this.#clock.monotonic()
    const kept = this.#kept.get(issuer)
    if (kept !== undefined && now - kept.since < keptFor) return kept.keys
    const keys = discover(issuer)
    this.#kept.set(issuer, { keys, since: now })
    // What failed is asked for again by the next one.
    keys.catch(() => this.#kept.delete(issuer))
    return keys
  }
}

const documentSchema = z.object({
  issuer: z.string(),
  jwks_uri: z.string().refine(isFetchable),
})

async function discover(issuer: string): Promise<KeySet> {
  try {
    const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
    const response = await fetch(url, {
      headers: { accept: 'application/json' },
      redirect: 'error',
      signal: deadline(patience),
    })
    if (!response.ok) throw new Error(`it answered ${response.status}`)
    const document = documentSchema.parse(await response.json())
    if (document.issuer !== issuer) throw new Error('the document is of another issuer')
    return createRemoteJWKSet(new URL(document.jwks_uri), {
      timeoutDuration: patience,
      cacheMaxAge: keptFor,
    })
  } catch (error) {
    throw new DiscoveryFailed('fetch the discovery document', { cause: error })
  }
}
