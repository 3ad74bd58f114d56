/**
 * The proof of shared ownership: migration tools as they are, one member migrating what another made,
 * on the branch and on a physical copy of it, where a third one comes new.
 */
import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import { runner } from 'node-pg-migrate'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createLog } from '../../src/lib/log.ts'
import { run } from '../../src/lib/subprocess.ts'
import { systemClock } from '../../src/lib/time.ts'
import { openRoles } from '../../src/roles/open-roles.ts'
import {
  installedMajors,
  type ThrowawayCluster,
  type ThrowawayPostgres,
  throwawayPostgres,
} from '../../src/roles/throwaway-cluster.fixture.ts'
import { drizzleFolder } from './drizzle-folder.ts'
import { isInstalled } from './installed-programs.ts'
import { pythonTools } from './python-tools.ts'

interface Target {
  readonly socketDirectory: string
  readonly user: string
  readonly database: string
}

interface Tool {
  readonly name: string
  /** Brings the database from `from` migrations applied to `to` of 0, 1 and 2. */
  migrate(target: Target, from: number, to: number): Promise<void>
  /** A column that says which migration is the last: `name` after the first, `title` or `price` after the second. */
  readonly table: string
  readonly second: string
}

const here = import.meta.dirname
const clientOf = ({ socketDirectory, user, database }: Target) =>
  new pg.Client({ host: socketDirectory, user, database })

const alembic: Tool = {
  name: 'Alembic',
  table: 'products',
  second: 'title',
  async migrate({ socketDirectory, user, database }, from, to) {
    const url = new URL(`postgresql+psycopg://localhost/${database}`)
    url.searchParams.set('host', socketDirectory)
    await run(
      join(await pythonTools(), 'alembic'),
      [to > from ? 'upgrade' : 'downgrade', to === 0 ? 'base' : `000${to}`],
      {
        cwd: join(here, 'alembic'),
        env: {
          DATABASE_URL: url.href.replace('localhost', ''),
          PGUSER: user,
          PYTHONDONTWRITEBYTECODE: '1',
        },
      },
    )
  },
}

const drizzleOrm: Tool = {
  name: 'Drizzle',
  table: 'products',
  second: 'title',
  async migrate(target, from, to) {
    const client = clientOf(target)
    await client.connect()
    try {
      if (to < from) {
        // Drizzle has no way down: teams drop and migrate again.
        await client.query('DROP TABLE IF EXISTS orders; DROP TABLE products; DROP TYPE kind')
        await client.query('DROP SCHEMA drizzle CASCADE')
      }
      if (to > 0) {
        const folder = await drizzleFolder(join(target.socketDirectory, `../drizzle-${to}`), to)
        await migrate(drizzle(client), { migrationsFolder: folder })
      }
    } finally {
      await client.end()
    }
  },
}

const nodePgMigrate: Tool = {
  name: 'node-pg-migrate',
  table: 'products',
  second: 'title',
  async migrate({ socketDirectory, user, database }, from, to) {
    await runner({
      databaseUrl: { host: socketDirectory, user, database },
      dir: join(here, 'node-pg-migrate'),
      migrationsTable: 'pgmigrations',
      direction: to > from ? 'up' : 'down',
      count: Math.abs(to - from),
      log: () => undefined,
    })
  },
}

const psql: Tool = {
  name: 'psql',
  table: 'shop.products',
  second: 'price',
  async migrate({ socketDirectory, user, database }, from, to) {
    const steps =
      to > from
        ? [1, 2].filter((n) => n > from && n <= to)
        : [2, 1].filter((n) => n <= from && n > to)
    for (const step of steps) {
      await run('psql', [
        ...['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', socketDirectory, '-U', user, '-d', database],
        ...['-f', join(here, 'psql', `${step}-${to > from ? 'up' : 'down'}.sql`)],
      ])
    }
  },
}

const tools = [
  ...((await isInstalled('python3')) ? [alembic] : []),
  drizzleOrm,
  nodePgMigrate,
  ...((await isInstalled('psql')) ? [psql] : []),
]
const ana = 'ana@x.example'
const bo = '5d0e1a52-0000-4000-8000-000000000002'
const cy = 'cy+new@x.example'

describe.each(installedMajors.filter((major) => major === 15 || major === 17))(
  'migrations on Postgres %i',
  (major) => {
    const roles = openRoles({ clock: systemClock, log: createLog('test') })
    let postgres: ThrowawayPostgres
    let cluster: ThrowawayCluster

    beforeAll(async () => {
      if (tools.includes(alembic)) await pythonTools()
      postgres = await throwawayPostgres(major)
      cluster = await postgres.create()
      const socket = cluster.socketDirectory
      await roles.prepareCluster(socket)
      await roles.ensureManager(socket, { loginName: ana, kind: 'USER' })
      await roles.ensureManager(socket, { loginName: bo, kind: 'SERVICE_PRINCIPAL' })
    }, 400_000)
    afterAll(async () => {
      await postgres?.remove()
    })

    const columns = async (target: Target, table: string) => {
      const client = clientOf(target)
      await client.connect()
      try {
        const { rows } = await client.query<{ name: string }>(
          `SELECT attname AS name FROM pg_attribute
           WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped`,
          [table],
        )
        return rows.map(({ name }) => name)
      } finally {
        await client.end()
      }
    }

    // A database each, made by one member and first used by the other: that too must not matter.
    const databaseOf = (tool: Tool) => tool.name.toLowerCase().replaceAll('-', '_')
    const at = (tool: Tool, on: ThrowawayCluster, user: string): Target => ({
      socketDirectory: on.socketDirectory,
      user,
      database: databaseOf(tool),
    })

    test.each(tools)('$name: one member goes on, and back, where another stopped', async (tool) => {
      const maker = clientOf({ ...at(tool, cluster, bo), database: 'databricks_postgres' })
      await maker.connect()
      await maker.query(`CREATE DATABASE ${databaseOf(tool)}`)
      await maker.end()

      const asAna = at(tool, cluster, ana)
      const asBo = at(tool, cluster, bo)
      await tool.migrate(asAna, 0, 1)
      expect(await columns(asBo, tool.table)).not.toContain(tool.second)
      await tool.migrate(asBo, 1, 2)
      expect(await columns(asAna, tool.table)).toContain(tool.second)
      await tool.migrate(asAna, 2, 1)
      await tool.migrate(asBo, 1, 0)
      expect(await columns(asBo, tool.table)).toEqual([])
      await tool.migrate(asBo, 0, 1)
    })

    test('without the triggers the same steps are refused', async () => {
      const root = clientOf({ ...at(nodePgMigrate, cluster, 'cloud_admin'), database: 'postgres' })
      await root.connect()
      await root.query('CREATE DATABASE untouched OWNER databricks_owner')
      await root.end()
      const target = { ...at(nodePgMigrate, cluster, ana), database: 'untouched' }
      const inside = clientOf({ ...target, user: 'cloud_admin' })
      await inside.connect()
      await inside.query('ALTER EVENT TRIGGER lakelet_share_ownership DISABLE')
      await inside.end()
      await nodePgMigrate.migrate(target, 0, 1)
      await expect(nodePgMigrate.migrate({ ...target, user: bo }, 1, 2)).rejects.toThrow(
        'must be owner of',
      )
    })

    test('on a physical copy a new member goes on with each tool; the source does not change', async () => {
      const fork = await postgres.fork(cluster)
      await roles.ensureManager(fork.socketDirectory, { loginName: cy, kind: 'USER' })
      for (const tool of tools) {
        const asCy = at(tool, fork, cy)
        await tool.migrate(asCy, 1, 2)
        expect(await columns(asCy, tool.table), tool.name).toContain(tool.second)
        await tool.migrate(at(tool, fork, ana), 2, 1)
        await tool.migrate(asCy, 1, 0)
        expect(await columns(asCy, tool.table), tool.name).toEqual([])
        expect(await columns(at(tool, cluster, ana), tool.table)).not.toContain(tool.second)
        expect(await columns(at(tool, cluster, ana), tool.table)).not.toEqual([])
      }
    })
  },
)
