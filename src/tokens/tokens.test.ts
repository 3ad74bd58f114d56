/** Credentials: what we sign verifies, and nothing else does. */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Layout, layoutOf } from '../domain/layout.ts'
import { after, type Clock, epochMs, hours, seconds, systemClock } from '../lib/time.ts'
import type { CredentialClaims, Tokens } from '../ports/tokens.ts'
import { openTokens } from './tokens.ts'

const issuer = 'https://lakelet.test'
let layout: Layout
let tokens: Tokens
let moment = epochMs(Date.parse('2026-11-23T12:00:00Z'))
const clock: Clock = { ...systemClock, now: () => moment }

const claims: CredentialClaims = {
  subject: 'ada@example.com',
  audience: 'ep-green-field',
  scope: 'postgres:ddl postgres:write postgres:read',
  branch: 'projects/shop/branches/main',
  endpoint: 'projects/shop/branches/main/endpoints/primary',
  tables: undefined,
  group: undefined,
  tokenId: 'c0ffee',
  issuedAt: moment,
  expiresAt: after(moment, hours(1)),
}

beforeAll(async () => {
  layout = layoutOf(await mkdtemp(join(tmpdir(), 'lakelet-tokens-')))
  tokens = await openTokens({ layout, issuer, clock })
})
afterAll(() => rm(layout.root, { recursive: true, force: true }))

describe('tokens', () => {
  test('a signed credential verifies with its claims', async () => {
    const token = (await tokens.sign(claims)).reveal()
    expect(await tokens.verify(token)).toEqual({ kind: 'valid', claims })
    const narrowed = { ...claims, tables: ['public.orders'] }
    const second = (await tokens.sign(narrowed)).reveal()
    expect(await tokens.verify(second)).toEqual({ kind: 'valid', claims: narrowed })
  })

  test('a credential whose time is over is expired, and still tells whose it was', async () => {
    const token = (await tokens.sign(claims)).reveal()
    const before = moment
    moment = after(claims.expiresAt, seconds(1))
    expect(await tokens.verify(token)).toEqual({ kind: 'expired', claims })
    moment = before
  })

  test('the keys survive a restart and are readable by their owner alone', async () => {
    const token = (await tokens.sign(claims)).reveal()
    const again = await openTokens({ layout, issuer, clock })
    expect(await again.verify(token)).toMatchObject({ kind: 'valid' })
    const file = await stat(join(layout.keys, 'credential-signing-keys.json'))
    expect(file.mode & 0o777).toBe(0o600)
    expect((await stat(layout.keys)).mode & 0o777).toBe(0o700)
  })

  test('the published set holds no private part', async () => {
    const { keys } = await tokens.jwks()
    expect(keys).toHaveLength(1)
    expect(Object.keys(keys[0] ?? {}).sort()).toEqual(['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'])
  })

  test('another issuer, another key and no signature are invalid', async () => {
    const other = await openTokens({ layout, issuer: 'https://else.test', clock })
    const fromOther = (await other.sign(claims)).reveal()
    expect(await tokens.verify(fromOther)).toEqual({ kind: 'invalid' })

    const kid = String((await tokens.jwks()).keys[0]?.kid)
    const typ = 'lakelet-credential+jwt'
    const expiry = Math.floor(claims.expiresAt / 1000)
    const { privateKey } = await generateKeyPair('ES256')
    for (const header of [{ kid }, { kid: 'unknown' }, {}]) {
      const forged = await new SignJWT({ sub: 'eve', aud: 'ep' })
        .setProtectedHeader({ alg: 'ES256', typ, ...header })
        .setIssuer(issuer)
        .setExpirationTime(expiry)
        .sign(privateKey)
      expect(await tokens.verify(forged)).toEqual({ kind: 'invalid' })
    }
    const unsigned = new UnsecuredJWT({ sub: 'eve' }).setIssuer(issuer).encode()
    expect(await tokens.verify(unsigned)).toEqual({ kind: 'invalid' })

    // The public key as the secret of a symmetric algorithm: the classical confusion.
    const jwk = (await tokens.jwks()).keys[0]
    const confused = await new SignJWT({ sub: 'eve' })
      .setProtectedHeader({ alg: 'HS256', kid, typ })
      .setIssuer(issuer)
      .setExpirationTime(expiry)
      .sign(new TextEncoder().encode(JSON.stringify(jwk).padEnd(32)))
    expect(await tokens.verify(confused)).toEqual({ kind: 'invalid' })
  })

  test('a changed character anywhere makes it invalid', async () => {
    const token = (await tokens.sign(claims)).reveal()
    for (let at = 0; at < token.length - 1; at += 13) {
      const changed = `${token.slice(0, at)}${token[at] === 'A' ? 'B' : 'A'}${token.slice(at + 1)}`
      expect(await tokens.verify(changed)).toEqual({ kind: 'invalid' })
    }
    for (const noise of ['', 'x', 'a.b.c', `${token}.x`, 'x'.repeat(60_000)]) {
      expect(await tokens.verify(noise)).toEqual({ kind: 'invalid' })
    }
  })

  test('a key file that cannot be read is a failure, not a reason for new keys', async () => {
    const broken = layoutOf(await mkdtemp(join(tmpdir(), 'lakelet-tokens-')))
    await openTokens({ layout: broken, issuer, clock })
    await writeFile(join(broken.keys, 'credential-signing-keys.json'), '{"keys":[]}')
    await expect(openTokens({ layout: broken, issuer, clock })).rejects.toThrow('holds no keys')
    await rm(broken.root, { recursive: true })
  })
})
