import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochMs } from '../lib/time.ts'
import { addressKey, attemptWindow, lockedFor, passwordProblem } from './sign-in-policy.ts'

describe('attempts', () => {
  const since = epochMs(1_000_000)
  test.each([
    [10, 0, undefined],
    [11, 0, 15],
    [11, 14 * 60_000 + 1, 1],
    [11, 15 * 60_000, 1],
    [500, 60_000, 14],
  ])('%i of 10, %i ms into the window', (count, passed, minutes) => {
    expect(lockedFor({ count, since }, { allowed: 10 }, epochMs(since + passed))).toBe(minutes)
  })

  test('never lock for longer than the window', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(attemptWindow), (count, passed) => {
        const minutes = lockedFor({ count, since }, { allowed: 10 }, epochMs(since + passed))
        expect(minutes === undefined || (minutes >= 1 && minutes <= 15)).toBe(true)
      }),
    )
  })
})

describe('addresses', () => {
  test.each([
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::1', '0:0:0:0::/64'],
    ['2001:db8:0:1:aaaa:bbbb:cccc:dddd', '2001:db8:0:1::/64'],
    ['2001:db8:0:1::5', '2001:db8:0:1::/64'],
    ['2001:DB8::1', '2001:db8:0:0::/64'],
    ['2001:0db8::1', '2001:db8:0:0::/64'],
    ['unknown', 'unknown'],
  ])('%s counts as %s', (address, key) => {
    expect(addressKey(address)).toBe(key)
  })
})

describe('passwords', () => {
  test.each([
    ['three otters under the pier', undefined],
    ['åéîøüßçñåéîø', undefined],
    ['short', /at least 12/],
    ['😀😀😀😀😀😀😀😀😀😀😀😀', /repeats/],
    ['aaaaaaaaaaaa', /repeats/],
    ['jane.doe@example.com', /name/],
    ['jane.doejane.doe', /name/],
    ['Password123456789', /guess/],
    ['x1y2z3'.repeat(50), /more than 256/],
  ])('%s', (password, problem) => {
    const found = passwordProblem(password, 'jane.doe@example.com')
    if (problem === undefined) expect(found).toBeUndefined()
    else expect(found).toMatch(problem)
  })
})
