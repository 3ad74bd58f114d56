/**
 * What clients ask before anything else, without a token: which workspace this is and where its
 * OpenID documents are. Both name the host that the client dialled, which is the one it can reach.
 */
import { z } from 'zod'
import { ok, type Route, route } from './route.ts'

export interface WellKnownOptions {
  /** Digits: Terraform needs a number. */
  readonly workspaceId: string
  /** Base URL of the API for clients that send no usable `Host`. */
  readonly apiUrl: () => string
  /** `iss` of our tokens, when it is not `{base}/oidc`. */
  readonly issuer: string | undefined
  readonly jwks: () => Promise<unknown>
}

const workspace = z
  .strictObject({
    oidc_endpoint: z.url(),
    workspace_id: z.string().regex(/^\d+$/).meta({ description: 'The same for ever.' }),
  })
  .meta({ id: 'Workspace' })

// What more there is, RFC 8414 and OpenID Connect Discovery say.
const serverMetadata = z
  .looseObject({
    issuer: z.url(),
    authorization_endpoint: z.url(),
    token_endpoint: z.url(),
    jwks_uri: z.url(),
    response_types_supported: z.array(z.string()),
    code_challenge_methods_supported: z.array(z.string()),
  })
  .meta({ id: 'OAuthServerMetadata' })

const keySet = z
  .strictObject({ keys: z.array(z.looseObject({ kty: z.string(), kid: z.string() })) })
  .meta({ id: 'JsonWebKeySet', description: 'RFC 7517.' })

const oauthError = z
  .strictObject({ error: z.string(), error_description: z.string().optional() })
  .meta({ id: 'OAuthError', description: 'RFC 6749, section 5.2.' })

export const wellKnownRoutes = (options: WellKnownOptions): readonly Route[] => {
  const { workspaceId, apiUrl, issuer, jwks } = options
  const oidcOf = (host: string | undefined): string => `${baseUrl(apiUrl(), host)}/oidc`
  const metadata = (host: string | undefined) => {
    const oidc = oidcOf(host)
    return {
      issuer: issuer ?? oidc,
      authorization_endpoint: `${oidc}/v1/authorize`,
      token_endpoint: `${oidc}/v1/token`,
      jwks_uri: `${oidc}/jwks.json`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    }
  }
  return [
    route({
      method: 'GET',
      path: '/.well-known/databricks-config',
      summary: 'Workspace discovery',
      operationId: 'getDatabricksConfig',
      tag: 'OAuth',
      reply: { 200: workspace },
      access: 'public',
      handle: ({ host }) => ok({ oidc_endpoint: oidcOf(host), workspace_id: workspaceId }),
    }),
    ...(['oauth-authorization-server', 'openid-configuration'] as const).map((document) =>
      route({
        method: 'GET',
        path: `/oidc/.well-known/${document}`,
        summary: 'OAuth server metadata',
        operationId:
          document === 'openid-configuration' ? 'getOpenIdConfiguration' : 'getOAuthMetadata',
        tag: 'OAuth',
        reply: { 200: serverMetadata },
        access: 'public',
        handle: ({ host }) => ok(metadata(host)),
      }),
    ),
    route({
      method: 'GET',
      path: '/oidc/jwks.json',
      summary: 'Public signing keys',
      operationId: 'getJwks',
      tag: 'OAuth',
      reply: { 200: keySet },
      access: 'public',
      handle: async () => ok(await jwks(), { 'cache-control': 'public, max-age=300' }),
    }),
    route({
      method: 'POST',
      path: '/oidc/v1/token',
      summary: 'OAuth token (RFC 6749)',
      operationId: 'getOAuthToken',
      tag: 'OAuth',
      reply: { 400: oauthError },
      access: 'public',
      handle: () => ({
        status: 400,
        headers: { pragma: 'no-cache' }, // RFC 6749 §5.2 asks for it beside no-store
        body: { error: 'unsupported_grant_type', error_description: noOAuth },
      }),
    }),
    route({
      method: 'GET',
      path: '/oidc/v1/authorize',
      summary: 'OAuth authorization (RFC 6749)',
      operationId: 'authorize',
      tag: 'OAuth',
      reply: { 400: oauthError },
      access: 'public',
      handle: () => ({
        status: 400,
        body: { error: 'unsupported_response_type', error_description: noOAuth },
      }),
    }),
  ]
}

const noOAuth =
  'OAuth clients are not available here yet. Use a personal access token: set DATABRICKS_TOKEN.'

/** The scheme is the server's own knowledge; the host is the client's. */
function baseUrl(apiUrl: string, host: string | undefined): string {
  const configured = apiUrl.replace(/\/+$/, '')
  return host === undefined ? configured : `${new URL(configured).protocol}//${host}`
}
