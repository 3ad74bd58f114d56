/**
 * Opens the catalog: migrates it, takes the server's lock, and listens. The lock is an advisory one
 * of the session that listens: it goes with the process that held it, however that ends.
 */
import { setImmediate as soon } from 'node:timers/promises'
import { Kysely, Migrator, PostgresDialect } from 'kysely'
import pg from 'pg'
import { Fault } from '../domain/faults.ts'
import type { OperationUid } from '../domain/names.ts'
import type { Log } from '../lib/log.ts'
import type { Secret } from '../lib/secret.ts'
import { type Clock, seconds } from '../lib/time.ts'
import type { Catalog, CatalogEvent, CatalogSession, Notes } from '../ports/catalog.ts'
import { branchesIn } from './branches.ts'
import { endpointsIn } from './endpoints.ts'
import { accessTokensIn, identitiesIn } from './identities.ts'
import { migrations } from './migrations.ts'
import { permissionsIn, projectsIn } from './projects.ts'
import type { Schema } from './schema.ts'
import { workIn } from './work.ts'

export type CatalogAddress =
  /** The embedded one: Unix socket directory. */
  | { readonly socketDirectory: string }
  /** Any other Postgres, 15 or later, by connection URL. */
  | { readonly url: Secret }

/** Thrown when another server holds the catalog. */
export class CatalogHeld extends Error {
  override readonly name = 'CatalogHeld'
}

/** Key of the server's advisory lock: "lakelet" in ASCII. */
const serverLock = '30505809236059508'
const databaseName = 'lakelet'

export async function openCatalog(
  address: CatalogAddress,
  { log, clock }: { readonly log: Log; readonly clock: Clock },
): Promise<Catalog> {
  const connection = await connectionOf(address)
  const pool = new pg.Pool({ ...connection, max: 12 })
  const lost = (error: Error) => log.warn({ err: error }, 'a catalog connection was lost')
  pool.on('error', lost)
  // The pool listens to idle connections only; one that is lost between two statements of a transaction
  // would end the process. The next statement fails, and says so.
  pool.on('connect', (client) => client.on('error', lost))
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })
  const listeners = new Set<(event: CatalogEvent) => void>()
  let isClosed = false

  const tell = (event: CatalogEvent) => {
    for (const listener of listeners) listener(event)
  }

  /** Locks and listens on one connection; when it is lost, again on a new one. */
  const hold = async (): Promise<pg.Client> => {
    const client = new pg.Client({ ...connection, keepAlive: true })
    client.on('error', (error) => log.warn({ err: error }, 'the listening connection was lost'))
    await client.connect()
    const { rows } = await client.query('select pg_try_advisory_lock($1) as got', [serverLock])
    if (rows[0]?.got !== true) {
      await client.end()
      throw new CatalogHeld('another Lakelet server is running on this catalog')
    }
    client.on('notification', ({ payload = '' }) => {
      if (payload === 'work' || payload === 'due') tell({ kind: payload })
      else if (payload.startsWith('done ')) {
        tell({ kind: 'done', operation: payload.slice(5) as OperationUid })
      }
    })
    client.on('end', () => {
      if (!isClosed) void holdAgain()
    })
    await client.query('listen lakelet')
    return client
  }
  const holdAgain = async (): Promise<void> => {
    while (!isClosed) {
      try {
        held = await hold()
        tell({ kind: 'work' }) // what was told meanwhile went unheard
        tell({ kind: 'due' })
        return
      } catch (error) {
        log.error({ err: error }, 'cannot listen to the catalog')
        await clock.sleep(seconds(1))
      }
    }
  }

  let held: pg.Client
  try {
    held = await hold()
    await migrate(db)
  } catch (error) {
    isClosed = true
    await pool.end()
    throw error
  }

  const session = sessionIn(db)
  return {
    ...session,
    workspaceId: await workspaceId(db),
    transaction: (work) =>
      db
        .transaction()
        .execute((tx) => work(sessionIn(tx)))
        .catch((error: unknown) => {
          throw asFault(error)
        }),
    onEvent(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    async close() {
      isClosed = true
      await held.end()
      await db.destroy()
      await soon()
    },
  }
}

const sessionIn = (db: Kysely<Schema>): CatalogSession => ({
  notes: notesIn(db),
  projects: projectsIn(db),
  branches: branchesIn(db),
  endpoints: endpointsIn(db),
  identities: identitiesIn(db),
  accessTokens: accessTokensIn(db),
  permissions: permissionsIn(db),
  work: workIn(db),
})

const notesIn = (db: Kysely<Schema>): Notes => ({
  async get(name) {
    const row = await db
      .selectFrom('settings')
      .select('value')
      .where('name', '=', name)
      .executeTakeFirst()
    return row?.value
  },
  async set(name, value) {
    await db
      .insertInto('settings')
      .values({ name, value })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
      .execute()
  },
})

async function connectionOf(address: CatalogAddress): Promise<pg.ClientConfig> {
  if ('url' in address) return { connectionString: address.url.reveal() }
  const base = { host: address.socketDirectory, user: 'cloud_admin' }
  const client = new pg.Client({ ...base, database: 'postgres' })
  client.on('error', () => undefined) // the statement under way or the next one says it
  await client.connect()
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [
      databaseName,
    ])
    if (rowCount === 0) await client.query(`create database ${databaseName}`)
  } finally {
    await client.end()
  }
  return { ...base, database: databaseName }
}

async function migrate(db: Kysely<Schema>): Promise<void> {
  const { error } = await new Migrator({ db, provider: migrations }).migrateToLatest()
  if (error !== undefined) throw new Error('migrate the catalog', { cause: error })
}

/** A number for ever: clients keep it. Sixteen digits, no leading zero. */
async function workspaceId(db: Kysely<Schema>): Promise<string> {
  const fresh = String(
    1_000_000_000_000_000n +
      ((crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n) % 9_000_000_000_000_000n),
  )
  await db
    .insertInto('settings')
    .values({ name: 'workspace_id', value: fresh })
    .onConflict((conflict) => conflict.doNothing())
    .execute()
  const row = await db
    .selectFrom('settings')
    .select('value')
    .where('name', '=', 'workspace_id')
    .executeTakeFirstOrThrow()
  return row.value
}

/** Unique indexes are the last word on what is taken; their names say what. */
const taken = {
  projects_project_id_key: 'PROJECT_EXISTS',
  branches_live_id: 'BRANCH_EXISTS',
  endpoints_id: 'ENDPOINT_EXISTS',
  endpoints_one_read_write: 'READ_WRITE_ENDPOINT_EXISTS',
} as const

function asFault(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || error.code !== '23505') return error
  const reason = taken[error.constraint as keyof typeof taken]
  if (reason !== undefined) return new Fault(reason, {}, { cause: error })
  if (error.constraint === 'identities_login_name_key') {
    return new Fault('IDENTITY_EXISTS', { name: 'of this name' }, { cause: error })
  }
  return error
}
