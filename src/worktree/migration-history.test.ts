/** What the code's migrations and the database's say of each other. */
import { describe, expect, test } from 'vitest'
import { type AppliedRow, compareHistories, type Step } from './migration-history.ts'

const row = (id: string, extra: Partial<AppliedRow> = {}): AppliedRow => ({
  id,
  isFailed: false,
  isBaseline: false,
  ...extra,
})
const list = (...ids: string[]): Step[] => ids.map((id) => ({ id, name: `${id}_name` }))
const node = (id: string, ...after: string[]): Step => ({ id, name: id, after })

describe('a list', () => {
  test('what is not applied is pending, what only the database knows is ahead', () => {
    expect(compareHistories(list('1', '2', '3'), [row('1'), row('9')])).toEqual({
      appliedCount: 1,
      pending: ['2_name', '3_name'],
      late: [],
      ahead: ['9'],
      failed: [],
      heads: [],
    })
    expect(compareHistories([], [row('1')]).ahead).toEqual(['1'])
  })

  test('one that comes before an applied one is late', () => {
    expect(compareHistories(list('1', '2', '3'), [row('1'), row('3')])).toMatchObject({
      pending: ['2_name'],
      late: ['2_name'],
    })
  })

  test('two that claim one place are two heads', () => {
    expect(compareHistories([...list('1', '2'), { id: '2', name: '2_other' }], []).heads).toEqual([
      ['2_name', '2_other'],
    ])
  })

  test('up to a baseline all is applied, by number and not by letter', () => {
    const status = compareHistories(list('1', '2', '10', '11'), [
      row('10', { isBaseline: true }),
      row('11', { isFailed: true }),
    ])
    expect(status).toMatchObject({
      appliedCount: 3,
      pending: ['11_name'],
      ahead: [],
      failed: ['11'],
    })
  })
})

describe('a graph', () => {
  const graph = [node('d', 'b', 'c'), node('a'), node('c', 'a'), node('b', 'a')]

  test('a table of the last ones alone stands for all before them', () => {
    const status = compareHistories(graph, [row('b')], { isHeadsOnly: true })
    expect(status).toMatchObject({ appliedCount: 2, pending: ['c', 'd'], late: [], heads: [] })
  })

  test('what nothing follows is a head; what is only needed is one as well', () => {
    const two: Step[] = [node('a'), node('b', 'a'), { ...node('c', 'a'), needs: ['b'] }]
    expect(compareHistories(two, [], { isHeadsOnly: true }).heads).toEqual([['b', 'c']])
    expect(compareHistories(two, [row('c')], { isHeadsOnly: true }).pending).toEqual([])
  })

  test('each history has its own last one, and those of others are no concern', () => {
    const apps = [node('shop.1'), node('shop.2', 'shop.1', 'auth.7'), node('pay.1', 'shop.1')]
    const status = compareHistories(apps, [row('auth.8'), row('shop.9')], {
      historyOf: (id) => id.split('.')[0] ?? '',
    })
    expect(status).toMatchObject({ ahead: ['shop.9'], heads: [], appliedCount: 0 })
  })

  test('a squashed one stands for its parts, unless some of them are applied and some are not', () => {
    const squashed: Step[] = [
      node('1'),
      node('2', '1'),
      { ...node('1_squashed_2'), replaces: ['1', '2'] },
      node('3', '2'),
    ]
    const of = (...ids: string[]) =>
      compareHistories(
        squashed,
        ids.map((id) => row(id)),
      )
    expect(of()).toMatchObject({ pending: ['1_squashed_2', '3'], heads: [] })
    expect(of('1')).toMatchObject({ pending: ['2', '3'], heads: [] })
    expect(of('1', '2')).toMatchObject({ pending: ['3'], ahead: [], heads: [] })
    expect(of('1_squashed_2', '3')).toMatchObject({ pending: [], heads: [] })
  })
})
