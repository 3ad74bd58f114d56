/** What hashes of rows say of two tables. */
import { expect, test } from 'vitest'
import { compareRows, unlike } from './row-sums.ts'

test('buckets that are missing, fuller or of another sum are unlike', () => {
  const before = [
    { bucket: 1, n: 2, sum: '5' },
    { bucket: 2, n: 3, sum: '6' },
    { bucket: 3, n: 1, sum: '7' },
  ]
  const after = [
    { bucket: 1, n: 2, sum: '5' },
    { bucket: 2, n: 3, sum: '9' },
    { bucket: 4, n: 4, sum: '7' },
  ]
  expect(unlike(before, after)).toEqual({ buckets: [2, 3, 4], rows: 7 })
  expect(unlike(before, before)).toEqual({ buckets: [], rows: 0 })
})

test('with a key a row is added, removed or changed', () => {
  const before = [
    { key: 'a', row: '1' },
    { key: 'b', row: '1' },
    { key: 'c', row: '1' },
  ]
  const after = [
    { key: 'b', row: '2' },
    { key: 'c', row: '1' },
    { key: 'd', row: '4' },
    { key: 'e', row: '5' },
  ]
  expect(compareRows(before, after)).toEqual({ added: 2, removed: 1, changed: 1 })
})

test('without one equal rows count as often as they are there', () => {
  const rows = (n: number) => Array.from({ length: n }, () => ({ key: 'x', row: 'x' }))
  expect(compareRows(rows(100_000), rows(99_997))).toEqual({ added: 0, removed: 3, changed: 0 })
  expect(compareRows([], rows(2))).toEqual({ added: 2, removed: 0, changed: 0 })
})
