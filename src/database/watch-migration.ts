/**
 * Looks on, from a session of its own, while a migration works in a database: sessions of the same login, the locks that
 * they hold on tables that were there before, and how long their statements run.
 */
import { type Clock, type Millis, millis } from '../lib/time.ts'
import { LockLedger, type LockReport } from './lock-ledger.ts'
import type { Session } from './open-database.ts'

export interface WatchReport extends LockReport {
  /** Tables that were there before and were written anew, which takes their size once more; or emptied. */
  readonly rewritten: readonly { relation: string; bytes: number }[]
}

interface Table {
  readonly name: string
  readonly file: string
  readonly bytes: number
}

/** Between the end of one look and the next. */
const pause = millis(10)

/** Begins with a first look, so that nothing which comes later is missed. The session is the watch's until `stop`. */
export async function watchMigration(
  session: Session,
  clock: Clock,
): Promise<{ stop(): Promise<WatchReport> }> {
  const before = await tablesOf(session)
  const ledger = new LockLedger()
  const look = async () => ledger.add(await lookAt(session, before, clock))
  await look()
  let isOver = false
  let failure: unknown
  const watching = (async () => {
    while (!isOver) {
      await clock.sleep(pause)
      await look()
    }
  })().catch((error: unknown) => {
    failure = error // told at the end: the migration goes on
  })
  return {
    stop: async () => {
      isOver = true
      await watching
      if (failure !== undefined) throw failure
      const after = await tablesOf(session)
      const rewritten = [...before].flatMap(([oid, { name, file, bytes }]) => {
        const now = after.get(oid)
        return now === undefined || now.file === file ? [] : [{ relation: name, bytes }]
      })
      return { ...ledger.report(), rewritten }
    },
  }
}

const ofPeople = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`

/** By oid: tables, materialized views, and what else can be locked by name. */
async function tablesOf(session: Session): Promise<ReadonlyMap<string, Table>> {
  const rows = await session.read(
    `SELECT c.oid::text, n.nspname || '.' || c.relname AS name, coalesce(pg_relation_filenode(c.oid), 0)::text AS file,
            CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) ELSE 0 END::text AS bytes
     FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'm', 'p', 'f', 'v') AND ${ofPeople}`,
  )
  return new Map(
    rows.map(({ oid, name, file, bytes }) => [
      String(oid),
      { name: String(name), file: String(file), bytes: Number(bytes) },
    ]),
  )
}

const longestText = 300

async function lookAt(session: Session, tables: ReadonlyMap<string, Table>, clock: Clock) {
  const [row] = await session.read<{ sessions: Seen[]; locks: SeenRow[] }>(
    `WITH others AS (
       SELECT pid, backend_start, query_start, state, left(query, ${longestText}) AS text,
              extract(epoch FROM CASE state WHEN 'active' THEN clock_timestamp() ELSE state_change END - query_start) AS ran
       FROM pg_stat_activity
       WHERE datname = current_database() AND usename = session_user AND pid <> pg_backend_pid()
     )
     SELECT coalesce((SELECT json_agg(o) FROM others AS o), '[]') AS sessions,
            coalesce((SELECT json_agg(json_build_object('holder', l.pid || '/' || l.virtualtransaction, 'mode', l.mode,
                                                        'oid', coalesce(i.indrelid, l.relation)::text))
                      FROM pg_locks AS l LEFT JOIN pg_index AS i ON i.indexrelid = l.relation
                      WHERE l.locktype = 'relation' AND l.granted AND l.pid IN (SELECT pid FROM others)), '[]') AS locks`,
  )
  const { sessions = [], locks = [] } = row ?? {}
  return {
    at: clock.monotonic(),
    sessions: sessions.map(({ pid, backend_start }) => `${pid} ${backend_start}`),
    statements: sessions
      .filter(({ query_start }) => query_start !== null)
      .map(({ pid, query_start, text, ran }) => ({
        key: `${pid} ${query_start}`,
        text: text.replace(/\s+/g, ' ').trim(),
        ran: secondsOf(ran),
      })),
    locks: locks.flatMap(({ holder, mode, oid }) => {
      const table = tables.get(oid)
      return table === undefined ? [] : [{ holder, mode, relation: table.name }]
    }),
  }
}

const secondsOf = (seconds: number | null): Millis => millis(Math.max(0, (seconds ?? 0) * 1000))

interface Seen {
  readonly pid: number
  readonly backend_start: string
  readonly query_start: string | null
  readonly text: string
  readonly ran: number | null
}

interface SeenRow {
  readonly holder: string
  readonly mode: string
  readonly oid: string
}
