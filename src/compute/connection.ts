/**
 * The server's own sessions in a compute: short, as the superuser over the Unix socket, bounded in
 * time, and deaf to whatever settings the endpoint's owner gave the server, the database or the role.
 */
import { Client } from 'pg'
import type { PostgresMajor } from '../domain/project.ts'
import { type Millis, seconds } from '../lib/time.ts'
import { superuser } from './configuration.ts'

export interface ConnectTo {
  readonly socketDirectory: string
  readonly major: PostgresMajor
  /** For the whole of each statement. */
  readonly patience?: Millis
  /** Tried before the databases that are known to be there. */
  readonly firstDatabase?: string | undefined
  /** This one and no other. */
  readonly database?: string
}

export type Row = Readonly<Record<string, string | null>>

export interface Session {
  /** Every value arrives as text, `null` for NULL. */
  query(sql: string, values?: readonly string[]): Promise<readonly Row[]>
}

/** `postgres` may be dropped or closed by its owner; `template1` is always there. */
const databases = ['postgres', 'template1'] as const
const ABSENT_DATABASE = ['3D000', '55000']

export async function withSession<T>(
  to: ConnectTo,
  work: (session: Session) => Promise<T>,
): Promise<T> {
  const client = await connect(to)
  // A connection that breaks between two queries must not end the server; the next query tells.
  client.on('error', () => undefined)
  try {
    return await work({
      query: async (sql, values = []) =>
        (await client.query<Record<string, string | null>>(sql, [...values])).rows,
    })
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function connect(to: ConnectTo): Promise<Client> {
  let refusal: unknown
  for (const database of candidates(to)) {
    const client = new Client({ ...parameters(to), database })
    client.on('error', () => undefined)
    try {
      await client.connect()
      return client
    } catch (error) {
      refusal = error
      await client.end().catch(() => undefined)
      if (!ABSENT_DATABASE.includes(sqlstate(error) ?? '')) throw error
    }
  }
  throw refusal
}

const candidates = ({ database, firstDatabase }: ConnectTo): readonly string[] => {
  if (database !== undefined) return [database]
  return firstDatabase === undefined ? databases : [firstDatabase, ...databases]
}

function parameters({ socketDirectory, major, patience = seconds(10) }: ConnectTo) {
  // Startup options win over postgresql.conf, ALTER SYSTEM, ALTER DATABASE and ALTER ROLE.
  const settings = [
    `statement_timeout=${patience}`,
    'lock_timeout=0',
    'idle_session_timeout=0',
    'idle_in_transaction_session_timeout=0',
    ...(major >= 17 ? ['transaction_timeout=0'] : []),
    'default_transaction_read_only=off',
    'default_transaction_isolation=read\\ committed', // a standby refuses serializable
    'synchronous_commit=on',
    'search_path=pg_catalog',
    'client_min_messages=warning',
  ]
  return {
    host: socketDirectory,
    port: 5432,
    user: superuser,
    password: '',
    ssl: false, // never taken from the environment
    application_name: 'lakelet',
    connectionTimeoutMillis: Math.min(patience, 10_000),
    query_timeout: patience + 5_000, // when the server itself does not answer any more
    options: settings.map((setting) => `-c ${setting}`).join(' '),
    types: { getTypeParser: () => (value: string) => value },
  }
}

export const sqlstate = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
