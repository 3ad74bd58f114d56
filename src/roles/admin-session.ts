/**
 * Short sessions of `cloud_admin` on a compute's Unix socket. A member may own the database that we
 * visit, so nothing of theirs may steer us: settings that `ALTER DATABASE … SET` could have planted
 * are overruled in the startup packet, above all `search_path`.
 */
import pg from 'pg'
import { defaultDatabase } from '../domain/branch.ts'
import type { Log } from '../lib/log.ts'
import { type Millis, seconds } from '../lib/time.ts'
import { adminDatabase, lockKey, superuser } from './role-names.ts'

export interface AdminSession {
  rows<T extends object>(sql: string, values?: readonly unknown[]): Promise<readonly T[]>
  /** The same, planned once for the whole session. */
  prepared<T extends object>(name: string, sql: string): Promise<readonly T[]>
  run(statement: string): Promise<void>
  /** In one transaction that no other session of ours overlaps (in this database). */
  alone<T>(work: () => Promise<T>): Promise<T>
}

const usualPatience: Millis = seconds(30)

const optionsFor = (patience: Millis): string =>
  Object.entries({
    ...settings,
    statement_timeout: String(patience),
    idle_in_transaction_session_timeout: String(patience),
  })
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(' ')

const settings: Readonly<Record<string, string>> = {
  search_path: 'pg_catalog,pg_temp',
  default_transaction_read_only: 'off',
  default_transaction_isolation: 'read\\ committed',
  role: 'none',
  row_security: 'off',
  quote_all_identifiers: 'off',
  standard_conforming_strings: 'on',
  lock_timeout: '10s',
}

/** How long a session for looking waits for the next look. */
const kept: Millis = seconds(5)

export class AdminDoor {
  readonly #log: Log
  /** Sessions for looking, by socket directory; a directory leaves with its last session. */
  readonly #looks = new Map<string, pg.Pool>()

  constructor(log: Log) {
    this.#log = log
  }

  /**
   * Like `visit`, in a session that stays open for some seconds after the work, because to open one costs
   * more than to look. The work may be done twice: a compute that was started again since the last look
   * shows as a broken session.
   */
  async look<T>(socketDirectory: string, work: (session: AdminSession) => Promise<T>): Promise<T> {
    const pool = this.#looksAt(socketDirectory)
    const client = await pool.connect().catch((error: unknown) => {
      this.#forget(socketDirectory, pool) // a session that never was is not told as removed
      throw error
    })
    let failure: unknown
    try {
      return await work(sessionOf(client))
    } catch (error) {
      failure = error
      if (!isBrokenSession(error)) throw error
    } finally {
      client.release(failure !== undefined) // what failed is not kept
    }
    return await this.visit(socketDirectory, work)
  }

  #looksAt(socketDirectory: string): pg.Pool {
    const open = this.#looks.get(socketDirectory)
    if (open !== undefined) return open
    const pool = new pg.Pool({
      ...sessionAt(socketDirectory, adminDatabase, usualPatience),
      idleTimeoutMillis: kept,
      allowExitOnIdle: true,
    })
    pool.on('error', () => undefined) // said by the session itself, which may also be in use
    pool.on('connect', (client) => this.#outlive(client))
    pool.on('remove', () => this.#forget(socketDirectory, pool))
    this.#looks.set(socketDirectory, pool)
    return pool
  }

  #forget(socketDirectory: string, { totalCount, waitingCount }: pg.Pool): void {
    if (totalCount === 0 && waitingCount === 0) this.#looks.delete(socketDirectory)
  }

  /**
   * For what is the same in every database (roles, memberships): in the one that clients use first, so
   * that what a session reads into memory at its start is there for theirs.
   */
  async visitShared<T>(
    socketDirectory: string,
    work: (session: AdminSession) => Promise<T>,
  ): Promise<T> {
    try {
      return await this.visit(socketDirectory, work, defaultDatabase)
    } catch (error) {
      if (!(error instanceof pg.DatabaseError && isAbsentDatabase(error.code))) throw error
      return await this.visit(socketDirectory, work)
    }
  }

  /** Opens a session, does the work, closes it. `patience` is for each statement. */
  async visit<T>(
    socketDirectory: string,
    work: (session: AdminSession) => Promise<T>,
    database: string = adminDatabase,
    patience: Millis = usualPatience,
  ): Promise<T> {
    const client = new pg.Client(sessionAt(socketDirectory, database, patience))
    this.#outlive(client)
    await client.connect()
    try {
      return await work(sessionOf(client))
    } finally {
      await client.end().catch(() => undefined) // the work's own outcome is what counts
    }
  }

  /** A connection that breaks between two queries must not take the server down. */
  #outlive(client: pg.ClientBase): void {
    client.on('error', (error) => this.#log.debug({ err: error }, 'admin session broke'))
  }
}

const sessionAt = (
  socketDirectory: string,
  database: string,
  patience: Millis,
): pg.ClientConfig => ({
  host: socketDirectory,
  port: 5432,
  user: superuser,
  database,
  options: optionsFor(patience),
  application_name: 'lakelet roles',
  connectionTimeoutMillis: usualPatience,
  query_timeout: patience + seconds(5), // when Postgres itself does not answer any more
})

/** Postgres ended it (class 57), or said nothing any more. */
const isBrokenSession = (error: unknown): boolean =>
  !(error instanceof pg.DatabaseError) || error.code?.startsWith('57P') === true

/** Dropped, renamed, or closed by its owner. */
const isAbsentDatabase = (code: string | undefined): boolean => code === '3D000' || code === '55000'

function sessionOf(client: pg.ClientBase): AdminSession {
  const rows = async <T extends object>(sql: string, values: readonly unknown[] = []) =>
    (await client.query<T>(sql, [...values])).rows
  const run = async (statement: string) => {
    await client.query(statement)
  }
  return {
    rows,
    async prepared<T extends object>(name: string, text: string) {
      return (await client.query<T>({ name, text })).rows
    },
    run,
    async alone(work) {
      await run('BEGIN')
      try {
        await rows('SELECT pg_advisory_xact_lock($1::bigint)', [lockKey])
        const result = await work()
        await run('COMMIT')
        return result
      } catch (error) {
        await run('ROLLBACK').catch(() => undefined) // the first error is the one to tell
        throw error
      }
    },
  }
}

export interface Planned {
  readonly statement: string
}

/**
 * Plan, then act: `plan` is one query that answers with the statements which are still needed, built
 * by `format('%I')` inside Postgres. Nothing to do costs one round trip and takes no lock.
 */
export async function settle(
  session: AdminSession,
  plan: string,
  values: readonly unknown[] = [],
): Promise<number> {
  if ((await session.rows<Planned>(plan, values)).length === 0) return 0
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await session.alone(async () => {
        const steps = await session.rows<Planned>(plan, values)
        for (const { statement } of steps) await session.run(statement)
        return steps.length
      })
    } catch (error) {
      // Our lock keeps us apart from ourselves, not from a member who grants the same role right now.
      if (attempt === 3 || !isCollision(error)) throw error
    }
  }
}

const isCollision = (error: unknown): boolean =>
  error instanceof pg.DatabaseError &&
  (error.code === '23505' ||
    error.code === '40P01' ||
    (error.code === 'XX000' && /concurrently (updated|deleted)/.test(error.message)))
