import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseHumanDuration, toWireDuration } from './human-duration.ts'

describe('lengths of time as people type them', () => {
  test.each([
    ['604800s', 604_800_000],
    ['168h', 604_800_000],
    ['7d', 604_800_000],
    ['3w', 1_814_400_000],
    ['30m', 1_800_000],
    ['1h30m', 5_400_000],
    ['1.5h', 5_400_000],
    ['250ms', 250],
    ['0', 0],
    ['0s', 0],
  ])('%s is %d milliseconds', (text, length) => {
    expect(parseHumanDuration(text)).toBe(length)
  })

  test.each(['', '5', '-5s', '5 s', 's', '5y', '1h-30m', '1e3s', ' 5s', '99999999999999w'])(
    '%j is not a length of time',
    (text) => {
      expect(parseHumanDuration(text)).toBeUndefined()
    },
  )

  test('the wire form is read back as the same length', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 10 ** 12 }), (length) => {
        const wire = toWireDuration(parseHumanDuration(`${length}ms`) ?? (Number.NaN as never))
        expect(wire).toMatch(/^\d+(\.\d{1,3})?s$/)
        expect(parseHumanDuration(wire)).toBe(length)
      }),
    )
  })
})
