/** Who wrote while a branch was reset is on one side of it, wholly. */
import { expect, test } from 'vitest'
import { type Contents, type Outcome, type Transaction, valueBy } from './history.ts'
import { divide } from './replaced.ts'

const contents = (list: readonly number[], transfers: readonly number[]): Contents => ({
  lists: new Map([[1, list]]),
  balances: new Map(),
  ledger: new Map(transfers.map((id) => [id, { do: 'transfer', from: 0, to: 1, amount: 5 }])),
})

const wrote = (id: number, outcome: Outcome = 'ok'): Transaction => ({
  id,
  isolation: 'read committed',
  begin: id * 10,
  end: id * 10 + 5,
  outcome,
  steps: [
    { do: 'append', key: 1, value: valueBy(id, 0) },
    { do: 'transfer', from: 0, to: 1, amount: 5 },
  ],
})

test('what reached the new data is taken out of it; the rest is as it was', () => {
  const seen = contents([7, valueBy(3, 0)], [100, 3])
  const { moved, before, wrong } = divide([wrote(1), wrote(2), wrote(3)], 18, seen)
  expect([...moved]).toEqual([3])
  expect(before).toEqual(contents([7], [100]))
  expect(wrong).toEqual([])
})

test.each<[string, RegExp, Contents, Outcome]>([
  ['half of one', /3 is in the new data without 24/, contents([7], [3]), 'ok'],
  ['the other half', /3 is in the new data without its transfer/, contents([7, 24], []), 'ok'],
  ['one that failed', /3 failed, and is in the new data/, contents([7, 24], [3]), 'fail'],
  ['one below what was there before', /key 1 goes on after/, contents([24, 7], [3]), 'ok'],
])('%s is told', (_what, said, seen, outcome) => {
  expect(divide([wrote(3, outcome)], 18, seen).wrong.join()).toMatch(said)
})
