/** Every grant of the issuer with good and bad input, over HTTP and a real catalog. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { Browser, challengeOf, newVerifier, openSignIn, signIn } from './browser.ts'
import { type IssuerUnderTest, ownersPassword, startIssuerUnderTest } from './issuer-under-test.ts'

let server: IssuerUnderTest

beforeAll(async () => {
  server = await startIssuerUnderTest()
})
afterAll(() => server?.dispose())
afterEach(() => {
  vi.useRealTimers()
})

const account = { login: 'owner@example.com', password: ownersPassword }

/** Only the calendar: timers go on. */
const laterBy = (milliseconds: number): void => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + milliseconds })
}

async function token(
  fields: Readonly<Record<string, string>> | URLSearchParams,
  headers: Record<string, string> = {},
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers as clients do, by field name
): Promise<{ status: number; body: any; headers: Headers }> {
  const response = await fetch(`${server.base}/oidc/v1/token`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(fields as Record<string, string>),
  })
  return { status: response.status, body: await response.json(), headers: response.headers }
}

const basic = (id: string, secret: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
})

/** One that signs in once, so that not every test pays for a password. */
const regular = new Browser()

async function getCode(request: Record<string, string | undefined> = {}, browser = regular) {
  const verifier = newVerifier()
  const answer = await signIn(
    browser,
    server.base,
    { code_challenge: challengeOf(verifier), ...request },
    account,
  )
  const target = new URL(answer.location ?? 'about:blank')
  return { verifier, code: target.searchParams.get('code') ?? '', target, answer, browser }
}

const redeem = (code: string, verifier: string, extra: Record<string, string> = {}) =>
  token({
    grant_type: 'authorization_code',
    code,
    code_verifier: verifier,
    client_id: 'databricks-cli',
    redirect_uri: 'http://localhost:8020',
    ...extra,
  })

const refresh = (refreshToken: string, extra: Record<string, string> = {}) =>
  token({
    grant_type: 'refresh_token',
    refresh_token: refreshToken,
    client_id: 'databricks-cli',
    ...extra,
  })

async function signedIn() {
  const { code, verifier } = await getCode()
  const { body, status } = await redeem(code, verifier)
  expect(status).toBe(200)
  return body as { access_token: string; refresh_token: string; expires_in: number }
}

describe('client credentials', () => {
  const request = { grant_type: 'client_credentials', scope: 'all-apis' }

  test('in the Basic header give an access token for an hour, which the API takes', async () => {
    const { status, body, headers } = await token(
      request,
      basic(server.robot.loginName, server.robotSecret),
    )
    expect(status).toBe(200)
    expect(body).toEqual({
      access_token: expect.any(String),
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'all-apis',
    })
    expect(headers.get('cache-control')).toBe('no-store')
    expect(await server.me(body.access_token)).toMatchObject({
      status: 200,
      body: { userName: server.robot.loginName },
    })
  })

  test('in the form do as well', async () => {
    const { status } = await token({
      ...request,
      client_id: server.robot.loginName,
      client_secret: server.robotSecret,
    })
    expect(status).toBe(200)
  })

  test('may be percent-encoded in the header, as the RFC asks', async () => {
    const everything = [...server.robot.loginName]
      .map((character) => `%${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
      .join('')
    const header = `Basic ${Buffer.from(`${everything}:${server.robotSecret}`).toString('base64')}`
    expect((await token(request, { authorization: header })).status).toBe(200)
  })

  test.each([
    ['a wrong secret', () => basic(server.robot.loginName, `${server.robotSecret}x`), 401],
    [
      'an unknown client',
      () => basic('1b7c1f6e-1111-4222-8333-444455556666', server.robotSecret),
      401,
    ],
    ['a user as the client', () => basic('owner@example.com', ownersPassword), 401],
    ['no client', () => ({}), 400],
    ['rubbish in the header', () => ({ authorization: 'Basic %%%' }), 400],
  ])('with %s are refused', async (_, headers, status) => {
    const answer = await token(request, headers())
    expect(answer.status).toBe(status)
    expect(answer.body).toMatchObject({
      error: expect.stringMatching(/^invalid_(client|request)$/),
    })
    expect(JSON.stringify(answer.body)).not.toContain(server.robotSecret)
  })

  test('of a public client are refused: it has nothing to prove itself by', async () => {
    const { status, body } = await token({ ...request, client_id: 'databricks-cli' })
    expect(status).toBe(400)
    expect(body.error).toMatch(/invalid_request|unauthorized_client/)
  })

  test('end with their service principal, and so does what they gave', async () => {
    const robot = await server.identity('SERVICE_PRINCIPAL', '5b7c1f6e-1111-4222-8333-444455556666')
    const secret = await server.secretOf(robot)
    const { body } = await token(request, basic(robot.loginName, secret))
    expect((await server.me(body.access_token)).status).toBe(200)
    await server.catalog.identities.remove(robot.uid)
    expect((await server.me(body.access_token)).status).toBe(401)
    expect((await token(request, basic(robot.loginName, secret))).status).toBe(401)
  })

  test('deleted, they end what they gave, and nothing that another one gave', async () => {
    const { robot } = server
    const [kept, dropped] = [server.robotSecret, await server.secretOf(robot)]
    const of = async (secret: string): Promise<string> =>
      (await token(request, basic(robot.loginName, secret))).body.access_token
    const [ofKept, ofDropped] = [await of(kept), await of(dropped)]
    expect((await server.me(ofDropped)).status).toBe(200)
    const secrets = await server.catalog.clientSecrets.list(robot.uid)
    const last = secrets.at(-1)?.secretId ?? ''
    expect(await server.catalog.clientSecrets.remove(robot.uid, last)).toBe(true)
    expect((await server.me(ofDropped)).status).toBe(401)
    expect((await server.me(ofKept)).status).toBe(200)
    expect((await token(request, basic(robot.loginName, dropped))).status).toBe(401)
  })

  test('for another scope than ours give nothing of it', async () => {
    const { body } = await token(
      { ...request, scope: 'offline_access' },
      basic(server.robot.loginName, server.robotSecret),
    )
    expect(body.error).toBe('invalid_scope')
  })
})

describe('authorization code with PKCE', () => {
  test('gives tokens that the API takes, and the state comes back', async () => {
    const { code, verifier, target } = await getCode()
    expect(target.origin).toBe('http://localhost:8020')
    expect(target.searchParams.get('state')).toBe('xyz')
    expect(target.searchParams.get('iss')).toBe(`${server.base}/oidc`)
    const { status, body } = await redeem(code, verifier)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      token_type: 'Bearer',
      expires_in: 3600,
      refresh_token: expect.any(String),
      scope: expect.stringContaining('all-apis'),
    })
    expect((await server.me(body.access_token)).body).toMatchObject({ userName: account.login })
  })

  test.each([
    'http://localhost:8020',
    'http://localhost:8040',
    'http://127.0.0.1:8031',
    'http://localhost:8020/',
  ])('databricks-cli may listen at %s', async (redirectUri) => {
    const { code } = await getCode({ redirect_uri: redirectUri })
    expect(code).not.toBe('')
  })

  test.each([
    'http://localhost:8019',
    'http://localhost:8041',
    'http://localhost',
    'https://localhost:8020',
    'http://localhost:8020/elsewhere',
    'http://localhost:8020?x=y',
    'http://localhost.evil.example:8020',
    'http://localhost@evil.example:8020',
    'http://evil.example:8020',
    'http://evil.example#http://localhost:8020',
    '//evil.example',
    'javascript:alert(1)',
    '',
  ])('never leads to %j', async (redirectUri) => {
    const browser = new Browser()
    const answer = await openSignIn(browser, server.base, {
      redirect_uri: redirectUri,
      code_challenge: challengeOf(newVerifier()),
    })
    expect(answer.status).toBe(400)
    expect(answer.location).toBeUndefined()
    expect(answer.text).not.toContain('<form')
  })

  test('our own command line may listen at any port, at one path', async () => {
    const good = await getCode({
      client_id: 'lakelet-cli',
      redirect_uri: 'http://127.0.0.1:49152/callback',
    })
    expect(good.target.host).toBe('127.0.0.1:49152')
    const bad = await openSignIn(new Browser(), server.base, {
      client_id: 'lakelet-cli',
      redirect_uri: 'http://127.0.0.1:49152/else',
      code_challenge: challengeOf(newVerifier()),
    })
    expect(bad.status).toBe(400)
  })

  test('the console is a page of this server and nothing else', async () => {
    const challenge = { client_id: 'lakelet-console', code_challenge: challengeOf(newVerifier()) }
    const redirect_uri = `${server.base}/console/callback`
    const good = await openSignIn(new Browser(), server.base, { ...challenge, redirect_uri })
    expect(good.text).toContain('Lakelet console')
    const { port } = new URL(server.base)
    const other = `http://127.0.0.1:${Number(port) + 1}/console/callback`
    const bad = await openSignIn(new Browser(), server.base, { ...challenge, redirect_uri: other })
    expect(bad.status).toBe(400)
  })

  test.each([
    ['an unknown client', { client_id: 'nobody' }],
    ['a service principal as the client', { client_id: '0b7c1f6e-1111-4222-8333-444455556666' }],
  ])('for %s begins nothing', async (_, request) => {
    const answer = await openSignIn(new Browser(), server.base, {
      ...request,
      code_challenge: challengeOf(newVerifier()),
    })
    expect(answer.status).toBe(400)
    expect(answer.location).toBeUndefined()
  })

  test.each([
    ['without a challenge', { code_challenge: undefined, code_challenge_method: undefined }],
    ['with the method plain', { code_challenge: newVerifier(), code_challenge_method: 'plain' }],
    [
      'with a challenge and no method',
      { code_challenge: challengeOf(newVerifier()), code_challenge_method: undefined },
    ],
    [
      'for an implicit grant',
      { code_challenge: challengeOf(newVerifier()), response_type: 'token' },
    ],
  ])('%s ends at the program, with an error', async (_, request) => {
    const { target } = await getCode(request)
    expect(target.origin).toBe('http://localhost:8020')
    expect(target.searchParams.get('code')).toBeNull()
    expect(target.searchParams.get('error') ?? target.hash).toMatch(
      /invalid_request|unsupported_response_type/,
    )
  })

  test('a wrong verifier gets nothing, and says so', async () => {
    const { code, verifier } = await getCode()
    const wrong = await redeem(code, newVerifier())
    expect(wrong.status).toBe(400)
    expect(wrong.body).toMatchObject({
      error: 'invalid_grant',
      error_description: expect.stringContaining('code_verifier does not match'),
    })
    const none = await redeem(code, verifier, { code_verifier: '' })
    expect(none.status).toBe(400)
  })

  test.each([
    ['another redirect address', { redirect_uri: 'http://localhost:8021' }],
    ['another client', { client_id: 'lakelet-cli' }],
    ['no client', { client_id: '' }],
  ])('a code is no good for %s', async (_, extra) => {
    const { code, verifier } = await getCode()
    const { status } = await redeem(code, verifier, extra)
    expect(status).toBeGreaterThanOrEqual(400)
  })

  test('a code that comes twice ends what the first time gave', async () => {
    const { code, verifier } = await getCode()
    const first = await redeem(code, verifier)
    expect((await server.me(first.body.access_token)).status).toBe(200)
    const second = await redeem(code, verifier)
    expect(second.status).toBe(400)
    expect(second.body.error).toBe('invalid_grant')
    expect((await server.me(first.body.access_token)).status).toBe(401)
    expect((await refresh(first.body.refresh_token)).status).toBe(400)
  })

  test('a code that comes twenty times at once works at most once', async () => {
    const { code, verifier } = await getCode()
    const answers = await Promise.all(Array.from({ length: 20 }, () => redeem(code, verifier)))
    const won = answers.filter(({ status }) => status === 200)
    expect(won.length).toBeLessThanOrEqual(1)
    for (const { body } of won) expect((await server.me(body.access_token)).status).toBe(401)
  })

  test('a code is over after a minute', async () => {
    const { code, verifier } = await getCode()
    laterBy(61_000)
    const { status, body } = await redeem(code, verifier)
    expect(status).toBe(400)
    expect(body.error_description).toContain('expired')
  })

  test('without offline_access there is no refresh token', async () => {
    const { code, verifier } = await getCode({ scope: 'all-apis' })
    const { body } = await redeem(code, verifier)
    expect(body.refresh_token).toBeUndefined()
    expect((await server.me(body.access_token)).status).toBe(200)
  })

  test('an ID token says who, and is no access token', async () => {
    const { code, verifier } = await getCode({ scope: 'openid email profile all-apis' })
    const { body } = await redeem(code, verifier)
    const claims = JSON.parse(Buffer.from(body.id_token.split('.')[1], 'base64url').toString())
    expect(claims).toMatchObject({
      iss: `${server.base}/oidc`,
      sub: server.owner.uid,
      aud: 'databricks-cli',
      email: account.login,
    })
    const { status, body: refusal } = await server.me(body.id_token)
    expect(status).toBe(401)
    expect(refusal.message).toContain('ID token')
  })
})

describe('refresh tokens', () => {
  test('are followed by a new one, and the old one is dead', async () => {
    const first = await signedIn()
    const second = await refresh(first.refresh_token)
    expect(second.status).toBe(200)
    expect(second.body.refresh_token).not.toBe(first.refresh_token)
    expect((await server.me(second.body.access_token)).status).toBe(200)
  })

  test('that come twice end the whole family', async () => {
    const first = await signedIn()
    const second = await refresh(first.refresh_token)
    const again = await refresh(first.refresh_token)
    expect(again.status).toBe(400)
    expect(again.body).toEqual({
      error: 'invalid_grant',
      error_description: 'Refresh token is invalid',
    })
    expect((await refresh(second.body.refresh_token)).body.error_description).toBe(
      'Refresh token is invalid',
    )
    expect((await server.me(second.body.access_token)).status).toBe(401)
  })

  test('that come ten times at once leave nothing but refusals and one winner, who is out as well', async () => {
    const first = await signedIn()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => refresh(first.refresh_token)),
    )
    const won = answers.filter(({ status }) => status === 200)
    expect(won.length).toBeLessThanOrEqual(1)
    for (const { body } of won) expect((await server.me(body.access_token)).status).toBe(401)
  })

  test.each([
    ['unknown', 'x'.repeat(43)],
    ['empty text', ' '],
    ['very long', 'x'.repeat(20_000)],
  ])('that are %s have the text that programs look for', async (_, text) => {
    const { status, body } = await refresh(text)
    expect(status).toBe(400)
    expect(body.error_description).toBe('Refresh token is invalid')
  })

  test('of another client are refused and stay good for their own', async () => {
    const { refresh_token } = await signedIn()
    expect((await refresh(refresh_token, { client_id: 'lakelet-cli' })).status).toBe(400)
    expect((await refresh(refresh_token)).status).toBe(200)
  })

  test('end a month after they were last used', async () => {
    const { refresh_token } = await signedIn()
    laterBy(29 * 86_400_000)
    const next = await refresh(refresh_token)
    expect(next.status).toBe(200)
    laterBy(31 * 86_400_000)
    expect((await refresh(next.body.refresh_token)).body.error_description).toBe(
      'Refresh token is invalid',
    )
  })

  test('do not outlive their identity', async () => {
    const jane = await server.identity('USER', 'jane@example.com')
    await server.setPassword(jane, 'a boat made of paper')
    const verifier = newVerifier()
    const answer = await signIn(
      new Browser(),
      server.base,
      { code_challenge: challengeOf(verifier) },
      { login: 'jane@example.com', password: 'a boat made of paper' },
    )
    const code = new URL(answer.location ?? '').searchParams.get('code') ?? ''
    const { body } = await redeem(code, verifier)
    await server.catalog.identities.remove(jane.uid)
    expect((await refresh(body.refresh_token)).body.error_description).toBe(
      'Refresh token is invalid',
    )
    expect((await server.me(body.access_token)).status).toBe(401)
  })
})

describe('access tokens', () => {
  test('that expired say when', async () => {
    const { access_token } = await signedIn()
    laterBy(3_601_000)
    const { status, body } = await server.me(access_token)
    expect(status).toBe(401)
    expect(body.message).toMatch(/expired at 20\d\d-/)
  })

  test('that were revoked are gone at once, with their refresh token', async () => {
    const { access_token, refresh_token } = await signedIn()
    const revoked = await fetch(`${server.base}/oidc/v1/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: refresh_token, client_id: 'databricks-cli' }),
    })
    expect(revoked.status).toBe(200)
    expect((await server.me(access_token)).status).toBe(401)
    expect((await refresh(refresh_token)).status).toBe(400)
  })

  test('of others cannot be revoked by a client', async () => {
    const { access_token } = await signedIn()
    await fetch(`${server.base}/oidc/v1/revoke`, {
      method: 'POST',
      body: new URLSearchParams({ token: access_token, client_id: 'lakelet-cli' }),
    })
    expect((await server.me(access_token)).status).toBe(200)
  })

  test('are introspected by those who hold them', async () => {
    const { access_token } = await signedIn()
    const ask = async (text: string) => {
      const response = await fetch(`${server.base}/oidc/v1/introspect`, {
        method: 'POST',
        body: new URLSearchParams({ token: text, client_id: 'databricks-cli' }),
      })
      return response.json()
    }
    expect(await ask(access_token)).toMatchObject({ active: true, sub: server.owner.uid })
    expect(await ask('nonsense')).toEqual({ active: false })
  })

  const jwt = (header: object, payload: object) =>
    [header, payload]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .concat('c2ln')
      .join('.')

  test.each([
    [
      'of another issuer',
      () => jwt({ alg: 'RS256' }, { iss: 'https://else.example' }),
      'another issuer',
    ],
    [
      'without a signature',
      () => jwt({ alg: 'none' }, { iss: `${server.base}/oidc` }),
      'alg "none"',
    ],
    [
      'that only claim to be ours',
      () => jwt({ alg: 'ES256' }, { iss: `${server.base}/oidc` }),
      'forged',
    ],
    ['with a space', () => 'two words', 'space'],
    ['that nobody made', () => 'x'.repeat(43), 'unknown'],
    ['of the personal kind that nobody made', () => `dapi${'0'.repeat(64)}`, 'unknown'],
    ['without end', () => 'x'.repeat(9000), 'too long'],
  ])('%s are refused with words of their own', async (_, make, words) => {
    const { status, body } = await server.me(make())
    expect(status).toBe(401)
    expect(body.error_code).toBe('UNAUTHENTICATED')
    expect(body.message).toContain(words)
    expect(body.message).toContain('lakelet auth login')
  })

  test('a database credential is told apart from them', async () => {
    const credential = await server.tokens.sign({
      subject: account.login,
      audience: 'ep-x',
      scope: 'postgres:read',
      branch: 'projects/p/branches/b',
      endpoint: 'projects/p/branches/b/endpoints/e',
      tables: undefined,
      group: undefined,
      tokenId: 'x',
      issuedAt: Date.now() as never,
      expiresAt: (Date.now() + 60_000) as never,
    })
    expect((await server.me(credential.reveal())).body.message).toContain('database credential')
  })

  test('leave no secret in the catalog', async () => {
    const { access_token, refresh_token } = await signedIn()
    const rows = await server.database.sql('select * from oauth_records')
    const text = JSON.stringify(rows)
    expect(rows.length).toBeGreaterThan(3)
    for (const secret of [access_token, refresh_token, account.login]) {
      expect(text).not.toContain(secret)
    }
  })
})

describe('the token endpoint', () => {
  test.each([
    [
      'an unknown grant',
      { grant_type: 'password', username: 'x', password: 'y' },
      'unsupported_grant_type',
    ],
    ['no grant', {}, 'invalid_request'],
  ])('refuses %s', async (_, fields, error) => {
    const { status, body } = await token({ ...fields, client_id: 'databricks-cli' })
    expect(status).toBe(400)
    expect(body.error).toBe(error)
  })

  test('refuses the same field twice', async () => {
    const fields = new URLSearchParams(
      'grant_type=refresh_token&grant_type=client_credentials&client_id=databricks-cli',
    )
    const response = await fetch(`${server.base}/oidc/v1/token`, { method: 'POST', body: fields })
    expect(response.status).toBe(400)
  })

  test('refuses a huge body before it has read it', async () => {
    const response = await fetch(`${server.base}/oidc/v1/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: `grant_type=refresh_token&refresh_token=${'x'.repeat(2_000_000)}`,
    }).catch((error: unknown) => error)
    // Either the answer arrives, or the connection is cut while we are still sending.
    if (response instanceof Response) expect(response.status).toBe(400)
    expect((await server.me(server.ownerToken)).status).toBe(200)
  })

  test('refuses JSON', async () => {
    const response = await fetch(`${server.base}/oidc/v1/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"grant_type":"client_credentials"}',
    })
    expect(response.status).toBe(400)
  })

  test('other paths and methods are not there', async () => {
    for (const [method, path] of [
      ['GET', '/oidc/v1/token'],
      ['GET', '/oidc/nothing'],
      ['GET', '/oidc/../api/2.0/preview/scim/v2/Me'],
      ['POST', '/oidc/v1/authorize'],
    ] as const) {
      const response = await fetch(`${server.base}${path}`, { method })
      expect([401, 404]).toContain(response.status)
    }
  })
})
