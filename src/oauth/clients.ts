/**
 * Who may ask for tokens. Programs that people run are public clients with PKCE, whose secret would be
 * none; service principals have secrets. First-party clients act for whoever signs in, so they need
 * no page that asks for consent.
 */
import type { ClientMetadata } from 'oidc-provider'

export const grants = {
  code: 'authorization_code',
  refresh: 'refresh_token',
  device: 'urn:ietf:params:oauth:grant-type:device_code',
  client: 'client_credentials',
  exchange: 'urn:ietf:params:oauth:grant-type:token-exchange',
} as const

/** For token exchanges that name no client, or a service principal without its secret. */
export const federationClient = 'lakelet-federation'

const everyScope = 'openid profile email offline_access all-apis'

const firstParty: ClientMetadata = {
  client_id: '',
  application_type: 'native',
  token_endpoint_auth_method: 'none',
  grant_types: [grants.code, grants.refresh, grants.device],
  response_types: ['code'],
  response_modes: ['query'],
  scope: everyScope,
}

/** A native program listens on a loopback port of its choice (RFC 8252 §7.3). */
const loopback = (...paths: readonly string[]): string[] =>
  ['localhost', '127.0.0.1', '[::1]'].flatMap((host) =>
    paths.map((path) => `http://${host}${path}`),
  )

export const firstPartyClients = (consoleRedirects: readonly string[]): ClientMetadata[] => [
  {
    ...firstParty,
    client_id: 'databricks-cli',
    client_name: 'Databricks command line and SDKs',
    redirect_uris: loopback('', '/'),
  },
  {
    ...firstParty,
    client_id: 'lakelet-cli',
    client_name: 'Lakelet command line',
    redirect_uris: loopback('/callback'),
  },
  {
    ...firstParty,
    client_id: 'lakelet-console',
    client_name: 'Lakelet console',
    grant_types: [grants.code, grants.refresh],
    redirect_uris: [...consoleRedirects],
  },
  {
    client_id: federationClient,
    client_name: 'Token exchange',
    token_endpoint_auth_method: 'none',
    grant_types: [grants.exchange],
    response_types: [],
    redirect_uris: [],
    scope: 'all-apis',
  },
]

export const servicePrincipalClient = (applicationId: string): ClientMetadata => ({
  client_id: applicationId,
  client_secret: 'kept by the service principal', // never compared: see `compareClientSecret`
  token_endpoint_auth_method: 'client_secret_basic',
  grant_types: [grants.client, grants.exchange],
  response_types: [],
  redirect_uris: [],
  scope: 'all-apis',
})

/**
 * `lakelet-console` is a page of this very server, so its address is exact. The Databricks clients
 * listen between 8020 and 8040 and nowhere else; ours wherever there is room.
 */
export function mayRedirectTo(
  {
    clientId,
    redirectUris,
  }: { readonly clientId: string; readonly redirectUris: readonly string[] },
  uri: string,
): boolean {
  const port = URL.canParse(uri) ? Number(new URL(uri).port) : 0
  switch (clientId) {
    case 'databricks-cli':
      return port >= 8020 && port <= 8040
    case 'lakelet-cli':
      return port > 0
    default:
      return redirectUris.includes(uri)
  }
}
