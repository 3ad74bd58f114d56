/**
 * Where the bearer token of a request comes from: a personal access token as it is, one that the
 * server's OAuth issuer gives for a client id and secret (machine to machine, RFC 6749 §4.4), or that
 * of a person who signed in before.
 */
import { Secret } from '../lib/secret.ts'
import {
  after,
  type Clock,
  deadline,
  type EpochMs,
  epochMs,
  minutes,
  seconds,
} from '../lib/time.ts'
import { ApiError, ConnectionFailed, readErrorBody } from './api-error.ts'
import { type Answer, type Exchange, exchange, isSuccess } from './exchange.ts'
import type { TokenCache } from './token-cache.ts'
import type { UserTokens } from './user-sign-in.ts'

export type AccessTokenSource = () => Promise<Secret>

export const personalAccessToken =
  (token: Secret): AccessTokenSource =>
  async () =>
    token

interface Issuer {
  readonly host: string
  readonly userAgent: string
  readonly clock: Clock
}

export interface ClientCredentials extends Issuer {
  readonly clientId: string
  readonly clientSecret: Secret
}

export function clientCredentialsToken(options: ClientCredentials): AccessTokenSource {
  const { clientId, clientSecret } = options
  const basic = Buffer.from(
    `${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret.reveal())}`,
  ).toString('base64')
  return keeping(options, () =>
    requestToken(options, 'grant_type=client_credentials&scope=all-apis', {
      authorization: `Basic ${basic}`,
    }),
  )
}

export interface TokenExchange extends Issuer {
  /** Application id of a service principal, where the server's rules do not say for whom it is. */
  readonly clientId: string | undefined
  /** A token of an issuer that the server trusts; asked for anew each time. */
  readonly subject: () => Promise<Secret>
}

/** RFC 8693: another issuer's token for one of the server's. */
export function exchangedToken(options: TokenExchange): AccessTokenSource {
  return keeping(options, async () => {
    const body = new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: (await options.subject()).reveal(),
      scope: 'all-apis',
      ...(options.clientId === undefined ? {} : { client_id: options.clientId }),
    })
    return requestToken(options, body.toString())
  })
}

interface Kept {
  readonly token: Secret
  readonly until: EpochMs
}

/** Asks once and keeps the token until a minute before its end. */
function keeping({ clock }: Issuer, ask: () => Promise<Kept>): AccessTokenSource {
  let kept: Kept | undefined
  return async () => {
    if (kept === undefined || clock.now() >= kept.until) kept = await ask()
    return kept.token
  }
}

/** Nobody is signed in there, or not any more. */
export class SignInNeeded extends Error {
  override readonly name = 'SignInNeeded'
  readonly hint: string

  constructor(host: string, problem: string, options?: ErrorOptions) {
    super(`${problem} at ${host}`, options)
    this.hint = `Sign in with: lakelet auth login --host ${host}`
  }
}

export interface UserTokenOptions {
  readonly host: string
  readonly cache: TokenCache
  readonly clock: Clock
}

/** Of who signed in, from the cache; refreshed a minute before its end, by one process at a time. */
export const signedInToken =
  (options: UserTokenOptions): AccessTokenSource =>
  async () =>
    (await signedInTokens(options)).accessToken

/** The same with its end; throws SignInNeeded. */
export async function signedInTokens(options: UserTokenOptions): Promise<UserTokens> {
  const { host, cache, clock } = options
  const isFresh = (tokens: UserTokens) => clock.now() < tokens.expireTime - minutes(1)
  const kept = await cache.get(host)
  if (kept === undefined) throw new SignInNeeded(host, 'nobody is signed in')
  if (isFresh(kept)) return kept
  return cache.locked(async () => {
    const current = await cache.get(host)
    if (current === undefined) throw new SignInNeeded(host, 'nobody is signed in')
    if (isFresh(current)) return current
    const { refreshUserTokens, SignInFailed } = await import('./user-sign-in.ts')
    try {
      if (current.refreshToken === undefined) throw new SignInNeeded(host, 'the sign-in has ended')
      const fresh = await refreshUserTokens({ host, clock }, current.refreshToken)
      await cache.set(host, fresh)
      return fresh
    } catch (error) {
      const isDead = error instanceof SignInFailed && error.code === 'invalid_grant'
      if (!isDead && !(error instanceof SignInNeeded)) throw error
      await cache.set(host, undefined)
      throw new SignInNeeded(host, 'the sign-in has ended', { cause: error })
    }
  })
}

async function requestToken(
  issuer: Issuer,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Kept> {
  const { host, clock } = issuer
  const discovery = await call(issuer, `${host}/oidc/.well-known/oauth-authorization-server`, {})
  const endpoint = discovery.token_endpoint
  if (typeof endpoint !== 'string' || !URL.canParse(endpoint)) {
    throw new Error(`${host} does not say where its token endpoint is`)
  }
  const answer = await call(issuer, endpoint, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/x-www-form-urlencoded' },
    body,
  })
  if (typeof answer.access_token !== 'string') throw new Error(`${endpoint} gave no access_token`)
  const lifetime = Number(answer.expires_in ?? 0)
  const now = clock.now()
  return {
    token: new Secret(answer.access_token),
    until: Number.isFinite(lifetime) ? epochMs(after(now, seconds(lifetime)) - minutes(1)) : now,
  }
}

async function call(
  { host, userAgent }: Issuer,
  url: string,
  { method = 'GET', headers, body }: Partial<Exchange>,
): Promise<Readonly<Record<string, unknown>>> {
  let answer: Answer
  try {
    answer = await exchange(url, {
      method,
      headers: { accept: 'application/json', 'user-agent': userAgent, ...headers },
      signal: deadline(seconds(30)),
      ...(body === undefined ? {} : { body }),
    })
  } catch (error) {
    throw new ConnectionFailed(host, error)
  }
  const { status, statusText, text } = answer
  if (!isSuccess(status)) {
    throw new ApiError({ method, url, status, statusText, ...readErrorBody(text, statusText) })
  }
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null) throw new Error(`${url} gave no JSON object`)
  return value as Readonly<Record<string, unknown>>
}
