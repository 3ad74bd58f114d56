/** Small pure tables: LSNs, expiration, suspension, compute units, refusals. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { days, epochMs, millis, minutes, seconds } from '../lib/time.ts'
import { cuProblem, maxConnections } from './cu.ts'
import { type Expiration, expireTimeOf } from './expiration.ts'
import { codes } from './fault-codes.ts'
import { Fault, type Reason, reasons } from './faults.ts'
import { formatLsn, lsn, parseLsn } from './lsn.ts'
import { type AwakeEndpoint, planSuspend } from './plan-suspend.ts'

describe('LSNs', () => {
  test('what is printed is read back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), (value) => {
        expect(parseLsn(formatLsn(lsn(value)))).toBe(value)
      }),
    )
  })
  test('the form is Postgres’s own', () => {
    expect(formatLsn(lsn(0x16_b374_d848n))).toBe('16/B374D848')
    expect(parseLsn('0/16B3748')).toBe(0x16b3748n)
    for (const wrong of ['', '0', '0/', '/0', 'g/0', '0/123456789', '0/0 ']) {
      expect(parseLsn(wrong)).toBeUndefined()
    }
  })
})

describe('the end of a branch', () => {
  const now = epochMs(1_000_000_000)
  const rules = { createTime: now, now, maximum: days(30) }
  const refusal = (expiration: Expiration, over = rules): string => {
    try {
      return String(expireTimeOf(expiration, over))
    } catch (error) {
      return error instanceof Fault ? error.reason : 'crash'
    }
  }
  test.each<[string, Expiration, string]>([
    ['never', { kind: 'never' }, 'undefined'],
    ['6 hours', { kind: 'ttl', ttl: millis(21_600_000) }, String(now + 21_600_000)],
    ['exactly 30 days', { kind: 'ttl', ttl: days(30) }, String(now + days(30))],
    ['31 days', { kind: 'ttl', ttl: days(31) }, 'EXPIRATION_TOO_FAR'],
    ['0', { kind: 'ttl', ttl: millis(0) }, 'EXPIRATION_INVALID'],
    ['negative', { kind: 'ttl', ttl: seconds(-60) }, 'EXPIRATION_INVALID'],
    ['a past moment', { kind: 'at', time: epochMs(now - 1) }, 'EXPIRATION_INVALID'],
    ['now', { kind: 'at', time: now }, 'EXPIRATION_INVALID'],
    ['too far a moment', { kind: 'at', time: epochMs(now + days(31)) }, 'EXPIRATION_TOO_FAR'],
  ])('%s', (_, expiration, expected) => {
    expect(refusal(expiration)).toBe(expected)
  })
  test('a ttl counts from creation also on an update, the maximum from now', () => {
    const later = { ...rules, now: epochMs(now + days(29)) }
    expect(refusal({ kind: 'ttl', ttl: days(50) }, later)).toBe(String(now + days(50)))
    expect(refusal({ kind: 'ttl', ttl: days(1) }, later)).toBe('EXPIRATION_INVALID')
  })
})

describe('when an endpoint goes to sleep', () => {
  const now = epochMs(10_000_000)
  const idle: AwakeEndpoint = {
    isDisabled: false,
    suspendTimeout: minutes(5),
    awakeSince: epochMs(now - minutes(10)),
    busy: 0,
    lastActive: undefined,
  }
  test.each<[string, Partial<AwakeEndpoint>, string]>([
    ['idle since it woke', {}, 'suspend'],
    ['a transaction runs', { busy: 1 }, 'wait'],
    ['a query ended a minute ago', { lastActive: epochMs(now - minutes(1)) }, 'wait'],
    ['a query ended six minutes ago', { lastActive: epochMs(now - minutes(6)) }, 'suspend'],
    ['just woken', { awakeSince: now }, 'wait'],
    ['never suspended', { suspendTimeout: undefined }, 'nothing'],
    ['disabled', { isDisabled: true, busy: 3 }, 'suspend'],
  ])('%s', (_, change, expected) => {
    expect(planSuspend({ ...idle, ...change }, now).do).toBe(expected)
  })
  test('a wait ends when the time may be up', () => {
    expect(planSuspend({ ...idle, lastActive: epochMs(now - minutes(1)) }, now)).toEqual({
      do: 'wait',
      until: now + minutes(4),
    })
  })
})

describe('compute units', () => {
  test.each([
    [0.5, 104],
    [1, 209],
    [4, 839],
    [8, 1678],
    [16, 3357],
    [32, 4000],
    [64, 4000],
  ])('%d CU take %d connections', (cu, expected) => {
    expect(maxConnections(cu)).toBe(expected)
  })
  test('limits that do not fit together are named', () => {
    expect(cuProblem(0.5, 2)).toBeUndefined()
    expect(cuProblem(0.25, 2)).toContain('at least 0.5')
    expect(cuProblem(4, 2)).toContain('must not be below')
    expect(cuProblem(1, 18)).toContain('at most 16 above')
    expect(cuProblem(60, 65)).toContain('limit_max_cu must be at most 64')
    expect(cuProblem(65, 65)).toContain('limit_min_cu must be at most 64')
  })
})

describe('the registry of refusals', () => {
  const all = Object.keys(reasons) as Reason[]
  test('every reason has a known code', () => {
    for (const reason of all) expect(codes[new Fault(reason).code]).toBeGreaterThanOrEqual(400)
  })
  test('what is not self-explanatory says what to do', () => {
    const silent = all.filter((reason) => new Fault(reason).next === undefined)
    // These say it in the sentence itself, or nothing can be done by the client.
    expect(silent.sort()).toEqual([
      'API_UNKNOWN',
      'ENDING',
      'FIELD_INVALID',
      'FIELD_REQUIRED',
      'HANDSHAKE_TIMEOUT',
      'IDENTITY_EXISTS',
      'PROTOCOL_UNSUPPORTED',
      'PROTOCOL_VIOLATION',
      'REQUEST_UNREADABLE',
      'SOURCE_OTHER_PROJECT',
    ])
  })
  test('words that programs take for a lost login appear in no other text', () => {
    for (const reason of all) {
      const fault = new Fault(reason)
      if (fault.code !== 'UNAUTHENTICATED') expect(fault.text).not.toMatch(/\b401\b|unauthorized/i)
    }
  })
})
