/**
 * The issuer and the API on a real port over a real catalog, in this process, so that tests can move
 * the calendar: `vi.setSystemTime` moves it for the issuer, the provider and the actions alike.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueAccessToken, verifyClientSecret } from '../../src/actions/access-tokens.ts'
import type { Actions, Caller } from '../../src/actions/actions.ts'
import { type AuditNotes, auditNotes } from '../../src/actions/audit-notes.ts'
import { authenticate } from '../../src/actions/authenticate.ts'
import { getMe, insertIdentity } from '../../src/actions/identities.ts'
import { createSetupLink, createSignIn, issueSetupLink } from '../../src/actions/sign-in.ts'
import { createApi } from '../../src/api/create-api.ts'
import { serveApi } from '../../src/api/listen.ts'
import type { Identity, IdentityKind } from '../../src/domain/identity.ts'
import { layoutOf } from '../../src/domain/layout.ts'
import { Secret } from '../../src/lib/secret.ts'
import { systemClock } from '../../src/lib/time.ts'
import { createIssuer, type Issuer } from '../../src/oauth/issuer.ts'
import type { TrustedIssuer } from '../../src/oauth/trusted-issuers.ts'
import type { Catalog } from '../../src/ports/catalog.ts'
import { openOAuthSecrets } from '../../src/tokens/oauth-secrets.ts'
import { type OpenTokens, openTokens } from '../../src/tokens/tokens.ts'
import { freePort } from '../fixtures/server.ts'
import { startTestCatalog, type TestCatalog } from '../fixtures/test-catalog.ts'

export const ownersPassword = 'three otters under the pier'

export interface IssuerUnderTest {
  readonly base: string
  readonly catalog: Catalog
  readonly database: TestCatalog
  readonly tokens: OpenTokens
  readonly issuer: Issuer
  readonly owner: Identity
  readonly ownerToken: string
  /** A service principal with a secret. */
  readonly robot: Identity
  readonly robotSecret: string
  identity(kind: IdentityKind, loginName: string): Promise<Identity>
  secretOf(principal: Identity): Promise<string>
  /** What follows `/oidc/setup/`. */
  linkFor(identity: Identity): Promise<string>
  setPassword(identity: Identity, password: string): Promise<void>
  readonly notes: AuditNotes
  /** Status and body of the API's `Me` with this token. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers as clients do, by field name
  me(token: string): Promise<{ readonly status: number; readonly body: any }>
  dispose(): Promise<void>
}

export async function startIssuerUnderTest(
  options: { readonly trustedIssuers?: readonly TrustedIssuer[]; readonly publicUrl?: string } = {},
): Promise<IssuerUnderTest> {
  const database = await startTestCatalog()
  const catalog = await database.open()
  const root = mkdtempSync(join(tmpdir(), 'lk-oauth-'))
  const layout = layoutOf(root)
  const clock = systemClock
  const { log } = database
  log.level = 'silent'
  const port = await freePort()
  const base = `http://127.0.0.1:${port}`
  const address = { apiUrl: base, publicUrl: options.publicUrl }
  const tokens = await openTokens({ layout, issuer: `${base}/oidc`, clock })
  const services = { catalog, clock, tokens }
  const notes = auditNotes({ catalog, clock, log })
  const signIn = createSignIn({
    catalog,
    clock,
    auditNotes: notes,
    verifyClientSecret: (id, secret) => verifyClientSecret(services, id, secret),
  })
  const issuer = createIssuer({
    ...address,
    ...(await openOAuthSecrets(layout, clock)),
    signIn,
    keys: tokens.privateKeys(),
    trustedIssuers: options.trustedIssuers ?? [],
    workspaceId: catalog.workspaceId,
    clock,
    log,
  })
  const actions: Partial<Actions> = {
    authenticate: (token) => authenticate(services, token),
    getMe: (caller) => getMe(services, caller),
    createSetupLink: (caller: Caller, login) => createSetupLink(services, caller, login),
  }
  const app = createApi({
    actions: actions as Actions, // the tests ask for nothing else
    workspaceId: catalog.workspaceId,
    status: async () => ({}),
    apiUrl: () => base,
    publicUrl: options.publicUrl,
    log,
    version: '0',
  })
  const server = await serveApi(app, { host: '127.0.0.1', port }, [
    { prefix: '/oidc/', handle: (request, response) => issuer.handle(request, response) },
  ])

  const identity = (kind: IdentityKind, loginName: string, isAdmin = false) =>
    insertIdentity(services, { kind, loginName, displayName: loginName, isAdmin })
  const secretOf = async (principal: Identity) => {
    const { createClientSecret } = await import('../../src/actions/access-tokens.ts')
    const caller: Caller = { identity: owner, userAgent: 'test', requestId: 'test' }
    const { secret } = await createClientSecret(services, caller, principal.uid, {})
    return secret.reveal()
  }
  const linkFor = async (who: Identity) => (await issueSetupLink(services, who)).token.reveal()
  const setPassword = async (who: Identity, password: string) => {
    const origin = { remoteAddress: '127.0.0.1', userAgent: 'test', requestId: 'test' }
    await signIn.redeemLink(new Secret(await linkFor(who)), new Secret(password), origin)
  }
  const owner = await identity('USER', 'owner@example.com', true)
  const { token } = await issueAccessToken(services, owner, { comment: 'test' })
  const robot = await identity('SERVICE_PRINCIPAL', '0b7c1f6e-1111-4222-8333-444455556666')
  const robotSecret = await secretOf(robot)
  await setPassword(owner, ownersPassword)
  return {
    base,
    catalog,
    database,
    tokens,
    issuer,
    owner,
    notes,
    ownerToken: token.reveal(),
    robot,
    robotSecret,
    identity,
    secretOf,
    linkFor,
    setPassword,
    async me(bearer) {
      const response = await fetch(`${base}/api/2.0/preview/scim/v2/Me`, {
        headers: { authorization: `Bearer ${bearer}` },
      })
      return { status: response.status, body: await response.json() }
    },
    async dispose() {
      await server.close()
      await notes.settle({ isLast: true })
      await database.dispose()
      rmSync(root, { recursive: true, force: true })
    },
  }
}
