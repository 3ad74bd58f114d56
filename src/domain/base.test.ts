/** Which base a point begins with, when one is due, and which are kept. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { days, epochMicros, hours, type Millis, minutes } from '../lib/time.ts'
import { baseFor, basesToDrop, isBaseDue } from './base.ts'
import { lsn } from './lsn.ts'
import type { BaseUid } from './names.ts'

const now = epochMicros(1_800_000_000_000_000n)
const ago = (length: Millis) => epochMicros(now - BigInt(length) * 1000n)
const base = (age: Millis) => {
  const time = ago(age)
  return { uid: `ba-${age}` as BaseUid, time, consistent: lsn(time) }
}
const MiB = 1024n * 1024n

describe('the base for a point', () => {
  const bases = [base(hours(3)), base(hours(2)), base(hours(1))]

  test.each([
    [hours(4), undefined],
    [hours(3), 0],
    [minutes(150), 0],
    [minutes(60), 2],
    [minutes(0), 2],
  ])('%i ms ago', (age, at) => {
    const wanted = at === undefined ? undefined : bases[at]
    expect(baseFor(bases, { kind: 'time', time: ago(age) })).toBe(wanted)
    expect(baseFor(bases.toReversed(), { kind: 'lsn', lsn: lsn(ago(age)) })).toBe(wanted)
  })
})

describe('a base is due', () => {
  const young = { consistent: lsn(1000n), time: ago(minutes(4)) }
  const settled = { consistent: lsn(1000n), time: ago(minutes(5)) }
  const old = { ...young, time: ago(hours(1)) }
  test.each([
    ['where there is none', undefined, 0n, 0, true],
    ['not of a source that rests after next to nothing', young, 16n * MiB - 1n, 'at rest', false],
    ['of a source that rests after what is worth it', young, 16n * MiB, 'at rest', true],
    ['not of one that does not rest yet', young, 16n * MiB, 0, false],
    ['not after a little', young, 255n * MiB, 0, false],
    ['after much WAL', young, 256n * MiB, 0, true],
    ['after five minutes that are worth it', settled, 16n * MiB, 0, true],
    ['not after five minutes that are not', settled, 16n * MiB - 1n, 0, false],
    ['after an hour with writes', old, MiB, 0, true],
    ['not after an hour without', old, MiB - 1n, 0, false],
    ['not after less WAL than it would copy', young, 300n * MiB, 2 ** 30, false],
    ['not hourly where it would copy more than was written', old, 300n * MiB, 2 ** 30, false],
    ['after as much as it copies', young, 1024n * MiB, 2 ** 30, true],
  ] as const)('%s', (_, newest, written, copied, isDue) => {
    const isAtRest = copied === 'at rest'
    const found = { end: 1000n + written, now, isAtRest, copied: isAtRest ? 0 : copied }
    expect(isBaseDue(newest, found)).toBe(isDue)
  })
})

describe('of all bases', () => {
  test('one at or before the beginning of the window stays, and those before it go', () => {
    const bases = [base(days(9)), base(days(8)), base(days(6)), base(hours(1))]
    expect(basesToDrop(bases, now, days(7))).toEqual([bases[0]])
    expect(basesToDrop(bases.slice(0, 2), now, days(7))).toEqual([bases[0]])
    expect(basesToDrop(bases.slice(0, 1), now, days(7))).toEqual([])
    expect(basesToDrop([], now, days(7))).toEqual([])
  })

  test('all of the last 15 minutes stay', () => {
    const bases = Array.from({ length: 15 }, (_, at) => base(minutes(15 - at)))
    expect(basesToDrop(bases, now, days(7))).toEqual([])
  })

  test('whatever there is: oldest and newest stay, and thinning twice is thinning once', () => {
    const ages = fc.uniqueArray(fc.integer({ min: 0, max: days(40) }), { maxLength: 60 })
    fc.assert(
      fc.property(ages, fc.integer({ min: 1, max: days(35) }), (all, retention) => {
        const bases = all.sort((a, b) => b - a).map((age) => base(age as Millis))
        const dropped = new Set(basesToDrop(bases, now, retention as Millis))
        const kept = bases.filter((one) => !dropped.has(one))
        expect(kept.length).toBeGreaterThan(bases.length === 0 ? -1 : 0)
        expect(kept.at(-1)).toBe(bases.at(-1))
        const begins = ago(retention as Millis)
        const reaches = bases.some(({ time }) => time <= begins)
        expect(kept.some(({ time }) => time <= begins)).toBe(reaches)
        expect(basesToDrop(kept, now, retention as Millis)).toEqual([])
      }),
    )
  })
})
