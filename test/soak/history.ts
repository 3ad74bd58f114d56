/**
 * What writers did and what they know of it: the record that checkers judge. Moments are numbers of one
 * counter in the process that asks, so "ended before the other began" is known for sure.
 */

/** Position in the soak's one sequence of events; later is larger. */
export type Moment = number

export type Isolation = 'serializable' | 'read committed'

/** `unknown`: COMMIT was sent and nothing came back. `fail`: surely not committed. */
export type Outcome = 'ok' | 'fail' | 'unknown'

export interface Append {
  readonly do: 'append'
  readonly key: number
  readonly value: number
}
export interface Read {
  readonly do: 'read'
  readonly key: number
  readonly list: readonly number[]
}
/** A row of the ledger, named by its transaction. */
export interface Transfer {
  readonly do: 'transfer'
  readonly from: number
  readonly to: number
  readonly amount: number
}

export interface Transaction {
  readonly id: number
  readonly isolation: Isolation
  /** Before its first statement was sent. */
  readonly begin: Moment
  /** After its last answer came, or was given up. */
  readonly end: Moment
  readonly outcome: Outcome
  readonly steps: readonly (Append | Read | Transfer)[]
}

export type Lists = ReadonlyMap<number, readonly number[]>

/** Everything that a branch holds, read in one snapshot. */
export interface Contents {
  readonly lists: Lists
  readonly balances: ReadonlyMap<number, number>
  /** By transaction. */
  readonly ledger: ReadonlyMap<number, Transfer>
}

/** At most so many appends in a transaction. */
export const valuesPerTransaction = 8
export const valueBy = (transaction: number, append: number): number =>
  transaction * valuesPerTransaction + append
export const writerOf = (value: number): number => Math.floor(value / valuesPerTransaction)

export const appendsOf = ({ steps }: Transaction): readonly Append[] =>
  steps.filter((step) => step.do === 'append')
export const readsOf = ({ steps }: Transaction): readonly Read[] =>
  steps.filter((step) => step.do === 'read')
export const transferOf = ({ steps }: Transaction): Transfer | undefined =>
  steps.find((step) => step.do === 'transfer')

export const isPrefix = (short: readonly number[], long: readonly number[]): boolean =>
  short.length <= long.length && short.every((value, at) => long[at] === value)
