import { describe, expect, test } from 'vitest'
import { parseReserve } from '../lib/setting-values.ts'
import { roomOf } from './reserve.ts'

const MiB = 2 ** 20
const GiB = 2 ** 30

describe('the room that is kept', () => {
  test.each([
    ['5%', 100 * GiB, 5 * GiB],
    ['2GB', 100 * GiB, 2 * GiB],
    ['5%,4GB', 20 * GiB, GiB],
    ['5%,4GB', 1000 * GiB, 4 * GiB],
    // Never less than what a draft needs, never all of it.
    ['0%', 100 * GiB, 64 * MiB],
    ['1MB', 100 * GiB, 64 * MiB],
    ['500GB', 100 * GiB, 90 * GiB],
  ])('%s of %d bytes', (text, total, kept) => {
    const { reserveBytes } = roomOf(parseReserve(text), { total, free: 0 })
    expect(reserveBytes).toBe(Math.floor(kept))
  })

  test('is enough down to the last byte', () => {
    const reserve = parseReserve('2GB')
    expect(roomOf(reserve, { total: 10 * GiB, free: 2 * GiB }).isEnough).toBe(true)
    expect(roomOf(reserve, { total: 10 * GiB, free: 2 * GiB - 1 }).isEnough).toBe(false)
  })

  test.each(['', '%', '5 percent', '91%', '-1%', '5%,', '5%,4%', '4GB,5%', '1GB,2GB', '5%,1GB,2'])(
    '%j is no setting of it',
    (text) => {
      expect(() => parseReserve(text)).toThrow('must')
    },
  )
})
