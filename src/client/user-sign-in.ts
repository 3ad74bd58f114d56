/**
 * A person signs in for the command line: in a browser on this machine (authorization code with PKCE,
 * RFC 8252), or anywhere else with a code (RFC 8628). The flows are openid-client's.
 */
import * as openid from 'openid-client'
import { Secret } from '../lib/secret.ts'
import { after, type Clock, type EpochMs, seconds } from '../lib/time.ts'
import { ConnectionFailed } from './api-error.ts'

export interface UserTokens {
  readonly accessToken: Secret
  readonly refreshToken: Secret | undefined
  readonly expireTime: EpochMs
}

/** A refusal of the token endpoint, or of the person. */
export class SignInFailed extends Error {
  override readonly name = 'SignInFailed'
  /** The code of the RFC: `invalid_grant`, `access_denied`… */
  readonly code: string
  readonly hint: string | undefined

  constructor(message: string, code: string, hint?: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.hint = hint
  }
}

const clientId = 'lakelet-cli'
const scope = 'offline_access all-apis'

export interface SignInServer {
  readonly host: string
  readonly clock: Clock
}

async function discover(host: string): Promise<openid.Configuration> {
  const { protocol, hostname } = new URL(host)
  const isLocal = /^(localhost|127(\.\d+){3}|\[::1\]|.*\.localhost)$/.test(hostname)
  if (protocol === 'http:' && !isLocal) {
    throw new SignInFailed(
      `${host} is another machine and would get your password without TLS`,
      'insecure',
      'Put a proxy with TLS before the server, set its public-url, and sign in there.',
    )
  }
  return told(host, () =>
    openid.discovery(new URL(`${host}/oidc`), clientId, undefined, openid.None(), {
      timeout: 30,
      ...(isLocal ? { execute: [openid.allowInsecureRequests] } : {}),
    }),
  )
}

export interface BrowserSignIn {
  /** Where the person goes. */
  readonly url: URL
  /** With the address at which the browser came back. */
  finish(cameBack: URL): Promise<UserTokens>
}

export async function beginInBrowser(
  { host, clock }: SignInServer,
  redirectUri: string,
): Promise<BrowserSignIn> {
  const configuration = await discover(host)
  const pkceCodeVerifier = openid.randomPKCECodeVerifier()
  const expectedState = openid.randomState()
  const url = openid.buildAuthorizationUrl(configuration, {
    redirect_uri: redirectUri,
    scope,
    state: expectedState,
    code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  return {
    url,
    finish: (cameBack) =>
      told(host, async () =>
        toTokens(
          await openid.authorizationCodeGrant(configuration, cameBack, {
            pkceCodeVerifier,
            expectedState,
          }),
          clock,
        ),
      ),
  }
}

export interface DeviceCode {
  readonly userCode: string
  readonly address: string
  readonly wholeAddress: string
}

export async function signInByDevice(
  { host, clock }: SignInServer,
  show: (code: DeviceCode) => void,
): Promise<UserTokens> {
  const configuration = await discover(host)
  return told(host, async () => {
    const asked = await openid.initiateDeviceAuthorization(configuration, { scope })
    show({
      userCode: asked.user_code,
      address: asked.verification_uri,
      wholeAddress: asked.verification_uri_complete ?? asked.verification_uri,
    })
    return toTokens(await openid.pollDeviceAuthorizationGrant(configuration, asked), clock)
  })
}

export async function refreshUserTokens(
  { host, clock }: SignInServer,
  refreshToken: Secret,
): Promise<UserTokens> {
  const configuration = await discover(host)
  return told(host, async () =>
    toTokens(await openid.refreshTokenGrant(configuration, refreshToken.reveal()), clock),
  )
}

/** Ends the token and all that came of the same sign-in. */
export async function revokeUserTokens(
  { host }: SignInServer,
  { refreshToken, accessToken }: UserTokens,
): Promise<void> {
  const configuration = await discover(host)
  await told(host, () =>
    openid.tokenRevocation(configuration, (refreshToken ?? accessToken).reveal()),
  )
}

function toTokens(answer: openid.TokenEndpointResponse, clock: Clock): UserTokens {
  return {
    accessToken: new Secret(answer.access_token),
    refreshToken: answer.refresh_token === undefined ? undefined : new Secret(answer.refresh_token),
    expireTime: after(clock.now(), seconds(answer.expires_in ?? 0)),
  }
}

/** Errors of the library in words for a person. */
async function told<T>(host: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof openid.ResponseBodyError) {
      throw new SignInFailed(error.error_description ?? error.error, error.error, undefined, {
        cause: error,
      })
    }
    if (error instanceof openid.AuthorizationResponseError) {
      const { error: code, error_description: description } = error
      throw new SignInFailed(`the sign-in was refused: ${description ?? code}`, code, undefined, {
        cause: error,
      })
    }
    if (error instanceof openid.ClientError) {
      throw new SignInFailed(
        `${host} does not answer as an OAuth server: ${error.message}`,
        'invalid_response',
        undefined,
        { cause: error },
      )
    }
    if (error instanceof TypeError) throw new ConnectionFailed(host, error)
    throw error
  }
}
