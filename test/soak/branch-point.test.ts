/** What a branch may hold of its source, and each way in which it may be wrong. */
import { describe, expect, test } from 'vitest'
import { accounts, checkBank, openingBalance } from './bank.ts'
import { checkBranchPoint, differences } from './branch-point.ts'
import { type Contents, type Outcome, type Transaction, valueBy } from './history.ts'

const transfer = { do: 'transfer', from: 0, to: 1, amount: 5 } as const

function contents(
  lists: Record<number, readonly number[]>,
  transfers: readonly number[] = [],
): Contents {
  const balances = new Map(Array.from({ length: accounts }, (_, id) => [id, openingBalance]))
  balances.set(0, openingBalance - 5 * transfers.length)
  balances.set(1, openingBalance + 5 * transfers.length)
  return {
    lists: new Map(Object.entries(lists).map(([key, list]) => [Number(key), list])),
    balances,
    ledger: new Map(transfers.map((id) => [id, transfer])),
  }
}

/** Appends to two keys and moves five; from `id * 10` to five later. */
const wrote = (id: number, outcome: Outcome = 'ok'): Transaction => ({
  id,
  isolation: 'read committed',
  begin: id * 10,
  end: id * 10 + 5,
  outcome,
  steps: [
    { do: 'append', key: 1, value: valueBy(id, 0) },
    { do: 'append', key: 2, value: valueBy(id, 1) },
    transfer,
  ],
})
const held = (...ids: readonly number[]): Contents =>
  contents({ 1: [7, ...ids.map((id) => valueBy(id, 0))], 2: ids.map((id) => valueBy(id, 1)) }, ids)
const baseline = contents({ 1: [7] })
const point = (transactions: readonly Transaction[], notBefore: number, notAfter: number) => ({
  baseline,
  transactions,
  notBefore,
  notAfter,
})

describe('a branch', () => {
  const three = [wrote(1), wrote(2), wrote(3)]

  test('holds what was acknowledged before its point; what overlaps it may be in it or not', () => {
    for (const ids of [[1], [1, 2]]) {
      expect(checkBranchPoint(point(three, 18, 28), held(...ids))).toEqual([])
    }
  })

  test.each<[string, RegExp, readonly Transaction[], Contents]>([
    ['misses what was acknowledged', /1, acknowledged at 15, is missing/, three, held()],
    ['holds what began later', /3 began at 30, after/, three, held(1, 2, 3)],
    ['misses one before one that it has', /2, .* begun at 30 is there/, three, held(1, 3)],
    ['holds one that failed', /1 failed, and is in it/, [wrote(1, 'fail')], held(1)],
    ['holds half of one', /without 9/, three, contents({ 1: [7, 8] }, [1])],
    ['lacks a transfer', /1 is in it without its transfer/, three, contents({ 1: [7, 8], 2: [9] })],
    ['lost what the source inherited', /key 1 began as 7/, [], contents({ 1: [] })],
    [
      'holds a stranger’s',
      /value 800 is nobody’s/,
      three,
      contents({ 1: [7, 8, 800], 2: [9] }, [1]),
    ],
  ])('that %s is told so', (_what, said, transactions, seen) => {
    expect(checkBranchPoint(point(transactions, 18, 28), seen).join('\n')).toMatch(said)
  })

  test('is compared with what it was, whatever the order', () => {
    expect(differences(held(1, 2), held(1, 2))).toEqual([])
    expect(differences(held(1), held(1, 2))).toHaveLength(3)
  })
})

describe('the bank', () => {
  test('is in order when the ledger tells every balance', () => {
    expect(checkBank(contents({}))).toEqual([])
    expect(checkBank(contents({}, [1, 2]))).toEqual([])
  })

  test('is not when a transfer is half done, lost or overdrawn', () => {
    const { balances, ledger } = contents({}, [1])
    expect(checkBank({ balances: new Map(balances).set(1, openingBalance), ledger })).toHaveLength(
      2,
    )
    expect(checkBank({ balances, ledger: new Map() })).toHaveLength(2)
    const overdrawn = new Map(balances).set(0, -5).set(1, 2 * openingBalance + 5)
    expect(checkBank({ balances: overdrawn, ledger }).join()).toMatch(/an account has -5/)
  })
})
