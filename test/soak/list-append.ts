/**
 * Is a history of appends and reads one that a database may have? The idea is Elle's list-append
 * (https://github.com/jepsen-io/elle; Kingsbury and Alvaro, 2020): each value is appended once, so the
 * longest read of a key tells in which order its writers committed, and with it who depends on whom.
 * Pure: what is found is a list of sentences, and none of them is a matter of timing.
 */

import { cyclesOf, type Dependencies } from './dependency-cycles.ts'
import {
  appendsOf,
  isPrefix,
  type Lists,
  type Moment,
  type Read,
  readsOf,
  type Transaction,
} from './history.ts'

export type AnomalyKind =
  | 'duplicate'
  | 'value from nowhere'
  | 'aborted read'
  | 'intermediate read'
  | 'incompatible order'
  | 'lost append'
  | 'stale read'
  | 'torn transaction'
  | 'internal'
  | 'cycle'

export interface Anomaly {
  readonly kind: AnomalyKind
  readonly what: string
}

export interface ListHistory {
  readonly transactions: readonly Transaction[]
  /** What the lists held before the first of them. */
  readonly baseline: Lists
}

interface SeenRead extends Read {
  readonly by: Transaction
}

export function checkListAppend({ transactions, baseline }: ListHistory): readonly Anomaly[] {
  const found: Anomaly[] = []
  const report = (kind: AnomalyKind, what: string) => void found.push({ kind, what })
  const writers = writersOf(transactions)
  const reads = new Map<number, SeenRead[]>()
  for (const by of transactions) {
    if (by.outcome === 'fail') continue // what an aborted one saw binds nobody
    for (const read of readsOf(by)) {
      if (isOwnDoing(read, by)) continue
      grouped(reads, read.key).push({ ...read, by })
    }
    checkInternally(by, report)
  }
  const orders = new Map<number, readonly number[]>()
  for (const key of new Set([...baseline.keys(), ...reads.keys()])) {
    const known: KeyHistory = {
      key,
      baseline: baseline.get(key) ?? [],
      reads: reads.get(key) ?? [],
      appends: writers.appends.get(key) ?? [],
    }
    const order = longest(known)
    orders.set(key, order)
    checkValues(known, order, writers.ofValue, report)
    checkOrder(known, order, report)
    checkRealTime(known, order, report)
  }
  checkWholeness(transactions, orders, reads, report)
  const dependencies = dependenciesOf(orders, reads, writers.ofValue, baseline)
  for (const cycle of cyclesOf(dependencies)) report('cycle', cycle)
  return found
}

/** One that may not have committed saw its own append: nobody else need ever see it. */
const isOwnDoing = ({ list }: Read, by: Transaction): boolean =>
  by.outcome === 'unknown' && appendsOf(by).some(({ value }) => list.includes(value))

type Report = (kind: AnomalyKind, what: string) => void

interface SeenAppend {
  readonly value: number
  readonly by: Transaction
}
interface KeyHistory {
  readonly key: number
  readonly baseline: readonly number[]
  readonly reads: readonly SeenRead[]
  readonly appends: readonly SeenAppend[]
}

const grouped = <T>(groups: Map<number, T[]>, key: number): T[] => {
  const group = groups.get(key) ?? []
  groups.set(key, group)
  return group
}

function writersOf(transactions: readonly Transaction[]) {
  const ofValue = new Map<number, Transaction>()
  const appends = new Map<number, SeenAppend[]>()
  for (const by of transactions) {
    for (const { key, value } of appendsOf(by)) {
      ofValue.set(value, by)
      grouped(appends, key).push({ value, by })
    }
  }
  return { ofValue, appends }
}

const longest = ({ reads, baseline }: KeyHistory): readonly number[] =>
  reads.reduce<readonly number[]>(
    (best, { list }) => (list.length > best.length ? list : best),
    baseline,
  )

function checkValues(
  { key, baseline, reads }: KeyHistory,
  order: readonly number[],
  writer: ReadonlyMap<number, Transaction>,
  report: Report,
): void {
  const known = new Set(baseline)
  for (const value of new Set([...reads.flatMap(({ list }) => list), ...order])) {
    if (known.has(value)) continue
    const by = writer.get(value)
    if (by === undefined) report('value from nowhere', `key ${key} held ${value}`)
    else if (by.outcome === 'fail') {
      report('aborted read', `key ${key} held ${value} of transaction ${by.id}, which failed`)
    }
  }
  for (const { list, by } of reads) {
    if (new Set(list).size !== list.length) {
      report('duplicate', `transaction ${by.id} read key ${key} as ${list.join(' ')}`)
    }
    const last = list.at(-1)
    const lastBy = last === undefined ? undefined : writer.get(last)
    if (lastBy === undefined || lastBy === by) continue
    const own = appendsOf(lastBy).filter((append) => append.key === key)
    if (own.at(-1)?.value !== last) {
      report('intermediate read', `transaction ${by.id} read key ${key} amid ${lastBy.id}`)
    }
  }
}

function checkOrder(
  { key, baseline, reads }: KeyHistory,
  order: readonly number[],
  report: Report,
): void {
  if (!isPrefix(baseline, order)) {
    report('incompatible order', `key ${key} began as ${baseline.join(' ')}`)
  }
  for (const { list, by } of reads) {
    if (isPrefix(list, order)) continue
    const told = `${by.id} read key ${key} as ${list.join(' ')}, another as ${order.join(' ')}`
    report('incompatible order', `transaction ${told}`)
  }
}

/** What was surely committed before a read began is in it. */
function checkRealTime(
  { key, reads, appends }: KeyHistory,
  order: readonly number[],
  report: Report,
): void {
  const place = new Map(order.map((value, at) => [value, at]))
  // Since when somebody knows that the first n values are committed, by n.
  const knownSince: Moment[] = new Array(order.length + 1).fill(Number.POSITIVE_INFINITY)
  const learn = (length: number, since: Moment) => {
    knownSince[length] = Math.min(knownSince[length] ?? Number.POSITIVE_INFINITY, since)
  }
  const missing: { readonly value: number; readonly since: Moment; readonly by: number }[] = []
  for (const { value, by } of appends) {
    const at = place.get(value)
    if (at !== undefined && by.outcome === 'ok') learn(at + 1, by.end)
    if (at === undefined && by.outcome === 'ok') missing.push({ value, since: by.end, by: by.id })
  }
  // What the unknown saw in transactions that did not commit is nobody's knowledge.
  for (const { list, by } of reads) if (by.outcome === 'ok') learn(list.length, by.end)
  for (let length = order.length - 1; length >= 0; length -= 1) {
    learn(length, knownSince[length + 1] ?? Number.POSITIVE_INFINITY)
  }
  let lastBegin = Number.NEGATIVE_INFINITY
  for (const { list, by } of reads) {
    if (by.outcome !== 'ok') continue
    lastBegin = Math.max(lastBegin, by.begin)
    const since = knownSince[list.length + 1] ?? Number.POSITIVE_INFINITY
    if (since < by.begin) {
      const told = `saw ${list.length} values of key ${key}, of which more were known at ${since}`
      report('stale read', `transaction ${by.id}, begun at ${by.begin}, ${told}`)
    }
  }
  for (const { value, since, by } of missing) {
    if (since >= lastBegin) continue
    report('lost append', `${value} of transaction ${by}, acknowledged at ${since}, key ${key}`)
  }
}

/** Of a transaction all appends are there or none, as far as the keys were read after it. */
function checkWholeness(
  transactions: readonly Transaction[],
  orders: Lists,
  reads: ReadonlyMap<number, readonly SeenRead[]>,
  report: Report,
): void {
  const seen = new Set([...orders.values()].flat())
  const lastRead = new Map(
    [...reads].map(([key, all]) => [key, Math.max(...all.map(({ by }) => by.begin))]),
  )
  for (const transaction of transactions) {
    if (transaction.outcome !== 'unknown') continue // acknowledged ones are asked for one by one
    const appends = appendsOf(transaction)
    const there = appends.filter(({ value }) => seen.has(value))
    const gone = appends.filter(
      ({ key, value }) => !seen.has(value) && (lastRead.get(key) ?? 0) > transaction.end,
    )
    if (there.length > 0 && gone.length > 0) {
      const values = gone.map(({ value }) => value).join(' ')
      report('torn transaction', `of ${transaction.id} there is no ${values}`)
    }
  }
}

/** A transaction sees its own appends, and what it saw once it sees again. */
function checkInternally(by: Transaction, report: Report): void {
  const expected = new Map<
    number,
    { readonly list: readonly number[]; readonly isWhole: boolean }
  >()
  for (const step of by.steps) {
    if (step.do === 'transfer') continue
    const before = expected.get(step.key) ?? { list: [], isWhole: false }
    if (step.do === 'append') {
      expected.set(step.key, { ...before, list: [...before.list, step.value] })
      continue
    }
    if (!isAsExpected(step.list, before, by)) {
      const told = `read key ${step.key} as ${step.list.join(' ')} after ${before.list.join(' ')}`
      report('internal', `transaction ${by.id} ${told}`)
    }
    expected.set(step.key, { list: step.list, isWhole: true })
  }
}

/** A serializable one sees nothing new; read committed may, but forgets nothing. */
function isAsExpected(
  list: readonly number[],
  before: { readonly list: readonly number[]; readonly isWhole: boolean },
  by: Transaction,
): boolean {
  if (by.isolation === 'read committed') return before.list.every((value) => list.includes(value))
  const from = before.isWhole ? 0 : Math.max(0, list.length - before.list.length)
  const tail = list.slice(from)
  return tail.length === before.list.length && isPrefix(before.list, tail)
}

function dependenciesOf(
  orders: Lists,
  reads: ReadonlyMap<number, readonly SeenRead[]>,
  writer: ReadonlyMap<number, Transaction>,
  baseline: Lists,
): Dependencies {
  const edges: { from: Transaction; to: Transaction; kind: 'ww' | 'wr' | 'rw'; key: number }[] = []
  const add = (
    from: Transaction | undefined,
    to: Transaction | undefined,
    kind: 'ww' | 'wr' | 'rw',
    key: number,
  ) => {
    if (from !== undefined && to !== undefined && from !== to) edges.push({ from, to, kind, key })
  }
  for (const [key, order] of orders) {
    const inherited = baseline.get(key)?.length ?? 0
    const at = (index: number) => {
      const value = index < inherited ? undefined : order[index]
      return value === undefined ? undefined : writer.get(value)
    }
    for (let index = inherited + 1; index < order.length; index += 1) {
      add(at(index - 1), at(index), 'ww', key)
    }
    for (const { list, by } of reads.get(key) ?? []) {
      if (by.outcome !== 'ok' || !isPrefix(list, order)) continue
      add(at(list.length - 1), by, 'wr', key)
      add(by, at(list.length), 'rw', key)
    }
  }
  return edges
}
