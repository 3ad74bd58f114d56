import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { days, epochMs, hours, millis, rfc3339, seconds } from '../lib/time.ts'
import { formatDuration } from './duration.ts'
import { Fault } from './faults.ts'
import { readExpiration } from './read-expiration.ts'

const faultOf = (fields: Parameters<typeof readExpiration>[0]): Fault => {
  try {
    readExpiration(fields)
  } catch (error) {
    if (error instanceof Fault) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('when a branch ends', () => {
  test.each([
    ['seconds, the contract', '21600s', hours(6)],
    ['seconds with a fraction', '21600.5s', millis(21_600_500)],
    ['the object of protobuf', { seconds: 21_600 }, hours(6)],
    ['the object with nanos', { seconds: 21_600, nanos: 500_000_000 }, millis(21_600_500)],
    ['the object with digits', { seconds: '21600', nanos: 0 }, hours(6)],
    ['a bare number', 21_600, hours(6)],
    ['hours', '6h', hours(6)],
    ['days', '7d', days(7)],
    ['hours that make 30 days, for the maximum to judge', '720h', days(30)],
    ['31 days, for the maximum to judge', '2678400s', days(31)],
  ])('ttl as %s is read', (_, ttl, length) => {
    expect(readExpiration({ ttl })).toEqual({ kind: 'ttl', ttl: length })
  })

  test('an expire time is read', () => {
    expect(readExpiration({ expire_time: '2030-01-31T12:00:00+01:00' })).toEqual({
      kind: 'at',
      time: epochMs(Date.UTC(2030, 0, 31, 11)),
    })
  })

  test('no_expiry: true is read', () => {
    expect(readExpiration({ no_expiry: true })).toEqual({ kind: 'never' })
  })

  test('none of the three says nothing: the action decides', () => {
    expect(readExpiration({})).toBeUndefined()
  })

  test.each([
    '6 hours',
    '',
    'soon',
    '21600',
    '0s',
    0,
    -1,
    '-21600s',
    { seconds: 0 },
    { seconds: 'x' },
    { hours: 6 },
    {},
    [],
    true,
    Number.NaN,
  ])('ttl %j is refused and the text names the forms', (ttl) => {
    const fault = faultOf({ ttl })
    expect(fault.reason).toBe('EXPIRATION_INVALID')
    expect(fault.text).toContain('"21600s"')
  })

  test.each(['tomorrow', '2030-02-30T00:00:00Z', 1_900_000_000, {}])(
    'expire_time %j is refused',
    (expire_time) => {
      expect(faultOf({ expire_time }).reason).toBe('EXPIRATION_INVALID')
    },
  )

  test.each([false, 'true', 1])('no_expiry: %j is refused', (no_expiry) => {
    expect(faultOf({ no_expiry }).reason).toBe('EXPIRATION_INVALID')
  })

  test.each([
    [{ ttl: '6h', no_expiry: true }, 'ttl and no_expiry'],
    [{ ttl: '6h', expire_time: '2030-01-31T12:00:00Z' }, 'ttl and expire_time'],
    [
      { ttl: '6h', expire_time: '2030-01-31T12:00:00Z', no_expiry: true },
      'ttl and expire_time and no_expiry',
    ],
  ])('%j is ambiguous', (fields, given) => {
    const fault = faultOf(fields)
    expect(fault.reason).toBe('EXPIRATION_AMBIGUOUS')
    expect(fault.text).toContain(given)
  })

  test('every form of the same length means the same', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100_000_000 }), (length) => {
        const meant = { kind: 'ttl', ttl: seconds(length) }
        expect(readExpiration({ ttl: formatDuration(seconds(length)) })).toEqual(meant)
        expect(readExpiration({ ttl: length })).toEqual(meant)
        expect(readExpiration({ ttl: { seconds: length } })).toEqual(meant)
        expect(readExpiration({ ttl: { seconds: String(length), nanos: 0 } })).toEqual(meant)
      }),
    )
  })

  test('what we print is read back', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 253_402_300_799_999 }), (moment) => {
        expect(readExpiration({ expire_time: rfc3339(epochMs(moment)) })).toEqual({
          kind: 'at',
          time: moment,
        })
      }),
    )
  })

  test('whatever is sent is read or refused, never a crash', () => {
    fc.assert(
      fc.property(
        fc.record(
          { ttl: fc.jsonValue(), expire_time: fc.jsonValue(), no_expiry: fc.jsonValue() },
          { requiredKeys: [] },
        ),
        (fields) => {
          try {
            readExpiration(fields)
          } catch (error) {
            expect(error).toBeInstanceOf(Fault)
          }
        },
      ),
    )
  })

  test.each([[21_600], ['6h'], ['720h'], [true]])('strictly, a ttl of %j is refused', (ttl) => {
    expect(() => readExpiration({ ttl }, { isStrict: true })).toThrow(Fault)
  })

  test('strictly, a ttl object is not seen, as the service does not see it', () => {
    const strictly = { isStrict: true }
    expect(readExpiration({ ttl: { seconds: 60 } }, strictly)).toBeUndefined()
    expect(readExpiration({ ttl: { seconds: 60 }, no_expiry: true }, strictly)).toEqual({
      kind: 'never',
    })
    expect(readExpiration({ ttl: '60.5s' }, strictly)).toEqual({ kind: 'ttl', ttl: millis(60_500) })
  })
})
