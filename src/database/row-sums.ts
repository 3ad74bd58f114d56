/** What hashes of rows say of two tables. Pure. */
import type { Row } from './open-database.ts'

export interface RowCounts {
  readonly added: number
  readonly removed: number
  readonly changed: number
}

/** Buckets whose rows are not the same on both sides, and how many rows the fuller side has in them. */
export function unlike(
  before: readonly Row[],
  after: readonly Row[],
): { readonly buckets: readonly number[]; readonly rows: number } {
  const [old, now] = [before, after].map(
    (rows) => new Map(rows.map((row) => [Number(row.bucket), row])),
  )
  const buckets = [...new Set([...(old?.keys() ?? []), ...(now?.keys() ?? [])])].filter(
    (bucket) => {
      const [one, other] = [old?.get(bucket), now?.get(bucket)]
      return one?.n !== other?.n || one?.sum !== other?.sum
    },
  )
  const count = (rows: Map<number, Row> | undefined) =>
    buckets.reduce((sum, bucket) => sum + Number(rows?.get(bucket)?.n ?? 0), 0)
  return { buckets, rows: Math.max(count(old), count(now)) }
}

/** By key, of which a table without a primary key may have several of one. */
export function compareRows(before: readonly Row[], after: readonly Row[]): RowCounts {
  const [old, now] = [tally(before), tally(after)]
  const counts = { added: 0, removed: 0, changed: 0 }
  for (const key of new Set([...old.keys(), ...now.keys()])) {
    const [was, is] = [old.get(key) ?? new Map(), now.get(key) ?? new Map()]
    const gone = surplus(was, is)
    const come = surplus(is, was)
    const changed = Math.min(gone, come)
    counts.changed += changed
    counts.removed += gone - changed
    counts.added += come - changed
  }
  return counts
}

type Tally = ReadonlyMap<string, number>

/** Of each key, how many rows of each hash. */
function tally(rows: readonly Row[]): ReadonlyMap<string, Tally> {
  const found = new Map<string, Map<string, number>>()
  for (const { key, row } of rows) {
    const own = found.get(String(key)) ?? new Map<string, number>()
    own.set(String(row), (own.get(String(row)) ?? 0) + 1)
    found.set(String(key), own)
  }
  return found
}

/** How many rows of the one are left when each of the other took one like it away. */
const surplus = (one: Tally, other: Tally): number =>
  [...one].reduce((sum, [row, n]) => sum + Math.max(0, n - (other.get(row) ?? 0)), 0)
