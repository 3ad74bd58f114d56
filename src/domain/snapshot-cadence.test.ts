import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type EpochMs, epochMs, hours, rfc3339 } from '../lib/time.ts'
import { type Cadence, nextMoment, renderCadence, retentionOf } from './snapshot-cadence.ts'

const at = (text: string): EpochMs => epochMs(Date.parse(text))
const daily = (hour: number, keep = 24): Cadence => ({
  retention: hours(keep),
  every: { kind: 'day', hour },
})
const weekly = (dayOfWeek: 'SUNDAY' | 'MONDAY', hour: number, keep = 24): Cadence => ({
  retention: hours(keep),
  every: { kind: 'week', hour, dayOfWeek },
})
const monthly = (day: number, hour = 0): Cadence => ({
  retention: hours(24),
  every: { kind: 'month', hour, day },
})
const next = (cadence: Cadence, from: string): string => {
  const moment = nextMoment([cadence], at(from))
  return moment === undefined ? 'never' : rfc3339(moment)
}

describe('the next moment of a cadence', () => {
  test.each<[string, Cadence, string, string]>([
    ['later today', daily(6), '2026-11-23T05:59:59Z', '2026-11-23T06:00:00.000Z'],
    ['on the moment: tomorrow', daily(6), '2026-11-23T06:00:00Z', '2026-11-24T06:00:00.000Z'],
    ['midnight', daily(0), '2026-12-31T23:59:59.999Z', '2027-01-01T00:00:00.000Z'],
    ['over a change to summer time', daily(2), '2026-03-28T12:00:00Z', '2026-03-29T02:00:00.000Z'],
    ['Sunday', weekly('SUNDAY', 3), '2026-11-23T00:00:00Z', '2026-11-29T03:00:00.000Z'],
    ['Monday, today', weekly('MONDAY', 3), '2026-11-23T00:00:00Z', '2026-11-23T03:00:00.000Z'],
    ['the 15th', monthly(15, 4), '2026-11-23T00:00:00Z', '2026-12-15T04:00:00.000Z'],
    ['the 31st of November', monthly(31), '2026-11-23T00:00:00Z', '2026-11-30T00:00:00.000Z'],
    ['the 31st after that', monthly(31), '2026-11-30T00:00:00Z', '2026-12-31T00:00:00.000Z'],
    ['the 30th of December', monthly(30), '2026-12-01T00:00:00Z', '2026-12-30T00:00:00.000Z'],
    ['the 31st of a February', monthly(31), '2027-02-01T00:00:00Z', '2027-02-28T00:00:00.000Z'],
    ['the 29th of a leap year', monthly(31), '2028-02-01T00:00:00Z', '2028-02-29T00:00:00.000Z'],
    ['the 29th without a leap', monthly(29), '2027-02-01T00:00:00Z', '2027-02-28T00:00:00.000Z'],
  ])('%s', (_, cadence, from, expected) => {
    expect(next(cadence, from)).toBe(expected)
  })

  test('the earliest of several; none without any', () => {
    const all = [monthly(1), daily(9), weekly('SUNDAY', 3)]
    expect(nextMoment(all, at('2026-11-23T00:00:00Z'))).toBe(at('2026-11-23T09:00:00Z'))
    expect(nextMoment([], at('2026-11-23T00:00:00Z'))).toBeUndefined()
  })

  test('every month has exactly one moment of any day', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 31 }), fc.integer({ min: 0, max: 23 }), (day, hour) => {
        let moment = at('2027-01-01T00:00:00Z') - 1
        for (let month = 0; month < 26; month += 1) {
          moment = nextMoment([monthly(day, hour)], epochMs(moment)) ?? Number.NaN
          expect(new Date(moment).getUTCMonth()).toBe(month % 12)
        }
      }),
      { numRuns: 40 },
    )
  })
})

describe('the one snapshot for all that was due', () => {
  const cadences = [daily(6, 48), weekly('MONDAY', 6, 500), monthly(1)]
  test('several at once: the longest retention', () => {
    const monday = at('2026-11-23T06:00:00Z')
    expect(retentionOf(cadences, monday, monday)).toBe(hours(500))
  })
  test('one alone: its own', () => {
    const tuesday = at('2026-11-24T06:00:00Z')
    expect(retentionOf(cadences, tuesday, tuesday)).toBe(hours(48))
  })
  test('missed ones: the longest of those that had a moment meanwhile', () => {
    const since = at('2026-11-24T06:00:00Z')
    expect(retentionOf(cadences, since, at('2026-11-29T12:00:00Z'))).toBe(hours(48))
    expect(retentionOf(cadences, since, at('2026-11-30T12:00:00Z'))).toBe(hours(500))
  })
  test('nothing was due', () => {
    const since = at('2026-11-24T07:00:00Z')
    expect(retentionOf(cadences, since, at('2026-11-24T08:00:00Z'))).toBeUndefined()
  })
})

test('a cadence reads as it was written', () => {
  expect(renderCadence(daily(0, 24))).toEqual({
    retention: '86400s',
    daily_schedule: { hour: 0 },
  })
  expect(renderCadence(weekly('MONDAY', 3))).toEqual({
    retention: '86400s',
    weekly_schedule: { day_of_week: 'MONDAY', hour: 3 },
  })
  expect(renderCadence(monthly(31, 5))).toEqual({
    retention: '86400s',
    monthly_schedule: { day: 31, hour: 5 },
  })
})
