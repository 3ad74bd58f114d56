/**
 * One statement on a branch, within bounds. What may happen is decided by Postgres: to read is a READ ONLY transaction with a
 * credential that may do nothing else; to change rows is a transaction that is undone when the catalog changed in it.
 * The extended protocol takes one statement alone, so nothing can end the transaction and go on.
 */
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import type { Branch } from '../../client/resources.ts'
import { type Millis, seconds, timer } from '../../lib/time.ts'
import { Refusal } from '../refusal.ts'
import { accessTo } from '../worktree-branch.ts'
import { catalogMark } from './catalog-mark.ts'
import { howToAllow, type Session } from './tool.ts'

export interface Statement {
  readonly text: string
  readonly params: readonly (string | null)[]
  readonly database: string
  readonly does: 'read' | 'write' | 'ddl'
  readonly timeout: Millis
  readonly bounds: Bounds
}

export interface Bounds {
  readonly rows: number
  /** Of all values together, in characters. */
  readonly size: number
}

export interface Outcome {
  /** As Postgres tags it: SELECT, INSERT, … */
  readonly command: string
  /** Rows that the statement returned or changed; of a read that was cut short, `undefined`. */
  readonly count: number | undefined
  readonly columns: readonly string[]
  /** In Postgres's own text form. */
  readonly rows: readonly (readonly (string | null)[])[]
  readonly isCut: boolean
}

/** Reading takes the shortest credential there is: it is used once, at once. */
export const toRead = { claims: [{ permission_set: 'READ_ONLY' }], ttl: '300s' }
const longestValue = 4_000
/** Beyond the statement's own time, for the way there and back and for a compute that wakes. */
const grace = seconds(30)

export async function runStatement(
  branch: Branch,
  statement: Statement,
  session: Session,
): Promise<Outcome> {
  const { client, connection, io, login, signal } = session
  const narrowed = statement.does === 'read' ? toRead : { ttl: '300s' }
  const access = await accessTo(client, connection, branch, statement, login, io, narrowed)
  const ca = access.sslrootcert === '' ? undefined : await readFile(access.sslrootcert, 'utf8')
  const postgres = new pg.Client({
    host: access.host,
    port: Number(access.port),
    user: access.user,
    password: access.password,
    database: access.database,
    ssl: ca === undefined ? true : { ca },
    application_name: 'lakelet mcp',
    types: { getTypeParser: () => (text: string) => text },
    connectionTimeoutMillis: grace,
  })
  postgres.on('error', () => undefined) // told by the statement that it interrupts
  const stop = () => void postgres.end().catch(() => undefined)
  const late = timer((statement.timeout + grace) as Millis, stop)
  signal.addEventListener('abort', stop)
  try {
    signal.throwIfAborted()
    await postgres.connect()
    // A client that goes away ends its statement on the server too.
    await postgres.query(
      `SET client_connection_check_interval = '1s'; SET statement_timeout = ${statement.timeout}`,
    )
    return await within(postgres, statement)
  } finally {
    signal.removeEventListener('abort', stop)
    late.cancel()
    stop()
  }
}

function within(postgres: pg.Client, statement: Statement): Promise<Outcome> {
  switch (statement.does) {
    case 'read':
      return reading(postgres, statement)
    case 'write':
      return writing(postgres, statement)
    case 'ddl':
      // By itself, as some statements want it: CREATE INDEX CONCURRENTLY, CREATE DATABASE, VACUUM.
      return execute(postgres, statement, () => undefined)
  }
}

/** Cut short as soon as there is enough; the session ends with it. */
async function reading(postgres: pg.Client, statement: Statement): Promise<Outcome> {
  await postgres.query('BEGIN READ ONLY')
  return execute(postgres, statement, () => void postgres.end().catch(() => undefined))
}

async function writing(postgres: pg.Client, statement: Statement): Promise<Outcome> {
  // One snapshot, so that only what this very transaction did to the catalog shows.
  await postgres.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  const before = await catalogMark(postgres)
  const outcome = await execute(postgres, statement, () => undefined)
  await postgres.query('SET CONSTRAINTS ALL IMMEDIATE') // what would run at the commit runs now
  if ((await catalogMark(postgres)) !== before) {
    await postgres.query('ROLLBACK')
    throw new Refusal(
      'the statement changed the schema, so it was undone',
      `Change the schema by a migration. ${howToAllow('ddl')}`,
    )
  }
  await postgres.query('COMMIT')
  return outcome
}

/** `onEnough`: called once, when the bounds are reached; what comes after is counted, not kept. */
function execute(
  postgres: pg.Client,
  { text, params, bounds }: Statement,
  onEnough: () => void,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const rows: (readonly (string | null)[])[] = []
    let columns: readonly string[] = []
    let size = 0
    let isCut = false
    const config = { text, values: [...params], rowMode: 'array', queryMode: 'extended' }
    const query = new pg.Query<(string | null)[]>(config)
    query.on('row', (row, result) => {
      columns = result?.fields.map(({ name }) => name) ?? []
      if (isCut) return
      const values = row.map(shortened)
      size += values.reduce((sum, value) => sum + (value?.length ?? 4), 0)
      if (rows.length < bounds.rows && size <= bounds.size) {
        rows.push(values)
        return
      }
      isCut = true
      onEnough()
      resolve({ command: 'SELECT', count: undefined, columns, rows, isCut })
    })
    query.on('error', reject)
    query.on('end', ({ command, rowCount, fields }) => {
      columns = fields.map(({ name }) => name)
      resolve({ command, count: rowCount ?? undefined, columns, rows, isCut })
    })
    postgres.query(query)
  })
}

const shortened = (value: string | null): string | null =>
  value === null || value.length <= longestValue
    ? value
    : `${value.slice(0, longestValue)}… (${value.length} characters)`
