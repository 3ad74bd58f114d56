/**
 * Does a branch hold what its source held at one moment? Exactly what was acknowledged before the branch
 * point, nothing that began after it, each transaction wholly, and none without those before it.
 * The order within lists is the other checker's: it sees a branch as one more reader of its source.
 */
import {
  appendsOf,
  type Contents,
  isPrefix,
  type Moment,
  type Transaction,
  transferOf,
  writerOf,
} from './history.ts'

export interface BranchPoint {
  /** What the source held before its first transaction. */
  readonly baseline: Contents
  readonly transactions: readonly Transaction[]
  /** What ended before is in it. */
  readonly notBefore: Moment
  /** What began later is not. */
  readonly notAfter: Moment
}

/** One sentence for each thing that is wrong. */
export function checkBranchPoint(point: BranchPoint, contents: Contents): readonly string[] {
  const { baseline, transactions, notBefore, notAfter } = point
  const wrong: string[] = []
  for (const [key, list] of baseline.lists) {
    const seen = contents.lists.get(key) ?? []
    if (!isPrefix(list, seen)) wrong.push(`key ${key} began as ${list.join(' ')}, is ${seen}`)
  }
  for (const id of baseline.ledger.keys()) {
    if (!contents.ledger.has(id)) wrong.push(`transfer ${id}, inherited, is gone`)
  }
  const values = new Set([...contents.lists.values()].flat())
  const isIn = (transaction: Transaction): boolean =>
    contents.ledger.has(transaction.id) ||
    appendsOf(transaction).some(({ value }) => values.has(value))
  const writers = transactions.filter(
    (one) => appendsOf(one).length > 0 || transferOf(one) !== undefined,
  )
  const lastBegin = writers
    .filter(isIn)
    .reduce((last, { begin }) => Math.max(last, begin), Number.NEGATIVE_INFINITY)
  for (const one of writers) {
    if (isIn(one)) {
      if (one.outcome === 'fail') wrong.push(`transaction ${one.id} failed, and is in it`)
      if (one.begin > notAfter) {
        wrong.push(`transaction ${one.id} began at ${one.begin}, after the point (${notAfter})`)
      }
      for (const { value } of appendsOf(one)) {
        if (!values.has(value)) wrong.push(`transaction ${one.id} is in it without ${value}`)
      }
      if (transferOf(one) !== undefined && !contents.ledger.has(one.id)) {
        wrong.push(`transaction ${one.id} is in it without its transfer`)
      }
    } else if (one.outcome === 'ok') {
      const told = `transaction ${one.id}, acknowledged at ${one.end}, is missing`
      if (one.end < notBefore) wrong.push(`${told}, and the point is not before ${notBefore}`)
      else if (one.end < lastBegin) wrong.push(`${told}, and one begun at ${lastBegin} is there`)
    }
  }
  wrong.push(...strangers(point, contents))
  return wrong
}

function strangers(
  { baseline, transactions }: BranchPoint,
  { lists, ledger }: Contents,
): readonly string[] {
  const known = new Set(transactions.map(({ id }) => id))
  const inherited = new Set([...baseline.lists.values()].flat())
  const values = [...lists.values()]
    .flat()
    .filter((value) => !inherited.has(value) && !known.has(writerOf(value)))
  const transfers = [...ledger.keys()].filter((id) => !baseline.ledger.has(id) && !known.has(id))
  return [
    ...values.map((value) => `value ${value} is nobody’s who wrote to the source`),
    ...transfers.map((id) => `transfer ${id} is nobody’s who wrote to the source`),
  ]
}

/** The same at every later look: of two branches of one snapshot, of a branch nobody wrote to. */
export function differences(expected: Contents, seen: Contents): readonly string[] {
  const text = (contents: Contents): Record<string, string> => ({
    lists: JSON.stringify([...contents.lists].sort(byKey)),
    balances: JSON.stringify([...contents.balances].sort(byKey)),
    ledger: JSON.stringify([...contents.ledger].sort(byKey)),
  })
  const before = text(expected)
  return Object.entries(text(seen)).flatMap(([what, now]) =>
    now === before[what] ? [] : [`${what} were ${short(before[what] ?? '')}, are ${short(now)}`],
  )
}

const byKey = ([a]: readonly [number, unknown], [b]: readonly [number, unknown]): number => a - b
const short = (text: string): string =>
  text.length <= 400 ? text : `${text.slice(0, 200)} … ${text.slice(-200)}`
