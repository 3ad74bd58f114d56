import { describe, expect, test } from 'vitest'
import { epochMs, hours, minutes } from '../lib/time.ts'
import { afterFinding, type CollectFacts, planCollect, purgeTimeOf } from './binding.ts'

const now = epochMs(1_800_000_000_000)
const ago = (length: number) => epochMs(now - length)
const gone = (length: number) => ({
  isOwn: true,
  gone: { since: ago(length), what: 'WORKTREE_GONE' as const },
})
const there = { isOwn: true, gone: undefined }
const facts = (changes: Partial<CollectFacts> = {}): CollectFacts => ({
  isDefault: false,
  isFirst: false,
  isProtected: false,
  hasChildren: false,
  bindings: [gone(hours(2))],
  ...changes,
})
const plan = (changes?: Partial<CollectFacts>) =>
  planCollect(facts(changes), { now, grace: hours(1) })

describe('a branch of which all worktrees are gone', () => {
  test('is collected when the grace is over, not a moment before', () => {
    expect(plan({ bindings: [gone(hours(1))] })).toEqual({
      act: 'collect',
      because: 'WORKTREE_GONE',
    })
    expect(plan({ bindings: [gone(hours(1) - 1)] })).toEqual({
      act: 'wait',
      because: 'WORKTREE_GONE',
      until: epochMs(now + 1),
    })
  })

  test('waits for the grace of the one that went last', () => {
    const ref = { isOwn: false, gone: { since: ago(minutes(10)), what: 'REF_GONE' as const } }
    expect(plan({ bindings: [gone(hours(9)), ref] })).toEqual({
      act: 'wait',
      because: 'REF_GONE',
      until: epochMs(now + minutes(50)),
    })
  })
})

test.each<[string, Partial<CollectFacts>]>([
  ['NOT_OWNED', { bindings: [] }],
  ['NOT_OWNED', { bindings: [{ ...gone(hours(9)), isOwn: false }] }],
  ['BOUND', { bindings: [gone(hours(9)), there] }],
  ['BOUND', { bindings: [gone(hours(9)), { ...there, isOwn: false }] }],
  ['UNKNOWN', { bindings: [gone(hours(9)), { ...gone(hours(9)), isUnknown: true }] }],
  ['DEFAULT', { isDefault: true }],
  ['ROOT', { isFirst: true }],
  ['PROTECTED', { isProtected: true }],
  ['HAS_CHILDREN', { hasChildren: true }],
])('a branch stays: %s', (because, changes) => {
  expect(plan(changes)).toEqual({ act: 'keep', because })
})

describe('a finding', () => {
  const since = ago(hours(3))
  const known = { gone: { since, what: 'REF_GONE' as const } }
  test('that it is there ends what was noted', () => {
    expect(afterFinding(known, 'THERE', now)).toBeUndefined()
  })
  test('that tells nothing changes nothing', () => {
    expect(afterFinding(known, 'UNKNOWN', now)).toBe(known.gone)
    expect(afterFinding({ gone: undefined }, 'UNKNOWN', now)).toBeUndefined()
  })
  test('of a loss keeps the moment of the first one', () => {
    expect(afterFinding({ gone: undefined }, 'WORKTREE_GONE', now)).toEqual({
      since: now,
      what: 'WORKTREE_GONE',
    })
    expect(afterFinding(known, 'WORKTREE_GONE', now)).toEqual({ since, what: 'WORKTREE_GONE' })
  })
})

test('a collected branch is kept as long as it would have lived, at most', () => {
  const week = epochMs(now + hours(168))
  expect(purgeTimeOf({ expireTime: undefined }, week)).toBe(week)
  expect(purgeTimeOf({ expireTime: epochMs(now + 1) }, week)).toBe(now + 1)
  expect(purgeTimeOf({ expireTime: epochMs(week + 1) }, week)).toBe(week)
})
