/** Opens the catalog: takes the server's lock, listens, and brings the schema up to date. */
import { setImmediate as soon } from 'node:timers/promises'
import { Kysely, Migrator, PostgresDialect } from 'kysely'
import pg from 'pg'
import { Fault } from '../domain/faults.ts'
import type { OperationUid } from '../domain/names.ts'
import type { Log } from '../lib/log.ts'
import type { Secret } from '../lib/secret.ts'
import { type Clock, minutes, seconds } from '../lib/time.ts'
import type { Catalog, CatalogEvent, CatalogSession, Notes } from '../ports/catalog.ts'
import { accessTokensIn, clientSecretsIn } from './access-tokens.ts'
import { auditIn } from './audit.ts'
import { backupsIn } from './backups.ts'
import { basesIn } from './bases.ts'
import { bindingsIn } from './bindings.ts'
import { branchesIn } from './branches.ts'
import { directoryIn } from './directory.ts'
import { endpointsIn } from './endpoints.ts'
import { identitiesIn } from './identities.ts'
import { importSourcesIn } from './import-sources.ts'
import { migrations } from './migrations.ts'
import { permissionsIn, projectsIn } from './projects.ts'
import type { Schema } from './schema.ts'
import { type CatalogHeld, takeServerLock } from './server-lock.ts'
import { sightingsIn } from './sightings.ts'
import { oauthRecordsIn, passwordsIn, setupLinksIn, signInAttemptsIn } from './sign-in.ts'
import { snapshotSchedulesIn } from './snapshot-schedules.ts'
import { snapshotsIn } from './snapshots.ts'
import { ttlPoliciesIn } from './ttl-policies.ts'
import { endWarningsIn, webhooksIn } from './webhooks.ts'
import { workIn } from './work.ts'

export type CatalogAddress =
  /** The embedded one: Unix socket directory. */
  | { readonly socketDirectory: string }
  /** Any other Postgres, 15 or later, by connection URL. */
  | { readonly url: Secret }

const databaseName = 'lakelet'

/** No query of ours is long; one that hangs must not hang its caller for ever. */
const bounds = {
  connectionTimeoutMillis: seconds(15),
  statement_timeout: minutes(1),
  keepAlive: true,
}

export interface OpenCatalogOptions {
  readonly log: Log
  readonly clock: Clock
  /**
   * Another server has taken the catalog while our connection was lost. Volumes and computes are that
   * server's now: whoever opened this catalog must end without touching them.
   */
  readonly onTaken?: (error: CatalogHeld) => void
}

export async function openCatalog(
  address: CatalogAddress,
  { log, clock, onTaken = () => undefined }: OpenCatalogOptions,
): Promise<Catalog> {
  const connection = await connectionOf(address)
  const pool = new pg.Pool({ ...connection, ...bounds, max: 12 })
  pool.on('error', (error) => log.warn({ err: error }, 'a catalog connection was lost'))
  // One that breaks while it is used tells its user by the query; without a listener of its own it
  // would end the process as well.
  pool.on('connect', (client) => client.on('error', () => undefined))
  const db = new Kysely<Schema>({ dialect: new PostgresDialect({ pool }) })
  const listeners = new Set<(event: CatalogEvent) => void>()
  const tell = (event: CatalogEvent) => {
    for (const listener of listeners) listener(event)
  }
  const endings: (() => Promise<unknown>)[] = [() => db.destroy()]
  const close = async () => {
    for (const ending of endings.splice(0).reverse()) await ending()
    await soon()
  }
  try {
    const lock = await takeServerLock({
      connection: { ...connection, ...bounds },
      clock,
      log,
      onNotification(payload) {
        if (payload === 'work' || payload === 'due' || payload === 'access') tell({ kind: payload })
        else if (payload.startsWith('done ')) {
          tell({ kind: 'done', operation: payload.slice(5) as OperationUid })
        } else if (payload.startsWith('cancel ')) {
          tell({ kind: 'cancel', operation: payload.slice(7) as OperationUid })
        }
      },
      onResumed() {
        tell({ kind: 'work' })
        tell({ kind: 'due' })
        tell({ kind: 'access' })
      },
      onTaken,
    })
    endings.push(() => lock.close())
    await migrate(db)
    return {
      ...sessionIn(db),
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
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

const sessionIn = (db: Kysely<Schema>): CatalogSession => ({
  notes: notesIn(db),
  sightings: sightingsIn(db),
  projects: projectsIn(db),
  branches: branchesIn(db),
  endpoints: endpointsIn(db),
  snapshots: snapshotsIn(db),
  bases: basesIn(db),
  bindings: bindingsIn(db),
  snapshotSchedules: snapshotSchedulesIn(db),
  identities: identitiesIn(db),
  accessTokens: accessTokensIn(db),
  clientSecrets: clientSecretsIn(db),
  directory: directoryIn(db),
  permissions: permissionsIn(db),
  ttlPolicies: ttlPoliciesIn(db),
  endWarnings: endWarningsIn(db),
  webhooks: webhooksIn(db),
  work: workIn(db),
  oauthRecords: oauthRecordsIn(db),
  passwords: passwordsIn(db),
  setupLinks: setupLinksIn(db),
  signInAttempts: signInAttemptsIn(db),
  audit: auditIn(db),
  backups: backupsIn(db),
  importSources: importSourcesIn(db),
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
  const client = new pg.Client({ ...base, ...bounds, database: 'postgres' })
  client.on('error', () => undefined) // the query in progress tells
  try {
    await client.connect()
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [
      databaseName,
    ])
    if (rowCount === 0) await client.query(`create database ${databaseName}`)
  } finally {
    await client.end().catch(() => undefined)
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
  snapshots_live_id: 'SNAPSHOT_EXISTS',
  endpoints_one_read_write: 'READ_WRITE_ENDPOINT_EXISTS',
} as const

function asFault(error: unknown): unknown {
  if (!(error instanceof pg.DatabaseError) || error.code !== '23505') return error
  const reason = taken[error.constraint as keyof typeof taken]
  if (reason !== undefined) return new Fault(reason, {}, { cause: error })
  if (error.constraint === 'identities_login_name_key') {
    return new Fault(
      'IDENTITY_EXISTS',
      { noun: 'A principal of', name: 'that name' },
      { cause: error },
    )
  }
  return error
}
