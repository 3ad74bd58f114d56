/**
 * A branch whose data was replaced while it was written to: who wrote meanwhile reached the old data or the
 * new. What is in the new is taken out again, so that the rest can be compared with where it came from;
 * what is not must be in the previous state, which is kept.
 */
import { appendsOf, type Contents, type Moment, type Transaction, transferOf } from './history.ts'

export interface Divided {
  /** Ids of transactions that reached the new data. */
  readonly moved: ReadonlySet<number>
  /** The new data without them. */
  readonly before: Contents
  /** One sentence for each thing that is wrong. */
  readonly wrong: readonly string[]
}

export function divide(
  transactions: readonly Transaction[],
  began: Moment,
  contents: Contents,
): Divided {
  const values = new Set([...contents.lists.values()].flat())
  const meanwhile = transactions.filter(({ end }) => end > began)
  const reached = meanwhile.filter(
    (one) => contents.ledger.has(one.id) || appendsOf(one).some(({ value }) => values.has(value)),
  )
  const moved = new Set(reached.map(({ id }) => id))
  const taken = new Set(reached.flatMap((one) => appendsOf(one).map(({ value }) => value)))
  const wrong = reached.flatMap((one) => [
    ...(one.outcome === 'fail' ? [`transaction ${one.id} failed, and is in the new data`] : []),
    ...appendsOf(one)
      .filter(({ value }) => !values.has(value))
      .map(({ value }) => `transaction ${one.id} is in the new data without ${value}`),
    ...(transferOf(one) === undefined || contents.ledger.has(one.id)
      ? []
      : [`transaction ${one.id} is in the new data without its transfer`]),
  ])
  for (const [key, list] of contents.lists) {
    const first = list.findIndex((value) => taken.has(value))
    if (first !== -1 && !list.slice(first).every((value) => taken.has(value))) {
      wrong.push(`key ${key} goes on after what was written to the new data: ${list.join(' ')}`)
    }
  }
  const lists = [...contents.lists].map(
    ([key, list]) => [key, list.filter((value) => !taken.has(value))] as const,
  )
  return {
    moved,
    before: {
      lists: new Map(lists.filter(([, list]) => list.length > 0)),
      ledger: new Map([...contents.ledger].filter(([id]) => !moved.has(id))),
      balances: contents.balances, // judged by the whole ledger
    },
    wrong,
  }
}
