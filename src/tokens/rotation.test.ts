import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { layoutOf } from '../domain/layout.ts'
import { type Clock, days, epochMs, millis, seconds } from '../lib/time.ts'
import { openOAuthSecrets } from './oauth-secrets.ts'
import { planRotation, signingRule } from './rotation.ts'
import { openTokens } from './tokens.ts'

const roots: string[] = []
afterEach(() => {
  for (const root of roots.splice(0)) rmSync(root, { recursive: true })
})

function world() {
  const root = mkdtempSync(join(tmpdir(), 'lk-rotation-'))
  roots.push(root)
  let now = 1_800_000_000_000
  const clock: Clock = {
    now: () => epochMs(now),
    monotonic: () => millis(now),
    sleep: () => Promise.resolve(),
  }
  const pass = (length: number) => {
    now += length
  }
  return { layout: layoutOf(root), clock, pass, keys: join(root, 'keys') }
}

describe('the plan', () => {
  const at = (day: number) => epochMs(days(day))
  test.each([
    ['no key yet', [], 0, true, 0],
    ['a young one', [0], 89, false, 1],
    ['one whose time is over', [0], 90, true, 1],
    ['its predecessor, while credentials of it live', [90, 0], 91, false, 2],
    ['its predecessor, afterwards', [90, 0], 92, false, 1],
    ['after a year without a start', [90, 0], 455, true, 1],
  ])('%s', (_, made, now, isDue, keep) => {
    expect(planRotation(made.map(at), at(now), signingRule)).toEqual({ isDue, keep })
  })
})

test('a new key signs, the old one verifies what is in circulation, then it goes', async () => {
  const { layout, clock, pass } = world()
  const tokens = await openTokens({ layout, issuer: 'https://x.example/oidc', clock })
  const sign = () =>
    tokens.sign({
      subject: 's',
      audience: 'a',
      scope: 'postgres:read',
      branch: 'b',
      endpoint: 'e',
      tables: undefined,
      group: undefined,
      tokenId: 't',
      issuedAt: clock.now(),
      expiresAt: epochMs(clock.now() + days(1)),
    })
  expect(await tokens.rotate()).toBe(false)
  pass(days(90) - seconds(1))
  const old = await sign()
  pass(seconds(1))
  expect(await tokens.rotate()).toBe(true)
  expect((await tokens.jwks()).keys).toHaveLength(2)
  expect((await tokens.verify(old.reveal())).kind).toBe('valid')
  expect((await tokens.verify((await sign()).reveal())).kind).toBe('valid')
  const again = await openTokens({ layout, issuer: 'https://x.example/oidc', clock })
  expect(await again.jwks()).toEqual(await tokens.jwks())
  expect(again.privateKeys()).toHaveLength(2)
  expect(JSON.stringify(await again.jwks())).not.toContain('"d"')
  pass(days(2))
  expect(await tokens.rotate()).toBe(true)
  expect((await tokens.jwks()).keys).toHaveLength(1)
  expect((await tokens.verify(old.reveal())).kind).toBe('invalid')
})

test('secrets of the issuer are made once, renewed, and read by nobody else', async () => {
  const { layout, clock, pass, keys } = world()
  const first = await openOAuthSecrets(layout, clock)
  expect(await openOAuthSecrets(layout, clock)).toEqual(first)
  expect(statSync(join(keys, 'oauth-secrets.json')).mode & 0o777).toBe(0o600)
  expect(first.sealingKeys[0]?.key).toHaveLength(32)
  expect(first.cookieKeys[0]).not.toBe(
    Buffer.from(first.sealingKeys[0]?.key ?? []).toString('base64url'),
  )
  pass(days(90))
  const second = await openOAuthSecrets(layout, clock)
  expect(second.sealingKeys).toHaveLength(2)
  expect(second.sealingKeys[1]).toEqual(first.sealingKeys[0])
  pass(days(200))
  expect((await openOAuthSecrets(layout, clock)).sealingKeys).toHaveLength(2)
  expect(readFileSync(join(keys, 'oauth-secrets.json'), 'utf8')).not.toContain(
    first.sealingKeys[0]?.id,
  )
})
