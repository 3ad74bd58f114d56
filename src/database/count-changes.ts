/**
 * How many rows of each table two branches do not share. The servers hash: each row by its primary key into one of 1024
 * buckets, whose sums come over; of the buckets that differ the hashes of single rows. So both tables are read once,
 * and once more where something differs, and little travels. Exact, but for two rows of one 64-bit hash.
 *
 * Bounded in time by `patience` for each table and in memory by `mostRows`; what was not counted says why.
 */
import type { Millis } from '../lib/time.ts'
import { quoteName, type Session } from './open-database.ts'
import { compareRows, type RowCounts, unlike } from './row-sums.ts'

export interface TableChanges {
  /** As schema.name, quoted where it must be. */
  readonly table: string
  /** `undefined`: not counted. */
  readonly counts: RowCounts | undefined
  /** Why not, or what the counts leave out. */
  readonly remark?: string
}

interface Table {
  readonly name: string
  readonly columns: readonly string[]
  /** Columns of the primary key; empty: it has none. */
  readonly key: readonly string[]
}

/** Rows of unlike buckets of one side that are compared one by one. */
const mostRows = 200_000
const buckets = 1024

/** Only tables where something is other, or nothing could be counted. A transaction in each session is over afterwards. */
export async function countChanges(
  from: Session,
  to: Session,
  patience: Millis,
): Promise<readonly TableChanges[]> {
  const sessions = [from, to] as const
  const each = <T>(work: (session: Session) => Promise<T>): Promise<[T, T]> =>
    both(work(sessions[0]), work(sessions[1]))
  await each(begin)
  try {
    const [before, after] = await each(tablesOf)
    const changes: TableChanges[] = []
    for (const name of [...new Set([...before.keys(), ...after.keys()])].sort()) {
      const found = await countTable([before.get(name), after.get(name)], sessions, patience)
      if (found !== undefined) changes.push({ table: name, ...found })
    }
    return changes
  } finally {
    await each((session) => session.read('ROLLBACK'))
  }
}

/** Texts of values are the same on both sides whatever was set for a role or a database; no policy hides a row unseen. */
async function begin(session: Session): Promise<void> {
  await session.read('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  const settings = {
    search_path: 'pg_catalog',
    TimeZone: 'UTC',
    DateStyle: 'ISO, YMD',
    IntervalStyle: 'postgres',
    extra_float_digits: '1',
    bytea_output: 'hex',
    row_security: 'off',
  }
  for (const [name, value] of Object.entries(settings)) {
    await session.read('SELECT set_config($1, $2, true)', [name, value])
  }
}

async function tablesOf(session: Session): Promise<ReadonlyMap<string, Table>> {
  const rows = await session.read<{ name: string; columns: string[]; key: string[] | null }>(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name,
            array(SELECT a.attname::text FROM pg_attribute AS a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attname) AS columns,
            (SELECT array_agg(a.attname::text ORDER BY a.attname) FROM pg_index AS i
             JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
             WHERE i.indrelid = c.oid AND i.indisprimary) AS key
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND c.relpersistence <> 't'
       AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`,
  )
  return new Map(rows.map(({ name, columns, key }) => [name, { name, columns, key: key ?? [] }]))
}

const none: RowCounts = { added: 0, removed: 0, changed: 0 }

/** What went wrong in one table leaves the transactions as they were. */
async function countTable(
  [before, after]: readonly [Table | undefined, Table | undefined],
  sessions: readonly [Session, Session],
  patience: Millis,
): Promise<Omit<TableChanges, 'table'> | undefined> {
  const all = (text: string) => both(sessions[0].read(text), sessions[1].read(text))
  await all('SAVEPOINT one_table')
  await all(`SET LOCAL statement_timeout = ${Math.ceil(patience)}`) // until ROLLBACK TO
  try {
    if (before !== undefined && after !== undefined) return await countBoth(before, after, sessions)
    const [row] = await sessions[after === undefined ? 0 : 1].read(
      `SELECT count(*)::int AS n FROM ${(after ?? before)?.name}`,
    )
    const n = Number(row?.n)
    if (n === 0) return undefined
    return {
      counts: after === undefined ? { ...none, removed: n } : { ...none, added: n },
    }
  } catch (error) {
    const isSlow = error instanceof Error && 'code' in error && error.code === '57014'
    const why = error instanceof Error ? error.message : String(error)
    const remark = isSlow ? `takes longer than ${patience / 1000} s` : why
    return { counts: undefined, remark }
  } finally {
    await all('ROLLBACK TO SAVEPOINT one_table')
  }
}

async function countBoth(
  before: Table,
  after: Table,
  [from, to]: readonly [Session, Session],
): Promise<Omit<TableChanges, 'table'> | undefined> {
  const columns = before.columns.filter((column) => after.columns.includes(column))
  const isPartial = columns.length < Math.max(before.columns.length, after.columns.length)
  const hasKey = before.key.length > 0 && before.key.join('\n') === after.key.join('\n')
  const row = rowOf(columns)
  const key = hasKey ? rowOf(before.key) : row
  const source = `(SELECT hashtextextended(${key}, 1) AS key_hash, hashtextextended(${row}, 0) AS row_hash FROM ${before.name} AS t) AS hashed`
  const sums = `SELECT (key_hash & ${buckets - 1})::int AS bucket, count(*)::int AS n, sum(row_hash)::text AS sum FROM ${source} GROUP BY 1`
  const which = unlike(...(await both(from.read(sums), to.read(sums))))
  if (which.buckets.length === 0) return undefined
  const remarks = [
    ...(isPartial ? ['by the columns that both have'] : []),
    ...(hasKey ? [] : ['no primary key: a changed row is one removed and one added']),
  ]
  if (which.rows > mostRows) {
    const remark = `at least ${which.buckets.length} rows: too many to compare one by one`
    return { counts: undefined, remark: [remark, ...remarks].join('; ') }
  }
  const rows = `SELECT key_hash::text AS key, row_hash::text AS row FROM ${source} WHERE (key_hash & ${buckets - 1})::int = ANY ($1)`
  const [old, now] = await both(from.read(rows, [which.buckets]), to.read(rows, [which.buckets]))
  const counts = compareRows(old, now)
  return { counts, ...(remarks.length === 0 ? {} : { remark: remarks.join('; ') }) }
}

/** A row's values as one text, in which no two rows meet. */
const rowOf = (columns: readonly string[]): string =>
  `ROW(${columns.map((column) => `t.${quoteName(column)}`).join(', ')})::text`

/** Waits for both, also when the first fails: a session does one thing at a time. */
async function both<T>(one: Promise<T>, other: Promise<T>): Promise<[T, T]> {
  const [first, second] = await Promise.allSettled([one, other])
  if (first.status === 'rejected') throw first.reason
  if (second.status === 'rejected') throw second.reason
  return [first.value, second.value]
}
