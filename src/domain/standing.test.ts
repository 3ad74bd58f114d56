import { expect, test } from 'vitest'
import { standingOf } from './standing.ts'

const seen = { replayed: 50n, received: 70n, isPaused: false }

test.each([
  ['has replayed all, is current', seen, { through: 50n, oldest: 0n }, 'current'],
  ['has replayed more, is current', seen, { through: 40n, oldest: 45n }, 'current'],
  ['has received it, is late', seen, { through: 60n, oldest: 0n }, 'late'],
  ['can still receive it, is late', seen, { through: 90n, oldest: 70n }, 'late'],
  ['of a source that has everything, is late', seen, { through: 90n }, 'late'],
  ['whose next byte is gone, is lost', seen, { through: 90n, oldest: 71n }, 'lost'],
  ['has received what is gone since, is late', seen, { through: 60n, oldest: 65n }, 'late'],
  [
    'waits for somebody, is paused',
    { ...seen, isPaused: true },
    { through: 60n, oldest: 99n },
    'paused',
  ],
  [
    'waits, with nothing to wait for, is current',
    { ...seen, isPaused: true },
    { through: 50n },
    'current',
  ],
] as const)('a standby that %s', (_, saw, goal, standing) => {
  expect(standingOf(saw, goal)).toBe(standing)
})
