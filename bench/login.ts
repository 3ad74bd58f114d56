/** Connecting as clients do: TLS through the gateway with a credential; or straight to the socket. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import type { LakeletServer } from './lakelet-server.ts'

export const database = 'databricks_postgres'

export interface Login {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string
  readonly ca: string
}

/** Two requests, one after the other: the endpoint's host, and a credential for it. */
export async function prepareLogin(server: LakeletServer, branch: string): Promise<Login> {
  const [user, ca] = [await server.owner(), readFileSync(server.caFile, 'utf8')]
  const endpoint = await server.endpoint(branch)
  const { token } = await server.postgres('POST', 'credentials', { endpoint: endpoint.name })
  return { host: endpoint.status.hosts.host, port: server.pgPort, user, password: token, ca }
}

export async function connect({ ca, ...login }: Login): Promise<pg.Client> {
  return open(new pg.Client({ ...login, database, ssl: { ca } }))
}

/** As the system's own role; the gateway is not in it. */
export async function connectToSocket(directory: string, name = database): Promise<pg.Client> {
  return open(new pg.Client({ host: directory, user: 'cloud_admin', database: name }))
}

export async function socketOf(server: LakeletServer, branch: string): Promise<string> {
  return join(server.stateDir, 'run', (await server.endpoint(branch)).uid)
}

async function open(client: pg.Client): Promise<pg.Client> {
  client.on('error', () => undefined) // a compute that is stopped under a client is no surprise here
  await client.connect()
  return client
}

/** A row of the source's own data, wherever the branch was made from. */
export const aRow = 'select bid from pgbench_branches limit 1'

/** Milliseconds from the first packet to the first row. */
export async function timeFirstRow(
  connecting: () => Promise<pg.Client>,
  query = aRow,
): Promise<number> {
  const began = performance.now()
  const client = await connecting()
  try {
    const { rows } = await client.query(query)
    const taken = performance.now() - began
    if (rows.length !== 1) throw new Error('the first row is not there')
    return taken
  } finally {
    await client.end()
  }
}

/** Wakes the branch's endpoint and leaves it idle. */
export async function wake(server: LakeletServer, branch: string): Promise<void> {
  const login = await prepareLogin(server, branch)
  await timeFirstRow(() => connect(login), 'select 1')
  await server.expectState(branch, 'ACTIVE')
}
