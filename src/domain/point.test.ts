/** Points as they are kept, and moments to the microsecond. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { epochMicros, rfc3339Micros, toMillis } from '../lib/time.ts'
import { lsn } from './lsn.ts'
import { formatPoint, isSamePoint, type Point, parsePoint } from './point.ts'
import { parseTimestampMicros } from './timestamp.ts'

const moment = fc.bigInt({ min: 0n, max: 4_000_000_000_000_000n }).map(epochMicros)
const point: fc.Arbitrary<Point> = fc.oneof(
  moment.map((time) => ({ kind: 'time' as const, time })),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((at) => ({ kind: 'lsn' as const, lsn: lsn(at) })),
)

test('what is written down is read back', () => {
  fc.assert(
    fc.property(point, (one) => {
      expect(parsePoint(formatPoint(one))).toEqual(one)
    }),
  )
  for (const text of ['', 'time', 'time x', 'lsn 1', 'lsn', 'now 1']) {
    expect(() => parsePoint(text), text).toThrow('not a point')
  }
})

test('two are the same, or not', () => {
  fc.assert(
    fc.property(point, (one) => {
      expect(isSamePoint(one, { ...one })).toBe(true)
    }),
  )
  expect(isSamePoint({ kind: 'time', time: epochMicros(1n) }, undefined)).toBe(false)
  expect(isSamePoint(undefined, undefined)).toBe(true)
})

test('moments keep their microseconds, and are read in any zone', () => {
  fc.assert(
    fc.property(moment, (one) => {
      expect(parseTimestampMicros(rfc3339Micros(one))).toBe(one)
    }),
  )
  expect(rfc3339Micros(epochMicros(1_000n))).toBe('1970-01-01T00:00:00.001Z')
  expect(rfc3339Micros(epochMicros(1_001n))).toBe('1970-01-01T00:00:00.001001Z')
  expect(parseTimestampMicros('2026-11-23T10:00:00.123456999+01:00')).toBe(
    parseTimestampMicros('2026-11-23T09:00:00.123456Z'),
  )
  expect(toMillis(epochMicros(-1n))).toBe(-1)
})
