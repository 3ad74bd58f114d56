import { expect, test } from 'vitest'
import { epochMs, hours, minutes } from '../lib/time.ts'
import { heldFor, type Lease, planLease, type SeenUse } from './lease.ts'

const now = epochMs(1_800_000_000_000)
const inTime = (length: number) => epochMs(now + length)
const lease: Lease = {
  expireTime: inTime(minutes(1)),
  slidingTtl: undefined,
  isHeldBySessions: false,
}
const plan = (changes: Partial<Lease>, seen: Partial<SeenUse>, maximum = hours(24)) =>
  planLease(
    { ...lease, ...changes },
    { sessions: 0, lastActive: undefined, ...seen },
    { now, maximum },
  )

test('without being asked for, an end stays where it is', () => {
  expect(plan({}, { sessions: 9, lastActive: now })).toBeUndefined()
})

test('it slides with activity, from the last one on', () => {
  const slidingTtl = hours(1)
  expect(plan({ slidingTtl }, { lastActive: inTime(-minutes(10)) })).toBe(inTime(minutes(50)))
  expect(plan({ slidingTtl }, {})).toBeUndefined()
  // Connected alone is no activity.
  expect(plan({ slidingTtl }, { sessions: 1, lastActive: inTime(-hours(2)) })).toBeUndefined()
})

test('it is held while somebody is connected, and not longer', () => {
  expect(plan({ isHeldBySessions: true }, { sessions: 1 })).toBe(inTime(heldFor))
  expect(plan({ isHeldBySessions: true }, { lastActive: now })).toBeUndefined()
})

test('it comes also when its moment is over, but never nearer', () => {
  const over = { expireTime: inTime(-1), isHeldBySessions: true }
  expect(plan(over, { sessions: 1 })).toBe(inTime(heldFor))
  const far = { expireTime: inTime(hours(5)), isHeldBySessions: true, slidingTtl: hours(1) }
  expect(plan(far, { sessions: 1, lastActive: now })).toBeUndefined()
})

test('it never lies farther ahead than branches may live, and there is none for ever', () => {
  const slidingTtl = hours(48)
  expect(plan({ slidingTtl }, { lastActive: now })).toBe(inTime(hours(24)))
  expect(plan({ slidingTtl, expireTime: undefined }, { lastActive: now })).toBeUndefined()
})

test('far from its end it moves by steps, near it by whatever there is', () => {
  const slidingTtl = hours(1)
  const active = { lastActive: inTime(-minutes(30)) }
  expect(plan({ slidingTtl, expireTime: inTime(minutes(30) - 29_000) }, active)).toBeUndefined()
  expect(plan({ slidingTtl, expireTime: inTime(minutes(30) - 30_000) }, active)).toBe(
    inTime(minutes(30)),
  )
  const held = { isHeldBySessions: true }
  expect(plan({ ...held, expireTime: inTime(minutes(2) + 1) }, { sessions: 1 })).toBeUndefined()
  expect(plan({ ...held, expireTime: inTime(minutes(2)) }, { sessions: 1 })).toBe(inTime(heldFor))
  const short = { slidingTtl: minutes(0.1), expireTime: inTime(5000) }
  expect(plan(short, { lastActive: now })).toBe(inTime(6000))
})
