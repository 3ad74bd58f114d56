/**
 * The OpenID provider with our decisions in it: authorization code with PKCE, device code, client
 * credentials, refresh tokens that are used once, token exchange; opaque access tokens of an hour.
 */

import type { JWK } from 'jose'
import type { ClientAuthMethod, Configuration, KoaContextWithOIDC } from 'oidc-provider'
import type { SignIn } from '../actions/sign-in.ts'
import { Secret } from '../lib/secret.ts'
import type { Clock } from '../lib/time.ts'
import { firstPartyClients, grants, mayRedirectTo } from './clients.ts'
import { deviceCodePage, deviceConfirmPage, deviceDonePage } from './device-pages.ts'
import { errorPage } from './error-page.ts'
import { errors, Provider } from './oidc-provider.ts'
import { sendPage } from './page.ts'
import { recordAdapter } from './record-adapter.ts'
import { currentBase, requestContext } from './request-context.ts'
import { createSeal, type SealingKeys } from './seal.ts'
import { signedOutPage, signOutPage } from './sign-out-pages.ts'
import { registerTokenExchange } from './token-exchange.ts'
import type { TrustedIssuers } from './trusted-issuers.ts'

export interface ProviderOptions {
  readonly signIn: SignIn
  /** With their private parts, newest first. */
  readonly keys: readonly JWK[]
  readonly cookieKeys: readonly string[]
  readonly sealingKeys: SealingKeys
  readonly trusted: TrustedIssuers
  readonly clock: Clock
  /** Addresses of the console of this server. */
  readonly consoleRedirects: readonly string[]
  /** Base URL of which the issuer is made outside of requests. */
  readonly base: string
  /** Tells cookies of several servers on one host apart; browsers ignore the port. */
  readonly cookieSuffix: string
}

export const mountPath = '/oidc'

const routes = {
  authorization: '/v1/authorize',
  token: '/v1/token',
  revocation: '/v1/revoke',
  introspection: '/v1/introspect',
  userinfo: '/v1/userinfo',
  device_authorization: '/v1/device_authorization',
  code_verification: '/device',
  end_session: '/v1/logout',
  jwks: '/jwks.json',
} as const

/** Seconds. */
const lifetimes = {
  AccessToken: 3600,
  ClientCredentials: 3600,
  IdToken: 3600,
  AuthorizationCode: 60,
  DeviceCode: 600,
  Interaction: 900,
  /** Since it was last used. */
  Session: 12 * 3600,
  /** Since it was last used; its grant ends it after half a year in any case. */
  RefreshToken: 30 * 86_400,
  Grant: 180 * 86_400,
} as const

export function createProvider(options: ProviderOptions): Provider {
  const { signIn, trusted, base } = options
  const provider = new Provider(`${base}${mountPath}`, configurationOf(options))
  // Our own server says which proxy headers there are: it writes them itself.
  provider.proxy = true
  // Every client finds the issuer under the host that it dialled, in metadata and in tokens alike.
  Object.defineProperty(provider, 'issuer', {
    get: () => `${currentBase() ?? base}${mountPath}`,
  })
  registerTokenExchange(provider, {
    signIn,
    trusted,
    namedClient: () => requestContext().namedClient,
  })
  checkClients(provider, signIn)
  return provider
}

/** Secrets are compared by their hashes in the catalog, and loopback ports by our own rule. */
function checkClients(provider: Provider, signIn: SignIn): void {
  const prototype = provider.Client.prototype as {
    clientId: string
    redirectUris: readonly string[]
    compareClientSecret(secret: string): Promise<boolean>
    redirectUriAllowed(uri: string): boolean
  }
  const { redirectUriAllowed } = prototype
  prototype.compareClientSecret = async function compareClientSecret(secret) {
    const proven = await signIn.verifyClientSecret(this.clientId, new Secret(secret))
    requestContext().proof.secretId = proven?.secretId
    return proven !== undefined
  }
  prototype.redirectUriAllowed = function allowed(uri) {
    return redirectUriAllowed.call(this, uri) && mayRedirectTo(this, uri)
  }
}

function configurationOf(options: ProviderOptions): Configuration {
  const { signIn, clock, cookieSuffix } = options
  const adapterOptions = { signIn, clock, seal: createSeal(options.sealingKeys) }
  const cookie = { signed: true, httpOnly: true, sameSite: 'lax', overwrite: true } as const
  return {
    adapter: (name: string) => recordAdapter(name, adapterOptions),
    clients: firstPartyClients(options.consoleRedirects),
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clientAuthMethods: ['none', 'client_secret_basic', 'client_secret_post'] as ClientAuthMethod[],
    jwks: { keys: options.keys as never }, // the same thing by another version's type
    cookies: {
      keys: [...options.cookieKeys],
      names: {
        session: `lakelet_session_${cookieSuffix}`,
        interaction: `lakelet_interaction_${cookieSuffix}`,
        resume: `lakelet_resume_${cookieSuffix}`,
      },
      long: { ...cookie, path: mountPath },
      short: cookie,
    },
    routes,
    responseTypes: ['code'],
    subjectTypes: ['public'],
    enabledJWA: { idTokenSigningAlgValues: ['ES256'] },
    scopes: ['openid', 'offline_access', 'all-apis'],
    claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email'] },
    conformIdTokenClaims: false,
    pkce: { required: () => true },
    ttl: lifetimes,
    rotateRefreshToken: true,
    issueRefreshToken: async (_ctx, client, code) =>
      client.grantTypeAllowed(grants.refresh) && code.scopes.has('offline_access'),
    findAccount: async (_ctx, uid) => {
      const identity = await signIn.identity(uid)
      if (identity === undefined) return undefined
      const { loginName, displayName } = identity
      const claims = {
        sub: uid,
        name: displayName,
        preferred_username: loginName,
        ...(loginName.includes('@') ? { email: loginName } : {}),
      }
      return { accountId: uid, claims: async () => claims }
    },
    interactions: { url: (_ctx, { uid }) => `${mountPath}/sign-in/${uid}` },
    renderError: async (ctx, out) => sendPage(ctx, errorPage(out, ctx.status)),
    features: {
      devInteractions: { enabled: false },
      dPoP: { enabled: false },
      pushedAuthorizationRequests: { enabled: false },
      resourceIndicators: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true, allowedPolicy: mayIntrospect },
      revocation: { enabled: true, allowedPolicy: isOwn },
      userinfo: { enabled: true },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: async (ctx) => sendPage(ctx, signOutPage(formOf(ctx, 'end_session_confirm'))),
        postLogoutSuccessSource: async (ctx) => sendPage(ctx, signedOutPage),
      },
      deviceFlow: {
        enabled: true,
        charset: 'base-20',
        mask: '****-****',
        deviceInfo: (ctx) => ({
          address: requestContext().remoteAddress,
          program: ctx.get('user-agent').slice(0, 100),
        }),
        userCodeInputSource: async (ctx, _form, _out, error) =>
          sendPage(
            ctx,
            deviceCodePage({
              ...formOf(ctx, 'code_verification'),
              userCode: requestContext().userCode,
              error,
            }),
          ),
        userCodeConfirmSource: async (ctx, _form, client, deviceInfo, userCode) =>
          sendPage(
            ctx,
            deviceConfirmPage({
              ...formOf(ctx, 'code_verification'),
              userCode,
              clientName: client.clientName ?? client.clientId,
              deviceInfo,
            }),
          ),
        successSource: async (ctx) => sendPage(ctx, deviceDonePage),
      },
    },
  }
}

const isOwn = async (
  _ctx: KoaContextWithOIDC,
  client: { readonly clientId: string },
  token: { readonly clientId?: string | undefined },
): Promise<boolean> => token.clientId === client.clientId

/** A service that proves itself may look at a token that somebody showed it (RFC 7662 §2.1). */
const mayIntrospect: typeof isOwn = async (ctx, client, token) =>
  ctx.oidc.client?.tokenEndpointAuthMethod !== 'none' || isOwn(ctx, client, token)

/** Where a form of the provider goes, and the token that it must bring. */
export interface ProviderForm {
  readonly action: string
  readonly token: string
}

function formOf(ctx: KoaContextWithOIDC, route: string): ProviderForm {
  const { secret } = (ctx.oidc.session?.state ?? {}) as { secret?: unknown }
  if (typeof secret !== 'string') throw new errors.SessionNotFound('the session has no form')
  return { action: ctx.oidc.urlFor(route), token: secret }
}
