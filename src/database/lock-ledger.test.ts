/** What looks at locks add up to. */
import { expect, test } from 'vitest'
import { millis } from '../lib/time.ts'
import { LockLedger, type SeenLock } from './lock-ledger.ts'

const lock = (holder: string, mode: string, relation = 'public.orders'): SeenLock => ({
  holder,
  relation,
  mode,
})
const ledgerOf = (...looks: readonly (readonly [number, ...SeenLock[]])[]) => {
  const ledger = new LockLedger()
  for (const [at, ...locks] of looks) {
    ledger.add({
      at: millis(at),
      locks,
      statements: [],
      sessions: locks.map(({ holder }) => holder),
    })
  }
  return ledger.report()
}

test('a lock counts from the look before it was seen to the one after', () => {
  const report = ledgerOf(
    [0],
    [10, lock('a', 'AccessExclusiveLock')],
    [25, lock('a', 'AccessExclusiveLock')],
    [30],
  )
  expect(report).toMatchObject({
    looks: 4,
    sessions: 1,
    longestGap: 15,
    locks: [{ relation: 'public.orders', mode: 'AccessExclusiveLock', held: 30 }],
    waits: [{ relation: 'public.orders', reads: 30, writes: 30 }],
  })
})

test('two transactions do not add up; the longer one is told', () => {
  const report = ledgerOf(
    [0],
    [10, lock('a', 'ShareLock')],
    [20, lock('b', 'ShareLock')],
    [30, lock('b', 'ShareLock')],
    [40],
  )
  expect(report.locks).toEqual([{ relation: 'public.orders', mode: 'ShareLock', held: 30 }])
  expect(report.waits).toEqual([{ relation: 'public.orders', reads: 0, writes: 30 }])
})

test('a writer waits from the first mode that stops it, a reader from its own', () => {
  const share = lock('a', 'ShareRowExclusiveLock')
  const report = ledgerOf([0], [10, share], [20, share, lock('a', 'AccessExclusiveLock')], [40])
  expect(report.waits).toEqual([{ relation: 'public.orders', reads: 30, writes: 40 }])
})

test('what stops nobody is not told, and what still holds at the end is', () => {
  const report = ledgerOf(
    [0],
    [10, lock('a', 'RowExclusiveLock'), lock('a', 'ShareUpdateExclusiveLock', 'public.tea')],
    [30, lock('a', 'ShareUpdateExclusiveLock', 'public.tea')],
  )
  expect(report.locks).toEqual([
    { relation: 'public.tea', mode: 'ShareUpdateExclusiveLock', held: 30 },
  ])
  expect(report.waits).toEqual([])
})

test('of ten thousand statements the slowest stay', () => {
  const ledger = new LockLedger()
  for (let n = 0; n < 10_000; n += 1) {
    const ran = millis(n === 500 ? 9999 : n % 100)
    const statements = [{ key: String(n), text: `select ${n}`, ran }]
    ledger.add({ at: millis(n), locks: [], statements, sessions: ['a'] })
  }
  const { statements, sessions } = ledger.report()
  expect(statements).toHaveLength(5)
  expect(statements[0]).toEqual({ text: 'select 500', ran: 9999 })
  expect(sessions).toBe(1)
})
