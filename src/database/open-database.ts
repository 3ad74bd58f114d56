/** A session of the caller's own in a branch's database. */
import { readFile } from 'node:fs/promises'
import pg from 'pg'
import { seconds } from '../lib/time.ts'

export interface Address {
  readonly host: string
  readonly port: string
  readonly database: string
  readonly user: string
  readonly password: string
  /** Path; empty for the system's own authorities. */
  readonly sslrootcert: string
}

export type Row = Readonly<Record<string, unknown>>

export interface Session {
  /** Rows, with what Postgres calls bigint and numeric as text. */
  read<T extends Row = Row>(text: string, values?: readonly unknown[]): Promise<readonly T[]>
  /** Several statements, in one transaction unless they say otherwise. */
  runScript(text: string): Promise<void>
  close(): Promise<void>
}

/** As long as a branch that sleeps takes to wake up, and more. */
const connectPatience = seconds(60)

/** The server's certificate is checked. Rejects with what Postgres or the network says. */
export async function openSession(address: Address, name = 'lakelet'): Promise<Session> {
  const { host, port, database, user, password, sslrootcert } = address
  const client = new pg.Client({
    host,
    port: Number(port),
    database,
    user,
    password,
    application_name: name,
    connectionTimeoutMillis: connectPatience,
    ssl: sslrootcert === '' ? true : { ca: await readFile(sslrootcert, 'utf8') },
  })
  client.on('error', () => undefined) // the next query says so
  await client.connect()
  return {
    read: async <T extends Row>(text: string, values: readonly unknown[] = []) =>
      (await client.query<T>(text, [...values])).rows,
    runScript: async (text) => {
      await client.query(text)
    },
    close: () => client.end(),
  }
}

export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`
