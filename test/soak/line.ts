/**
 * A line is one history of data that somebody writes to: what it began with, and every transaction since.
 * A branch begins one at its birth, and another when it is reset or restored.
 */
import { checkBranchPoint } from './branch-point.ts'
import type { Contents, Moment, Transaction } from './history.ts'
import { checkListAppend } from './list-append.ts'

/** Appends go to so many keys at a time, and to each until its list is this long. */
const keysAtOnce = 6
const longestList = 40

/** A moment of the source, as Postgres names it. */
export interface Mark {
  readonly before: Moment
  readonly after: Moment
  readonly lsn: string
  /** With microseconds, as a timestamp of the API. */
  readonly time: string
}

export class Line {
  readonly baseline: Contents
  readonly marks: Mark[] = []
  readonly #transactions = new Map<number, Transaction>()
  readonly #keys: number[]
  /** Keys that somebody appended to, or would have. */
  readonly #written = new Set<number>()
  #nextKey: number

  constructor(baseline: Contents) {
    this.baseline = baseline
    const inherited = [...baseline.lists.keys()].sort((a, b) => b - a)
    this.#nextKey = (inherited[0] ?? 0) + 1
    this.#keys = inherited.slice(0, keysAtOnce)
    while (this.#keys.length < keysAtOnce) this.#keys.push(this.#newKey())
  }

  #newKey(): number {
    this.#nextKey += 1
    return this.#nextKey
  }

  /** Keys that are written to now. */
  get keys(): readonly number[] {
    return this.#keys
  }

  get transactions(): readonly Transaction[] {
    return [...this.#transactions.values()]
  }

  /** Known from its begin on, so that a branch that holds it holds nothing unheard of. */
  record(transaction: Transaction): void {
    this.#transactions.set(transaction.id, transaction)
    for (const step of transaction.steps) {
      if (step.do === 'append') this.#written.add(step.key)
      if (step.do !== 'read' || step.list.length < longestList) continue
      const at = this.#keys.indexOf(step.key)
      if (at !== -1) this.#keys[at] = this.#newKey()
    }
  }

  /**
   * Its data was replaced at some moment since `began`: these transactions were done to the other data,
   * and what the rest read since then may have been of either.
   */
  replaced(began: Moment, moved: ReadonlySet<number>): void {
    for (const one of this.transactions) {
      if (one.end <= began) continue
      if (moved.has(one.id)) this.#transactions.delete(one.id)
      else {
        const steps = one.steps.filter((step) => step.do !== 'read')
        this.#transactions.set(one.id, { ...one, steps })
      }
    }
  }

  /** What a branch, a reader or a last look saw of it is a read of all lists. */
  observe(id: number, contents: Contents, begin: Moment, end: Moment): void {
    this.record({
      id,
      isolation: 'read committed',
      begin,
      end,
      outcome: 'ok',
      steps: [...new Set([...contents.lists.keys(), ...this.#written])].map((key) => ({
        do: 'read',
        key,
        list: contents.lists.get(key) ?? [],
      })),
    })
  }

  /** Taken at some moment after the first and before the second. */
  checkPoint(contents: Contents, notBefore: Moment, notAfter: Moment): readonly string[] {
    const { baseline, transactions } = this
    return checkBranchPoint({ baseline, transactions, notBefore, notAfter }, contents)
  }

  /** Of all that was done on it. */
  check(): readonly string[] {
    const found = checkListAppend({
      transactions: this.transactions,
      baseline: this.baseline.lists,
    })
    return found.map(({ kind, what }) => `${kind}: ${what}`)
  }
}
