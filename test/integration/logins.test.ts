/** Tokens and passwords that must not log in, with what the client reads; and those that must. */
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exportSPKI, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { layoutOf } from '../../src/domain/layout.ts'
import { before, after as later, minutes, seconds, systemClock } from '../../src/lib/time.ts'
import type { CredentialClaims, Tokens } from '../../src/ports/tokens.ts'
import { openTokens } from '../../src/tokens/tokens.ts'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
let tokens: Tokens
let owner: string
const store = 'projects/store'
const production = `${store}/branches/production`

beforeAll(async () => {
  server = await TestServer.start()
  tokens = await signer()
  owner = (await server.api('GET', '/api/2.0/preview/scim/v2/Me')).body.userName
  await server.write('POST', `${store}/branches?branch_id=dev`, { spec: { ttl: '1h' } })
})
afterAll(async () => {
  await server?.dispose()
})
/** Whatever was refused before, the owner comes in; that also forgives the failures counted. */
afterEach(async () => {
  expect((await server.sql(production, 'select 1 as one')).rows).toEqual([{ one: 1 }])
})

/** The server's own keys and words. */
const signer = () =>
  openTokens({
    layout: layoutOf(server.stateDir),
    issuer: `${server.apiUrl}/oidc`,
    clock: systemClock,
  })

/** Claims of a credential that is good, to be bent by each test. */
async function goodClaims(branch = production): Promise<CredentialClaims> {
  const verified = await tokens.verify(await server.credential(branch))
  if (verified.kind !== 'valid') throw new Error(`our own token is ${verified.kind}`)
  return verified.claims
}

interface Refused {
  readonly code: string
  readonly message: string
  readonly hint: string | undefined
}

async function refused(
  credential: string,
  { branch = production, user = owner }: { branch?: string; user?: string } = {},
): Promise<Refused> {
  try {
    const client = await server.connect(branch, { credential, user })
    await client.end()
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error
    const { code = '', message, hint } = error
    return { code, message, hint }
  }
  throw new Error('the login was let in')
}

const notAuthenticated = {
  code: '28P01',
  message: expect.stringMatching(/password authentication failed for user/),
  hint: expect.stringMatching(/generate-database-credential/),
}

describe('a token', () => {
  test('that has expired says so (row 25)', async () => {
    const now = systemClock.now()
    const issuedAt = before(now, minutes(61))
    const claims = { ...(await goodClaims()), issuedAt, expiresAt: later(issuedAt, minutes(60)) }
    expect(await refused((await tokens.sign(claims)).reveal())).toEqual({
      code: '28P01',
      message: expect.stringMatching(/the token has expired/),
      hint: expect.stringMatching(/Get a new one/),
    })
  })

  test('lets in until its second is over, and not after it', async () => {
    const claims = { ...(await goodClaims()), expiresAt: later(systemClock.now(), seconds(3)) }
    const token = (await tokens.sign(claims)).reveal()
    const client = await server.connect(production, { credential: token })
    const end = Math.floor(claims.expiresAt / 1000) * 1000
    await systemClock.sleep(seconds(Math.max(0, (end - Date.now()) / 1000) + 0.1))
    expect((await refused(token)).message).toMatch(/expired/)
    // Expiry is checked at login: who is in stays in.
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await client.end()
  })

  test('for another endpoint says so', async () => {
    const other = await server.credential(`${store}/branches/dev`)
    expect(await refused(other)).toEqual({
      code: '28P01',
      message: expect.stringMatching(/belongs to another endpoint/),
      hint: expect.stringMatching(/for this endpoint/),
    })
  })

  test('of one identity does not log in as another role', async () => {
    await server.identity('someone@example.com', 'CAN_MANAGE')
    const token = await server.credential(production)
    for (const user of [
      'someone@example.com',
      'cloud_admin',
      'postgres',
      'nobody',
      owner.toUpperCase(),
    ]) {
      expect(await refused(token, { user })).toMatchObject({
        code: '28000',
        message: expect.stringMatching(/may not log in as role/),
        hint: expect.stringContaining(`Set the user name of the connection to "${owner}"`),
      })
    }
  }, 30_000)

  test('that nobody signed, or somebody else did, is a wrong password', async () => {
    const claims = await goodClaims()
    const payload = {
      scope: claims.scope,
      branch: claims.branch,
      endpoint: claims.endpoint,
    }
    const [jwk] = (await tokens.jwks()).keys
    const header = { alg: 'ES256', kid: String(jwk?.kid), typ: 'lakelet-credential+jwt' }
    const bare = <T extends SignJWT | UnsecuredJWT>(token: T): T =>
      token
        .setIssuer(`${server.apiUrl}/oidc`)
        .setSubject(claims.subject)
        .setAudience(claims.audience)
        .setJti('a-made-up-one')
        .setIssuedAt()
        .setExpirationTime('1h') as T
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const publicKey = await importJWK(jwk ?? {}, 'ES256', { extractable: true })
    if (publicKey instanceof Uint8Array) throw new Error('not an elliptic curve key')
    const asSecret = new TextEncoder().encode(await exportSPKI(publicKey))
    const own = new SignJWT(payload).setProtectedHeader(header)
    const forged = {
      'alg none': bare(new UnsecuredJWT(payload)).encode(),
      'another key under our key id': await bare(own).sign(privateKey),
      'our public key as a shared secret': await bare(
        new SignJWT(payload).setProtectedHeader({ ...header, alg: 'HS256' }),
      ).sign(asSecret),
    }
    for (const [what, token] of Object.entries(forged)) {
      expect(await refused(token), what).toEqual(notAuthenticated)
    }
  })

  test('of another issuer, changed on the way, cut short or no token at all likewise', async () => {
    const elsewhere = await openTokens({
      layout: layoutOf(server.stateDir),
      issuer: 'https://elsewhere.test',
      clock: systemClock,
    })
    const claims = await goodClaims()
    const good = (await tokens.sign({ ...claims, scope: 'postgres:read' })).reveal()
    const [head = '', body = '', signature = ''] = good.split('.')
    const wider = Buffer.from(
      Buffer.from(body, 'base64url').toString().replace('postgres:read', 'postgres:ddl'),
    ).toString('base64url')
    const bad = [
      (await elsewhere.sign(claims)).reveal(),
      [head, wider, signature].join('.'),
      good.slice(0, -1),
      server.token, // the access token of the API is no password
      'x'.repeat(60_000),
    ]
    for (const token of bad) expect(await refused(token)).toEqual(notAuthenticated)
  }, 30_000)

  test('that is wrong wakes nothing', async () => {
    await disable(production, true)
    await disable(production, false)
    await refused('no token')
    const { body } = await server.api('GET', `/api/2.0/postgres/${production}/endpoints/primary`)
    expect(body.status.current_state).toBe('IDLE')
  })

  test('of a deleted identity lets nobody in', async () => {
    const access = await server.identity('leaver@example.com', 'CAN_MANAGE')
    const credential = await server.credential(production, access)
    const user = 'leaver@example.com'
    await (await server.connect(production, { credential, user })).end()
    const { body } = await server.api(
      'GET',
      `/api/2.0/preview/scim/v2/Users?filter=${encodeURIComponent(`userName eq "${user}"`)}`,
    )
    const gone = await server.api(
      'DELETE',
      `/api/2.0/preview/scim/v2/Users/${body.Resources[0].id}`,
    )
    expect(gone.status).toBe(204)
    expect(await refused(credential, { user })).toEqual(notAuthenticated)
    const asked = await server.api('GET', '/api/2.0/postgres/projects', undefined, {
      token: access,
    })
    expect(asked.status).toBe(401)
  })

  test('is worth what its identity may do now, here and on a fork', async () => {
    const user = 'mover@example.com'
    const access = await server.identity(user, 'CAN_MANAGE')
    const credential = await server.credential(production, access)
    const run = async (branch: string, sql: string, password = credential) => {
      const client = await server.connect(branch, { credential: password, user })
      try {
        await client.query(sql)
      } finally {
        await client.end()
      }
    }
    await run(production, 'create table made_as_manager (n int)')
    const setLevel = (level: string | undefined) =>
      server.api('PUT', '/api/2.0/permissions/database-projects/store', {
        access_control_list:
          level === undefined ? [] : [{ user_name: user, permission_level: level }],
      })
    await setLevel('CAN_USE')
    await expect(run(production, 'create table made_later (n int)')).rejects.toThrow(
      /permission denied/,
    )
    await expect(run(production, 'drop table made_as_manager')).rejects.toThrow(/must be owner/)
    const fork = await server.write('POST', `${store}/branches?branch_id=moved`, {
      spec: { ttl: '1h' },
    })
    const onFork = await server.credential(fork.name, access)
    await expect(run(fork.name, 'drop table made_as_manager', onFork)).rejects.toThrow(
      /must be owner/,
    )
    await setLevel(undefined)
    expect(await refused(credential, { user })).toEqual(notAuthenticated)
    await setLevel('CAN_MANAGE')
    await run(production, 'drop table made_as_manager')
    await server.write('DELETE', `${fork.name}?purge=true`)
  }, 30_000)

  test('to read only is one also as the first login of an identity', async () => {
    const access = await server.identity('reader@example.com', 'CAN_MANAGE')
    const credential = await server.credential(production, access, {
      claims: [{ permission_set: 'READ_ONLY' }],
    })
    await server.sql(production, 'create table to_read (n int); insert into to_read values (1)')
    const client = await server.connect(production, { credential, user: 'reader@example.com' })
    expect((await client.query('select n from to_read')).rows).toEqual([{ n: 1 }])
    await expect(client.query('insert into to_read values (2)')).rejects.toThrow()
    await client.end()
    await server.sql(production, 'drop table to_read')
  })

  test('outlives a restart of the server', async () => {
    const credential = await server.credential(production)
    const keys = () =>
      readFileSync(join(server.stateDir, 'keys/credential-signing-keys.json'), 'utf8')
    const held = keys()
    await server.stop()
    await server.launch()
    expect(keys()).toBe(held)
    await (await server.connect(production, { credential })).end()
  })
})

describe('the lifetime of a credential', () => {
  const ask = (more: object) =>
    server.api('POST', '/api/2.0/postgres/credentials', {
      endpoint: `${production}/endpoints/primary`,
      ...more,
    })

  test.each([299, 3601, 0, -300, 86_400])('is not %s s', async (ttl) => {
    const { status, body } = await ask({ ttl: `${ttl}s` })
    expect(status).toBe(400)
    expect(body.message).toMatch(/between 5 minutes and 1 hour.*Send ttl as seconds/)
  })

  test.each([300, 3600])('may be %s s', async (ttl) => {
    const { status, body } = await ask({ ttl: `${ttl}s` })
    expect(status).toBe(200)
    const verified = await tokens.verify(body.token)
    if (verified.kind !== 'valid') throw new Error(verified.kind)
    expect(verified.claims.expiresAt - verified.claims.issuedAt).toBe(ttl * 1000)
    expect(Date.parse(body.expire_time)).toBeGreaterThanOrEqual(verified.claims.expiresAt)
  })

  test('is not said twice, and the endpoint is named in full', async () => {
    const twice = await ask({ ttl: '600s', expire_time: '2099-01-01T00:00:00Z' })
    expect(twice.body.message).toMatch(/Only one of/)
    const short = await server.api('POST', '/api/2.0/postgres/credentials', {
      endpoint: production,
    })
    expect(short.body.message).toMatch(/a branch name is not enough/)
  })
})

const disable = (branch: string, disabled: boolean) =>
  server.write('PATCH', `${branch}/endpoints/primary?update_mask=spec.disabled`, {
    spec: { disabled },
  })

describe('a password', () => {
  const user = 'app_role'
  const password = 'pencil-ünïcode'
  const nativeLogin = (on: boolean) =>
    server.write('PATCH', `${store}?update_mask=spec.enable_pg_native_login`, {
      spec: { enable_pg_native_login: on },
    })
  const whoami = async (branch: string, secret = password) => {
    const client = await server.connect(branch, { credential: secret, user })
    try {
      return (await client.query('select current_user as me')).rows
    } finally {
      await client.end()
    }
  }
  const me = [{ me: user }]

  test('is refused in words while the project does not allow it (row 27)', async () => {
    await server.sql(production, `create role ${user} login password '${password}'`)
    expect(await refused(password, { user })).toEqual({
      code: '28000',
      message: 'native postgres login is disabled for this endpoint',
      hint: expect.stringMatching(/spec\.enable_pg_native_login: true/),
    })
    expect(await refused(password, { user: 'no_such_role' })).toEqual(notAuthenticated)
  })

  test('logs in once it is allowed: awake, asleep, and on a fork made before or after', async () => {
    const early = await server.write('POST', `${store}/branches?branch_id=early`, {
      spec: { ttl: '1h' },
    })
    await nativeLogin(true)
    expect(await whoami(production)).toEqual(me)
    expect(await whoami(early.name)).toEqual(me)
    await disable(production, true)
    expect(await refused(password, { user })).toMatchObject({
      code: '08004',
      message: 'endpoint is disabled',
      hint: expect.stringMatching(/disabled: false/),
    })
    await disable(production, false)
    const late = await server.write('POST', `${store}/branches?branch_id=late`, {
      spec: { ttl: '1h' },
    })
    expect(await whoami(late.name)).toEqual(me) // a fork of a branch that sleeps
    expect(await whoami(production)).toEqual(me) // which sleeps until now
    for (const { name } of [early, late]) await server.write('DELETE', `${name}?purge=true`)
  }, 30_000)

  test('that is wrong, old or of a role without one is refused', async () => {
    expect(await refused('wrong', { user })).toEqual(notAuthenticated)
    await server.sql(production, `alter role ${user} password 'changed'`)
    expect(await refused(password, { user })).toEqual(notAuthenticated)
    expect(await whoami(production, 'changed')).toEqual(me)
    await disable(production, true)
    await disable(production, false)
    expect(await refused(password, { user })).toEqual(notAuthenticated)
    expect(await whoami(production, 'changed')).toEqual(me)
    expect(await refused('anything', { user: 'cloud_admin' })).toEqual(notAuthenticated)
    await server.sql(production, `alter role ${user} password '${password}'`)
  }, 30_000)

  test('survives a restart of the server, and a kill of it', async () => {
    await server.stop()
    await server.launch()
    expect(await whoami(production)).toEqual(me)
    await server.kill()
    await server.launch()
    expect(await whoami(production)).toEqual(me)
  }, 60_000)

  test('does not keep tokens from logging in, and ends when it is no longer allowed', async () => {
    await (await server.connect(production)).end()
    await nativeLogin(false)
    expect((await refused(password, { user })).message).toMatch(/native postgres login is disabled/)
    await server.sql(production, `drop role ${user}`)
    expect(await refused(password, { user })).toEqual(notAuthenticated)
  })
})

test('no secret is in a log', async () => {
  const credential = await server.credential(production)
  await (await server.connect(production, { credential })).end()
  await refused('a-secret-that-nobody-may-read')
  const logs = ['server.log', 'gateway.log']
    .map((name) => readFileSync(join(server.stateDir, 'log', name), 'utf8'))
    .join('\n')
  for (const secret of [credential, server.token, 'a-secret-that-nobody-may-read', 'pencil-']) {
    expect(logs.includes(secret)).toBe(false)
  }
})
