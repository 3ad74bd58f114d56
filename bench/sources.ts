/**
 * Branches to make branches of: pgbench's tables for the write load, and a table that fills the rest
 * up to the size asked for. Settled afterwards, so that an idle source has nothing left to write.
 */
import type { LakeletServer } from './lakelet-server.ts'
import { connect, connectToSocket, prepareLogin, socketOf } from './login.ts'
import { fillTpcb } from './pgbench.ts'
import { readableBytes } from './tables.ts'

export interface Source {
  readonly name: string
  readonly bytes: number
  readonly scale: number
}

/** Four of these rows fill a page, with nothing compressed or moved out of line. */
const rowBytes = 2048
const batchRows = 500_000

export class Sources {
  readonly #server: LakeletServer
  readonly #say: (text: string) => void
  readonly #made = new Map<number, Promise<Source>>()

  constructor(server: LakeletServer, say: (text: string) => void) {
    this.#server = server
    this.#say = say
  }

  ofSize(bytes: number): Promise<Source> {
    const made = this.#made.get(bytes) ?? this.#make(bytes)
    this.#made.set(bytes, made)
    return made
  }

  async #make(bytes: number): Promise<Source> {
    const server = this.#server
    const scale = Math.min(20, Math.max(1, Math.floor(bytes / (25 * 1024 ** 2))))
    const began = performance.now()
    const id = `source-${Math.round(bytes / 1024 ** 2)}mb`
    const { name } = await server.createBranch('projects/store', id)
    const login = await prepareLogin(server, name)
    await fillTpcb({ login, caFile: server.caFile }, scale)
    const client = await connect(login)
    try {
      await client.query(
        `create table filler (n int, body text storage plain) with (autovacuum_enabled = off)`,
      )
      const { rows } = await client.query(
        'select pg_database_size(current_database())::float8 as size',
      )
      let missing = Math.ceil((bytes - rows[0].size) / rowBytes)
      while (missing > 0) {
        const batch = Math.min(missing, batchRows)
        await client.query(
          'insert into filler select n, repeat(md5(n::text), 59) from generate_series(1, $1::int) n',
          [batch],
        )
        missing -= batch
      }
    } finally {
      await client.end()
    }
    const admin = await connectToSocket(await socketOf(server, name))
    try {
      await admin.query('vacuum (analyze) pgbench_accounts')
      await admin.query('checkpoint')
    } finally {
      await admin.end()
    }
    const seconds = Math.round((performance.now() - began) / 1000)
    this.#say(`filled a source of ${readableBytes(bytes)} in ${seconds} s`)
    return { name, bytes, scale }
  }
}
