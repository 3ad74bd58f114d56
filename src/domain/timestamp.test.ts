import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochMs, rfc3339 } from '../lib/time.ts'
import { parseTimestamp } from './timestamp.ts'

describe('moments in RFC 3339', () => {
  test.each([
    ['2026-11-23T14:00:00Z', '2026-11-23T14:00:00.000Z'],
    ['2026-11-23t14:00:00z', '2026-11-23T14:00:00.000Z'],
    ['2026-11-23T14:00:00.5Z', '2026-11-23T14:00:00.500Z'],
    ['2026-11-23T14:00:00.123456789Z', '2026-11-23T14:00:00.123Z'],
    ['2026-11-23T14:00:00+02:00', '2026-11-23T12:00:00.000Z'],
    ['2026-11-23T23:30:00-05:30', '2026-11-24T05:00:00.000Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
  ])('%s is read as %s', (text, moment) => {
    const read = parseTimestamp(text)
    expect(read === undefined ? undefined : rfc3339(read)).toBe(moment)
  })

  test.each([
    '',
    'tomorrow',
    '2026-11-23',
    '2026-11-23T14:00:00',
    '2026-11-23 14:00:00Z',
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-11-23T24:00:00Z',
    '2026-11-23T14:60:00Z',
    '2026-11-23T14:00:00.Z',
    '2026-11-23T14:00:00+25:00',
    '1795442400',
  ])('%j is no moment', (text) => {
    expect(parseTimestamp(text)).toBeUndefined()
  })

  test('what we print is read back as the same moment', () => {
    fc.assert(
      fc.property(fc.date({ min: new Date(0), noInvalidDate: true }), (date) => {
        fc.pre(date.getUTCFullYear() <= 9999)
        const moment = epochMs(date.getTime())
        expect(parseTimestamp(rfc3339(moment))).toBe(moment)
      }),
    )
  })
})
