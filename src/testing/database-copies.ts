/**
 * Copies of one database of a branch, in the same Postgres: `CREATE DATABASE … TEMPLATE` takes some 50 ms for a schema without
 * much data, since it copies bytes (https://www.postgresql.org/docs/current/sql-createdatabase.html). By the write-ahead log:
 * copying files instead makes two checkpoints, which cost more than so few pages.
 */
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { millis } from '../lib/time.ts'
import type { Copies } from './test-pool.ts'

export interface TemplatePlace {
  readonly host: string
  readonly port: number
  readonly user: string
  /** Asked at each login. */
  readonly password: () => Promise<string>
  /** File of the authority; `undefined`: those that this program trusts anyway. */
  readonly caFile: string | undefined
  /** A database that is there, from which the others are made and dropped. */
  readonly database: string
}

const idle = millis(10_000)

/** What keeps a database from being copied, with what to do about it. */
export class TemplateInUse extends Error {
  override readonly name = 'TemplateInUse'
  readonly hint = 'Close every connection that the migrations opened before they are over.'

  constructor(cause: unknown) {
    super('the migrated database cannot be copied: sessions are open on it', { cause })
  }
}

export class DatabaseCopies implements Copies<string> {
  static readonly template = 'test_template'
  readonly #sessions: pg.Pool
  #made = 0

  static async at({ caFile, ...place }: TemplatePlace): Promise<DatabaseCopies> {
    const ssl = caFile === undefined ? true : { ca: await readFile(caFile, 'utf8') }
    return new DatabaseCopies({ ...place, ssl, max: 2, idleTimeoutMillis: idle })
  }

  private constructor(config: pg.PoolConfig) {
    this.#sessions = new pg.Pool(config)
    this.#sessions.on('error', () => undefined) // an idle one was ended, for the next there is another
  }

  /** Empty, for migrations. The branch is this run's own, so nobody else has one of its name. */
  async makeTemplate(): Promise<void> {
    await this.#sessions.query(`create database ${DatabaseCopies.template}`)
  }

  async make(): Promise<string> {
    this.#made += 1
    const name = `test_${this.#made}`
    try {
      await this.#sessions.query(
        `create database ${name} template ${DatabaseCopies.template} strategy wal_log`,
      )
    } catch (error) {
      throw isInUse(error) ? new TemplateInUse(error) : error
    }
    return name
  }

  /** Ends the sessions on it. */
  async remove(name: string): Promise<void> {
    await this.#sessions.query(`drop database if exists ${name} with (force)`)
  }

  async end(): Promise<void> {
    await this.#sessions.end()
  }
}

/** https://www.postgresql.org/docs/current/errcodes-appendix.html: object_in_use */
const isInUse = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === '55006'
