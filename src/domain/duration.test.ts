import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { millis } from '../lib/time.ts'
import { formatDuration, parseDuration, parseTolerantDuration, sayDuration } from './duration.ts'

describe('protobuf durations', () => {
  test('what is printed is read back', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e12, max: 1e12 }), (n) => {
        expect(parseDuration(formatDuration(millis(n)))).toBe(n)
      }),
    )
  })

  test.each([
    ['21600s', 21_600_000],
    ['3.5s', 3500],
    ['0.000000001s', 0],
    ['-1.5s', -1500],
  ])('%s is read', (text, expected) => {
    expect(parseDuration(text)).toBe(expected)
  })

  test.each(['', 's', '720h', '1,5s', '1e3s', '21600', ' 1s', '9999999999999999s'])(
    '%j is not one',
    (text) => {
      expect(parseDuration(text)).toBeUndefined()
    },
  )
})

describe('what people send in place of a duration', () => {
  test.each<[unknown, number]>([
    ['21600s', 21_600_000],
    [{ seconds: 21_600 }, 21_600_000],
    [{ seconds: '21600', nanos: 0 }, 21_600_000],
    [{ seconds: 1, nanos: 500_000_000 }, 1500],
    [21_600, 21_600_000],
    ['6h', 21_600_000],
    ['7d', 604_800_000],
    ['720h', 2_592_000_000],
  ])('%j is taken', (value, expected) => {
    expect(parseTolerantDuration(value)).toBe(expected)
  })

  test.each<unknown>([
    '6 hours',
    'soon',
    '',
    null,
    [],
    {},
    { minutes: 1 },
    { seconds: 1.5 },
    Number.NaN,
    true,
    '-6h',
  ])('%j is refused', (value) => {
    expect(parseTolerantDuration(value)).toBeUndefined()
  })
})

test('durations are said in whole units', () => {
  expect(sayDuration(millis(86_400_000))).toBe('1 day')
  expect(sayDuration(millis(21_600_000))).toBe('6 hours')
  expect(sayDuration(millis(1500))).toBe('1.5 seconds')
})
