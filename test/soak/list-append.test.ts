/** The checker finds each anomaly when it is planted, and nothing in histories that a database may have. */
import { describe, expect, test } from 'vitest'
import { type Isolation, type Outcome, type Transaction, valueBy } from './history.ts'
import { type AnomalyKind, checkListAppend } from './list-append.ts'

type Planned = readonly ['append', number, number] | readonly ['read', number, ...number[]]

interface More {
  readonly outcome?: Outcome
  readonly isolation?: Isolation
  readonly begin?: number
  readonly end?: number
}

/** One after the other unless it says otherwise; values are of the transactions that append them. */
function transaction(id: number, planned: readonly Planned[], more: More = {}): Transaction {
  return {
    id,
    isolation: 'read committed',
    begin: id * 10,
    end: id * 10 + 5,
    outcome: 'ok',
    ...more,
    steps: planned.map(([what, key, ...values]) =>
      what === 'append'
        ? { do: 'append', key, value: valueBy(id, values[0] ?? 0) }
        : { do: 'read', key, list: values },
    ),
  }
}
const first = (id: number): number => valueBy(id, 0)

const kinds = (
  transactions: readonly Transaction[],
  baseline: ReadonlyMap<number, readonly number[]> = new Map(),
): readonly AnomalyKind[] => [
  ...new Set(checkListAppend({ transactions, baseline }).map(({ kind }) => kind)),
]
const appendTo = (key: number) => [['append', key, 0]] as const

describe('nothing is found', () => {
  test('in reads that grow, of one key and of two', () => {
    const transactions = [
      transaction(1, appendTo(1)),
      transaction(2, [
        ['append', 1, 0],
        ['append', 2, 1],
        ['read', 1, first(1), first(2)],
      ]),
      transaction(3, [
        ['read', 1, first(1), first(2)],
        ['read', 2, valueBy(2, 1)],
      ]),
    ]
    expect(checkListAppend({ transactions, baseline: new Map() })).toEqual([])
  })

  test('when a read and an append were under way at once, whichever came first', () => {
    const during = { begin: 1, end: 100 }
    for (const seen of [[], [first(1)]]) {
      expect(
        kinds([transaction(1, appendTo(1), during), transaction(2, [['read', 1, ...seen]])]),
      ).toEqual([])
    }
  })

  test('when what nobody heard of again is there, or is not', () => {
    const unknown = transaction(1, appendTo(1), { outcome: 'unknown' })
    expect(kinds([unknown, transaction(2, [['read', 1, first(1)]])])).toEqual([])
    expect(kinds([unknown, transaction(2, [['read', 1]])])).toEqual([])
    // What it saw of itself binds nobody: it may never have been.
    const sawItself = transaction(1, [...appendTo(1), ['read', 1, first(1)]], {
      outcome: 'unknown',
    })
    const other = transaction(2, [...appendTo(1), ['read', 1, first(2)]])
    expect(kinds([sawItself, other])).toEqual([])
  })

  test('in what a line inherited', () => {
    const read = transaction(1, [['read', 1, 7, 8]])
    expect(kinds([read], new Map([[1, [7, 8]]]))).toEqual([])
  })

  test('in a write skew under read committed', () => {
    expect(kinds(writeSkew('read committed'))).toEqual([])
  })
})

/** Each saw nothing of what the other wrote. */
const writeSkew = (isolation: Isolation): readonly Transaction[] => {
  const during = { begin: 1, end: 20, isolation }
  return [
    transaction(
      1,
      [
        ['read', 2],
        ['append', 1, 0],
      ],
      during,
    ),
    transaction(
      2,
      [
        ['read', 1],
        ['append', 2, 0],
      ],
      during,
    ),
    transaction(3, [
      ['read', 1, first(1)],
      ['read', 2, first(2)],
    ]),
  ]
}

describe('planted, it is found:', () => {
  const one = transaction(1, appendTo(1))
  const two = transaction(2, appendTo(1))

  test.each<[AnomalyKind, string, readonly Transaction[], (readonly number[])?]>([
    ['lost append', 'a lost update', [one, two, transaction(3, [['read', 1, first(2)]])]],
    ['lost append', 'all of it gone', [one, transaction(2, [['read', 1]])]],
    ['duplicate', 'one value twice', [one, transaction(2, [['read', 1, first(1), first(1)]])]],
    [
      'incompatible order',
      'two reads that disagree',
      [
        one,
        two,
        transaction(3, [['read', 1, first(1), first(2)]]),
        transaction(4, [['read', 1, first(2), first(1)]]),
      ],
    ],
    [
      'incompatible order',
      'what was inherited in another order',
      [transaction(1, [['read', 1, 8, 7]])],
      [7, 8],
    ],
    [
      'aborted read',
      'a value of one that failed',
      [{ ...one, outcome: 'fail' }, transaction(2, [['read', 1, first(1)]])],
    ],
    [
      'intermediate read',
      'a value that its writer had not done with',
      [
        transaction(1, [
          ['append', 1, 0],
          ['append', 1, 1],
        ]),
        transaction(2, [['read', 1, valueBy(1, 0)]], { begin: 11, end: 12 }),
      ],
    ],
    ['value from nowhere', 'what nobody wrote', [transaction(1, [['read', 1, 4711]])]],
    [
      'stale read',
      'a read that missed what another had seen',
      [
        { ...one, outcome: 'unknown' },
        transaction(2, [['read', 1, first(1)]]),
        transaction(3, [['read', 1]]),
      ],
    ],
    [
      'torn transaction',
      'half of one that nobody heard of again',
      [
        transaction(
          1,
          [
            ['append', 1, 0],
            ['append', 2, 1],
          ],
          { outcome: 'unknown' },
        ),
        transaction(2, [
          ['read', 1, valueBy(1, 0)],
          ['read', 2],
        ]),
      ],
    ],
    [
      'internal',
      'its own append unseen',
      [
        transaction(1, [
          ['append', 1, 0],
          ['read', 1],
        ]),
      ],
    ],
    [
      'internal',
      'a serializable one that sees something new',
      [
        { ...one, end: 100 },
        transaction(
          2,
          [
            ['read', 1],
            ['read', 1, first(1)],
          ],
          { isolation: 'serializable' },
        ),
      ],
    ],
    [
      'cycle',
      'each read what the other wrote',
      [
        transaction(
          1,
          [
            ['append', 1, 0],
            ['read', 2, first(2)],
          ],
          { end: 100 },
        ),
        transaction(
          2,
          [
            ['append', 2, 0],
            ['read', 1, first(1)],
          ],
          { end: 100 },
        ),
      ],
    ],
    ['cycle', 'a write skew of serializable ones', writeSkew('serializable')],
  ])('%s: %s', (kind, _what, transactions, inherited) => {
    const baseline = new Map(inherited === undefined ? [] : [[1, inherited]])
    expect(kinds(transactions, baseline)).toContain(kind)
  })
})
