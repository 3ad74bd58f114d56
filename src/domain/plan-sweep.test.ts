import { describe, expect, test } from 'vitest'
import { epochMs, hours } from '../lib/time.ts'
import { planSetAside, planStray, strayKinds } from './plan-sweep.ts'

const begin = epochMs(1_000_000)
const at = (n: number) => epochMs(begin + hours(n))
const grace = hours(24)

describe('what no row knows', () => {
  test.each(strayKinds)('a %s is left alone for the grace, whatever it is', (kind) => {
    const seen = { kind, firstTime: begin }
    expect(planStray(seen, { now: begin, grace })).toBe('wait')
    expect(planStray(seen, { now: epochMs(at(24) - 1), grace })).toBe('wait')
    expect(planStray(seen, { now: at(24), grace })).not.toBe('wait')
  })

  test('is kept where it may hold data', () => {
    const plan = Object.fromEntries(
      strayKinds.map((kind) => [
        kind,
        planStray({ kind, firstTime: begin }, { now: at(25), grace }),
      ]),
    )
    expect(plan).toEqual({
      volume: 'set aside',
      wal: 'set aside',
      draft: 'remove',
      process: 'end',
      run: 'remove',
      log: 'remove',
    })
  })

  test('a clock that was set back makes it wait, never go sooner', () => {
    const seen = { kind: 'volume', firstTime: at(10) } as const
    expect(planStray(seen, { now: begin, grace })).toBe('wait')
  })
})

describe('what was set aside', () => {
  const retention = hours(7 * 24)
  test.each([
    [0, false, 'keep'],
    [167, false, 'keep'],
    [168, false, 'delete'],
    [0, true, 'put back'],
    [1000, true, 'put back'],
  ] as const)('after %d h, wanted %s: %s', (age, isWanted, act) => {
    expect(planSetAside({ since: begin, isWanted }, { now: at(age), retention })).toBe(act)
  })
})
