/** `@databricks/lakebase`, unmodified: by its environment alone, and under the query builders that take it. */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import {
  createLakebasePool,
  generateDatabaseCredential,
  getLakebaseOrmConfig,
  getLakebasePgConfig,
  getUsernameWithApiLookup,
  getWorkspaceClient,
} from '@databricks/lakebase'
import { PrismaPg } from '@prisma/adapter-pg'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import knexFor from 'knex'
import pg from 'pg'
import { apiOf, check } from '../../clients/api.mjs'
import { NotRun, row } from '../rows.mjs'
import { makeServicePrincipal } from '../service-principal.mjs'

const project = 'lakebase-driver'
const branch = `projects/${project}/branches/production`
const endpoint = `${branch}/endpoints/primary`
const api = apiOf(process.env.DATABRICKS_TOKEN)

await api.finished(await api.postgres('POST', `projects?project_id=${project}`, {}))
const { status } = await api.endpoint(branch)
Object.assign(process.env, {
  PGHOST: status.hosts.host,
  PGDATABASE: 'databricks_postgres',
  PGSSLMODE: 'require',
  LAKEBASE_ENDPOINT: endpoint,
})
delete process.env.PGUSER

/** Hands a pool to the work and ends it, whatever comes. */
async function withPool(config, work) {
  const pool = createLakebasePool(config)
  try {
    return await work(pool)
  } finally {
    await pool.end()
  }
}

const user = await row('getUsernameWithApiLookup', async () => {
  const login = await getUsernameWithApiLookup()
  check(login === (await api.me()).userName, `${login}`)
  return login
})
process.env.PGUSER = user

await row('createLakebasePool, by its environment alone', () =>
  withPool(undefined, async (pool) => {
    const { rows } = await pool.query('SELECT current_user AS who')
    check(rows[0].who === user, JSON.stringify(rows))
  }),
)

await row('createLakebasePool, ten connections at once', () =>
  withPool({ max: 10 }, async (pool) => {
    const all = await Promise.all(
      Array.from({ length: 10 }, () => pool.query('SELECT pg_sleep(0.2), pg_backend_pid() AS pid')),
    )
    check(new Set(all.map(({ rows }) => rows[0].pid)).size === 10, 'ten backends')
  }),
)

await row('createLakebasePool, sslMode require refuses a stranger’s certificate', async () => {
  const script = `import { createLakebasePool } from '@databricks/lakebase'
    const pool = createLakebasePool()
    await pool.query('SELECT 1').then(() => process.exit(7), (error) => { console.error(error.message); process.exit(3) })`
  const env = { ...process.env }
  delete env.NODE_EXTRA_CA_CERTS
  const cwd = import.meta.dirname
  const done = spawnSync(process.execPath, ['--input-type=module', '-e', script], { env, cwd })
  check(done.status === 3 && /certificate/.test(done.stderr), `${done.status}: ${done.stderr}`)
})

await row('createLakebasePool, sslMode prefer', () =>
  withPool({ sslMode: 'prefer' }, async (pool) => {
    await pool.query('SELECT 1')
  }),
)

await row('generateDatabaseCredential, getWorkspaceClient', async () => {
  const credential = await generateDatabaseCredential(getWorkspaceClient({}), { endpoint })
  check(Date.parse(credential.expire_time) > Date.now(), credential.expire_time)
})

await row('generateDatabaseCredential, an absent endpoint is refused', async () => {
  const absent = { endpoint: `${branch}/endpoints/absent` }
  const refused = await generateDatabaseCredential(getWorkspaceClient({}), absent).then(
    () => undefined,
    (error) => error,
  )
  check(/endpoint id not found/.test(refused?.message), `${refused}`)
})

await row('getLakebasePgConfig with node-postgres', async () => {
  const pool = new pg.Pool(getLakebasePgConfig())
  try {
    const { rows } = await pool.query('SELECT 1 AS one')
    check(rows[0].one === 1, JSON.stringify(rows))
  } finally {
    await pool.end()
  }
})

await row('Drizzle on the pool', () =>
  withPool(undefined, async (pool) => {
    const notes = pgTable('drizzle_note', { id: integer('id').primaryKey(), text: text('text') })
    const db = drizzle(pool)
    await db.execute('CREATE TABLE drizzle_note (id integer PRIMARY KEY, text text)')
    await db.transaction((within) => within.insert(notes).values([{ id: 1, text: 'one' }]))
    const found = await db.select().from(notes).where(eq(notes.id, 1))
    check(found[0].text === 'one', JSON.stringify(found))
  }),
)

await row('Knex with getLakebaseOrmConfig', async () => {
  const { username, ...connection } = getLakebaseOrmConfig()
  const knex = knexFor({ client: 'pg', connection: { ...connection, user: username } })
  try {
    await knex.schema.createTable('knex_note', (table) => {
      table.increments('id')
      table.text('text')
    })
    await knex('knex_note').insert({ text: 'one' })
    const found = await knex('knex_note').select('id', 'text')
    check(found[0].text === 'one', JSON.stringify(found))
  } finally {
    await knex.destroy()
  }
})

/** The client needs no engine; only its migrations do, and the generator asks for that one's path. */
function prismaClient() {
  const bin = join(import.meta.dirname, 'node_modules/.bin/prisma')
  const schema = join(import.meta.dirname, 'schema.prisma')
  const env = {
    ...process.env,
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    CHECKPOINT_DISABLE: '1',
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
  }
  const done = spawnSync(bin, ['generate', '--schema', schema], { env, encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`prisma generate: ${done.stderr}`)
  return createRequire(import.meta.url)('./node_modules/.generated/prisma/index.js').PrismaClient
}

await row('Prisma Client, with PrismaPg on the pool', () =>
  withPool(undefined, async (pool) => {
    await pool.query('CREATE TABLE prisma_note (id integer PRIMARY KEY, text text NOT NULL)')
    const prisma = new (prismaClient())({ adapter: new PrismaPg(pool) })
    try {
      await prisma.prismaNote.createMany({ data: [{ id: 1, text: 'one' }] })
      await prisma.$transaction([prisma.prismaNote.create({ data: { id: 2, text: 'two' } })])
      const found = await prisma.prismaNote.findMany({ orderBy: { id: 'asc' } })
      check(found.length === 2 && found[1].text === 'two', JSON.stringify(found))
    } finally {
      await prisma.$disconnect()
    }
  }),
)

await row('Prisma Migrate', () => {
  throw new NotRun(
    'its schema engine is a binary that Prisma downloads from a host of its own; npm does not carry it',
  )
})

await row('createLakebasePool as a service principal, oauth-m2m', async () => {
  const { clientId, clientSecret } = await makeServicePrincipal('driver-m2m', [project])
  delete process.env.DATABRICKS_TOKEN
  delete process.env.PGUSER
  Object.assign(process.env, {
    DATABRICKS_CLIENT_ID: clientId,
    DATABRICKS_CLIENT_SECRET: clientSecret,
  })
  await withPool(undefined, async (pool) => {
    const { rows } = await pool.query('SELECT current_user AS who')
    check(rows[0].who === clientId, JSON.stringify(rows))
  })
})

await api.finished(await api.postgres('DELETE', `projects/${project}?purge=true`))
