/** Token exchange (RFC 8693) with an issuer of tests, whose keys and discovery document are real. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { readTrustedIssuers } from '../../src/oauth/trusted-issuers.ts'
import { type IssuerUnderTest, startIssuerUnderTest } from './issuer-under-test.ts'

interface TestIssuer {
  readonly url: string
  readonly fetched: string[]
  sign(claims: Record<string, unknown>, options?: SignOptions): Promise<string>
  /** From now on another key signs. */
  rotate(): Promise<void>
  close(): Promise<void>
}

interface SignOptions {
  readonly audience?: string
  readonly issuer?: string
  readonly expires?: string
  readonly key?: CryptoKey
}

async function startTestIssuer(): Promise<TestIssuer> {
  let pair = await generateKeyPair('RS256')
  let kid = 1
  const fetched: string[] = []
  const server = createServer(async (request, response) => {
    const path = request.url ?? ''
    fetched.push(path)
    const bodies: Record<string, unknown> = {
      '/realm/.well-known/openid-configuration': {
        issuer: `${url}/realm`,
        jwks_uri: `${url}/keys`,
      },
      '/liar/.well-known/openid-configuration': { issuer: `${url}/realm`, jwks_uri: `${url}/keys` },
      '/keys': {
        keys: [{ ...(await exportJWK(pair.publicKey)), kid: `k${kid}`, alg: 'RS256', use: 'sig' }],
      },
    }
    const body = bodies[path]
    response.writeHead(body === undefined ? 404 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify(body ?? {}))
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    fetched,
    sign: (claims, { audience = 'lakelet', issuer = `${url}/realm`, expires = '5m', key } = {}) =>
      new SignJWT({ sub: 'repo:acme/store', ...claims })
        .setProtectedHeader({ alg: 'RS256', kid: `k${kid}` })
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt()
        .setExpirationTime(expires)
        .sign(key ?? pair.privateKey),
    async rotate() {
      pair = await generateKeyPair('RS256')
      kid += 1
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

const robotId = '0b7c1f6e-1111-4222-8333-444455556666'
let issuer: TestIssuer
let server: IssuerUnderTest

beforeAll(async () => {
  issuer = await startTestIssuer()
  const audience = 'lakelet'
  server = await startIssuerUnderTest({
    trustedIssuers: readTrustedIssuers(
      JSON.stringify([
        {
          issuer: `${issuer.url}/realm`,
          audience,
          rules: [
            { claims: { repository: 'acme/store', ref: 'refs/heads/*' }, identity: robotId },
            {
              claims: { email: 'owner@example.com', email_verified: 'true' },
              identity: 'owner@example.com',
            },
            { claims: { repository: 'acme/ghost' }, identity: 'ghost@example.com' },
          ],
        },
        {
          issuer: `${issuer.url}/liar`,
          audience,
          rules: [{ claims: { sub: '*' }, identity: robotId }],
        },
        {
          issuer: `${issuer.url}/gone`,
          audience,
          rules: [{ claims: { sub: '*' }, identity: robotId }],
        },
      ]),
    ),
  })
})
afterAll(async () => {
  await server?.dispose()
  await issuer?.close()
})

const good = { repository: 'acme/store', ref: 'refs/heads/main' }

async function exchange(
  subject: string,
  extra: Record<string, string> = {},
  headers: Record<string, string> = {},
) {
  const response = await fetch(`${server.base}/oidc/v1/token`, {
    method: 'POST',
    headers,
    body: new URLSearchParams({
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
      subject_token: subject,
      scope: 'all-apis',
      ...extra,
    }),
  })
  // biome-ignore lint/suspicious/noExplicitAny: tests read answers as clients do, by field name
  return { status: response.status, body: (await response.json()) as any }
}

describe('a token of a trusted issuer', () => {
  test('is exchanged for one of ours, of the identity that a rule names', async () => {
    const { status, body } = await exchange(await issuer.sign(good))
    expect(body).toEqual({
      access_token: expect.any(String),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'Bearer',
      expires_in: 3600,
      scope: 'all-apis',
    })
    expect(status).toBe(200)
    expect((await server.me(body.access_token)).body.userName).toBe(robotId)
  })

  test.each([
    ['as an ID token', { subject_token_type: 'urn:ietf:params:oauth:token-type:id_token' }],
    ['by a service principal that it names without a secret', { client_id: robotId }],
    ['with an empty secret, as the Python SDK sends it', { client_id: robotId, client_secret: '' }],
    ['with an audience', { audience: 'lakelet' }],
  ])('is taken %s', async (_, extra) => {
    const { status, body } = await exchange(await issuer.sign(good), extra)
    expect(status).toBe(200)
    expect((await server.me(body.access_token)).body.userName).toBe(robotId)
  })

  test('of a person is that user', async () => {
    const { body } = await exchange(
      await issuer.sign({ email: 'owner@example.com', email_verified: true }),
    )
    expect((await server.me(body.access_token)).body.userName).toBe('owner@example.com')
  })

  test('is taken from a service principal that proves itself, and for itself alone', async () => {
    const header = `Basic ${Buffer.from(`${robotId}:${server.robotSecret}`).toString('base64')}`
    const own = await exchange(await issuer.sign(good), {}, { authorization: header })
    expect(own.status).toBe(200)
    const other = await exchange(
      await issuer.sign({ email: 'owner@example.com', email_verified: true }),
      {},
      { authorization: header },
    )
    expect(other.status).toBe(400)
  })

  test('ends with its identity', async () => {
    const { body } = await exchange(await issuer.sign(good))
    await server.database.sql('update identities set is_active = false where login_name = $1', [
      robotId,
    ])
    expect((await server.me(body.access_token)).status).toBe(401)
    expect((await exchange(await issuer.sign(good))).status).toBe(400)
    await server.database.sql('update identities set is_active = true where login_name = $1', [
      robotId,
    ])
  })

  test('is asked about at its issuer once, not for every exchange', async () => {
    const before = issuer.fetched.length
    for (let times = 0; times < 5; times += 1) await exchange(await issuer.sign(good))
    expect(issuer.fetched.length).toBe(before)
  })
})

describe('refused, with the reason', () => {
  const hmac = () =>
    new SignJWT({ ...good, sub: 'x' })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer(`${issuer.url}/realm`)
      .setAudience('lakelet')
      .setExpirationTime('5m')
      .sign(new TextEncoder().encode('a secret that is long enough for it'))
  const bare = () =>
    new UnsecuredJWT({ ...good, sub: 'x' })
      .setIssuer(`${issuer.url}/realm`)
      .setAudience('lakelet')
      .setExpirationTime('5m')
      .encode()

  test.each<[string, () => Promise<string> | string, string]>([
    [
      'another issuer',
      () => issuer.sign(good, { issuer: 'https://else.example' }),
      'issuer is not trusted',
    ],
    ['another audience', () => issuer.sign(good, { audience: 'else' }), 'another audience'],
    ['an expired one', () => issuer.sign(good, { expires: '-5m' }), 'has expired'],
    [
      'one of the future',
      async () => issuer.sign({ ...good, nbf: Math.floor(Date.now() / 1000) + 600 }),
      '"nbf"',
    ],
    [
      'another repository',
      () => issuer.sign({ ...good, repository: 'acme/other' }),
      'no rule fits',
    ],
    ['a tag', () => issuer.sign({ ...good, ref: 'refs/tags/v1' }), 'no rule fits'],
    [
      'a repository whose name begins like it',
      () => issuer.sign({ ...good, repository: 'acme/store2' }),
      'no rule fits',
    ],
    [
      'a claim that is a list',
      () => issuer.sign({ ...good, repository: ['acme/store'] }),
      'no rule fits',
    ],
    [
      'an e-mail that nobody verified',
      () => issuer.sign({ email: 'owner@example.com', email_verified: false }),
      'no rule fits',
    ],
    [
      'an identity that is not here',
      () => issuer.sign({ repository: 'acme/ghost' }),
      'is not here',
    ],
    [
      'another key',
      async () => issuer.sign(good, { key: (await generateKeyPair('RS256')).privateKey }),
      'signature',
    ],
    ['no signature', bare, 'algorithm'],
    ['a symmetric signature', hmac, 'algorithm'],
    ['no JWT', () => 'nonsense', 'not a JWT'],
    [
      'an issuer whose document is of another',
      () => issuer.sign(good, { issuer: `${issuer.url}/liar` }),
      'cannot be fetched',
    ],
    [
      'an issuer without a document',
      () => issuer.sign(good, { issuer: `${issuer.url}/gone` }),
      'cannot be fetched',
    ],
  ])('%s', async (_, make, words) => {
    const subject = await make()
    const { status, body } = await exchange(subject)
    expect(status).toBe(400)
    expect(body.error).toBe('invalid_request')
    expect(body.error_description).toContain(words)
    expect(body.error_description).toContain('trusted-issuers')
    expect(JSON.stringify(body)).not.toContain(subject)
  })

  test.each([
    ['no subject', { subject_token: '' }, 'no subject_token'],
    [
      'another kind of subject',
      { subject_token_type: 'urn:ietf:params:oauth:token-type:saml2' },
      'subject_token_type',
    ],
    [
      'another kind of answer',
      { requested_token_type: 'urn:ietf:params:oauth:token-type:refresh_token' },
      'only an access token',
    ],
    ['an actor', { actor_token: 'x' }, 'actor_token'],
    [
      'a client that no rule is for',
      { client_id: '5b7c1f6e-1111-4222-8333-444455556666' },
      'client id',
    ],
  ])('%s', async (_, extra, words) => {
    const { status, body } = await exchange(await issuer.sign(good), extra)
    expect(status).toBe(400)
    expect(body.error_description).toContain(words)
  })

  test('a wrong secret is not the same as none', async () => {
    const answer = await exchange(await issuer.sign(good), {
      client_id: robotId,
      client_secret: 'x',
    })
    expect(answer.status).toBe(401)
  })
})

test('a new key of the issuer is found by itself', async () => {
  await issuer.rotate()
  const { body } = await exchange(await issuer.sign(good))
  // Keys are asked for again at most every half minute: refused until then, never taken unseen.
  expect(body.access_token ?? body.error_description).toMatch(/^[\w-]{43}$|signature/)
})

describe('the file of trusted issuers', () => {
  const entry = {
    issuer: 'https://x.example',
    audience: 'a',
    rules: [{ claims: { sub: 'x' }, identity: 'i' }],
  }

  test('is read', () => {
    expect(readTrustedIssuers(JSON.stringify([entry]))).toEqual([entry])
  })

  test.each([
    ['no JSON', '{', 'not JSON'],
    ['http to elsewhere', JSON.stringify([{ ...entry, issuer: 'http://x.example' }]), 'https'],
    ['no rules', JSON.stringify([{ ...entry, rules: [] }]), 'rules'],
    [
      'a rule that fits everybody',
      JSON.stringify([{ ...entry, rules: [{ claims: {}, identity: 'i' }] }]),
      'at least one claim',
    ],
    ['a mistyped key', JSON.stringify([{ ...entry, audiences: 'x' }]), 'audiences'],
  ])('is refused: %s', (_, text, words) => {
    expect(() => readTrustedIssuers(text)).toThrow(words)
  })
})
