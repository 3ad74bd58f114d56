import { describe, expect, test } from 'vitest'
import { days, hours, minutes } from '../lib/time.ts'
import type { IdentityUid } from './names.ts'
import { checkRules, type TtlRule, ttlBounds } from './ttl-policy.ts'

const [ann, bots] = ['ann' as IdentityUid, 'bots' as IdentityUid]
const rule = (match: string, changes: Partial<TtlRule> = {}): TtlRule => ({
  match,
  default: undefined,
  maximum: undefined,
  who: [],
  ...changes,
})
const server = { maxBranchTtl: days(30), defaultBranchTtl: undefined }
const bounds = (rules: readonly TtlRule[], branchId: string, principals = [ann]) =>
  ttlBounds(rules, { branchId, principals }, server)

describe('the bounds of a branch', () => {
  test('without a rule that fits are the server’s', () => {
    const open = { default: undefined, maximum: days(30), mustEnd: false }
    expect(bounds([], 'dev')).toEqual(open)
    expect(bounds([rule('pr-*', { maximum: hours(1) })], 'dev')).toEqual(open)
    expect(
      ttlBounds([], { branchId: 'dev', principals: [] }, { ...server, defaultBranchTtl: hours(2) }),
    ).toEqual({ ...open, default: hours(2) })
  })

  test('are those of the first rule that fits its id and whoever asks', () => {
    const rules = [
      rule('pr-*', { maximum: hours(1), who: [bots] }),
      rule('pr-?', { default: minutes(5) }),
      rule('*', { default: hours(6), maximum: days(1) }),
    ]
    expect(bounds(rules, 'pr-7', [ann, bots]).maximum).toBe(hours(1))
    expect(bounds(rules, 'pr-7')).toEqual({
      default: minutes(5),
      maximum: days(30),
      mustEnd: false,
    })
    expect(bounds(rules, 'pr-77')).toEqual({ default: hours(6), maximum: days(1), mustEnd: true })
  })

  test('are never wider than the server’s, and a default never longer than the maximum', () => {
    expect(bounds([rule('*', { maximum: days(90) })], 'a').maximum).toBe(days(30))
    const both = { ...server, defaultBranchTtl: days(2) }
    const asked = { branchId: 'a', principals: [] }
    expect(ttlBounds([rule('*', { maximum: hours(1) })], asked, both).default).toBe(hours(1))
  })

  test('a pattern is no regular expression', () => {
    expect(bounds([rule('a.b', { maximum: hours(1) })], 'axb').mustEnd).toBe(false)
    expect(bounds([rule('(', { maximum: hours(1) })], '(').mustEnd).toBe(true)
    const slow = rule(`${'*'.repeat(60)}x`, { maximum: hours(1) })
    expect(bounds([slow], 'a'.repeat(63)).mustEnd).toBe(false)
  })
})

test('a default longer than its maximum is refused', () => {
  expect(() =>
    checkRules([rule('*'), rule('a', { default: hours(2), maximum: hours(1) })]),
  ).toThrow(
    expect.objectContaining({ facts: expect.objectContaining({ field: 'rules.1.default_ttl' }) }),
  )
  expect(() => checkRules([rule('a', { default: hours(1), maximum: hours(1) })])).not.toThrow()
})
