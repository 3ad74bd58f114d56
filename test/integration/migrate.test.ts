/** `lakelet migrate`, `migrate status` and `migrate rehearse` with real tools, in real git worktrees, against a real server. */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { readApplied } from '../../src/database/applied-migrations.ts'
import { migrationTools, type ToolName } from '../../src/worktree/migration-tools.ts'
import { makeRepository, program, type Repository } from '../fixtures/git-repository.ts'
import { eventually, TestServer } from '../fixtures/server.ts'
import { drizzleFolder } from '../migrations/drizzle-folder.ts'
import { isInstalled } from '../migrations/installed-programs.ts'
import { pythonTools } from '../migrations/python-tools.ts'

const root = resolve(import.meta.dirname, '../..')
const migrations = join(root, 'test/migrations')
const production = 'projects/store/branches/production'
const hasPython = await isInstalled('python3')

let server: TestServer
let repository: Repository

beforeAll(async () => {
  if (hasPython) await pythonTools()
  server = await TestServer.start()
}, 400_000)
afterAll(async () => {
  await server?.dispose()
})
beforeEach(() => {
  repository = makeRepository(server)
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(server.log.slice(-2000))
  rmSync(repository.home, { recursive: true })
  for (const name of await branches()) {
    if (name !== production) await server.write('DELETE', `${name}?purge=true`)
  }
})

const lakelet = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: repository.path,
    encoding: 'utf8',
    env: repository.environment,
  })
  return { status, stdout, stderr }
}
const json = (...args: string[]) => {
  const { status, stdout, stderr } = lakelet(...args, '-o', 'json')
  expect(stdout, stderr).toMatch(/^\{/)
  return { status, stderr, ...JSON.parse(stdout) }
}
const file = (path: string, text: string) => {
  const at = join(repository.path, path)
  mkdirSync(join(at, '..'), { recursive: true })
  writeFileSync(at, text)
}
const branches = async (): Promise<string[]> => {
  const path = '/api/2.0/postgres/projects/store/branches?page_size=99'
  const { body } = await server.api('GET', path)
  return body.branches.map(({ name }: { readonly name: string }) => name)
}

/** A package that depends on node-pg-migrate, as npm leaves it, with these migrations. */
const nodeProject = (steps: Readonly<Record<string, string>>) => {
  file('package.json', '{"type": "module", "devDependencies": {"node-pg-migrate": "9.0.0"}}')
  symlinkSync(join(root, 'node_modules'), join(repository.path, 'node_modules'))
  for (const [name, sql] of Object.entries(steps)) {
    file(
      `migrations/${name}.js`,
      `export const up = (pgm) => { pgm.sql(${JSON.stringify(sql)}) }\n`,
    )
  }
}

describe.skipIf(!hasPython)('with Alembic', () => {
  beforeEach(async () => {
    cpSync(join(migrations, 'alembic'), repository.path, { recursive: true })
    mkdirSync(join(repository.path, '.venv/bin'), { recursive: true })
    symlinkSync(join(await pythonTools(), 'alembic'), join(repository.path, '.venv/bin/alembic'))
  })

  test('a project is migrated by the files that it has, and told what is pending, ahead and apart', () => {
    expect(lakelet('dev', '--no-migrate').status).toBe(0)
    expect(json('migrate', 'status')).toMatchObject({
      status: 0,
      tool: 'alembic',
      found_by: 'alembic.ini',
      applied_count: 0,
      pending: ['0001', '0002'],
      ahead: [],
      heads: [],
    })
    const migrated = lakelet('migrate')
    expect(migrated.stdout).toBe('Applied 0001\nApplied 0002\n')
    expect(migrated.status).toBe(0)
    expect(lakelet('migrate').stdout).toBe('Nothing was pending.\n')
    expect(lakelet('migrate', 'status').stdout).toMatch(
      /^Tool +alembic.*\nBranch.*\nApplied +2 of 2\n$/,
    )
    expect(json('migrate', 'status', '--branch', 'production').pending).toEqual(['0001', '0002'])

    rmSync(join(repository.path, 'versions/0002_orders.py'))
    const behind = lakelet('migrate', 'status')
    expect(behind.status).toBe(1)
    expect(behind.stdout).toMatch(/ahead of the code: it has had 0002, .*lakelet branch reset/)
    const refused = lakelet('migrate')
    expect(refused.status).not.toBe(0)
    expect(refused.stderr).toMatch(/Note: The database is ahead of the code: it has had 0002/)

    for (const id of ['0002', '0003a', '0003b']) {
      const down = id === '0002' ? '0001' : '0002'
      file(
        `versions/${id}.py`,
        `revision = "${id}"\ndown_revision = "${down}"\ndef upgrade(): pass\n`,
      )
    }
    const apart = json('migrate', 'status')
    expect(apart).toMatchObject({ status: 1, ahead: [], heads: [['0003a', '0003b']] })
    expect(lakelet('migrate').stderr).toMatch(/The code has two heads: 0003a, 0003b\. Merge them/)
  })

  test('lakelet dev runs it by itself; where it is not installed it says so and goes on', () => {
    const first = lakelet('dev')
    expect(first.stdout).toMatch(/Migrated +alembic upgrade head/)
    expect(json('migrate', 'status').pending).toEqual([])
    rmSync(join(repository.path, '.venv'), { recursive: true })
    const without = lakelet('dev')
    expect(without.status).toBe(0)
    expect(without.stderr).toMatch(
      /Note: alembic\.ini is there for alembic, but alembic is not installed/,
    )
    const refused = lakelet('migrate')
    expect(refused.status).toBe(1)
    expect(refused.stderr).toMatch(
      /alembic is not installed.*\nHint: Install it, or say in lakelet\.toml/,
    )
    file('lakelet.toml', 'migrate = "none"\n')
    expect(lakelet('dev').stderr).not.toMatch(/alembic/)
  })
})

describe('with node-pg-migrate, a rehearsal', () => {
  const steps = {
    '1700000000000_tea':
      'CREATE TABLE tea (id int PRIMARY KEY, name varchar(40)); INSERT INTO tea SELECT n, n FROM generate_series(1, 1000) AS n',
  }
  const wide = 'ALTER TABLE tea ALTER COLUMN id TYPE bigint; SELECT pg_sleep(0.5)'

  beforeEach(async () => {
    await server.sql(production, 'DROP TABLE IF EXISTS tea, pgmigrations')
    nodeProject(steps)
    const { status, stderr } = lakelet('migrate', '--branch', 'production')
    expect(status, stderr).toBe(0)
  })

  test('tells locks, waits, times and rewritten tables, and leaves nothing', async () => {
    nodeIsAt({
      '1700000000001_wide': wide,
      '1700000000002_index': 'CREATE INDEX ON tea (name); SELECT pg_sleep(0.2)',
    })
    const rehearsal = json('migrate', 'rehearse')
    expect(rehearsal).toMatchObject({
      status: 0,
      exit_code: 0,
      source_branch: production,
      command: "node-pg-migrate up -m 'migrations'",
      applied: ['1700000000001_wide', '1700000000002_index'],
      waits: [{ relation: 'public.tea' }],
      rewritten: [{ relation: 'public.tea', bytes: expect.any(Number) }],
    })
    const held = Object.fromEntries(
      rehearsal.locks.map((lock: { mode: string; held: string }) => [
        lock.mode,
        Number.parseFloat(lock.held),
      ]),
    )
    expect(held.AccessExclusiveLock).toBeGreaterThanOrEqual(0.5)
    expect(held.ShareLock).toBeGreaterThanOrEqual(0.2)
    const [waits] = rehearsal.waits
    expect(Number.parseFloat(waits.reads)).toBeGreaterThanOrEqual(0.5)
    expect(Number.parseFloat(waits.writes)).toBeGreaterThanOrEqual(0.5)
    expect(rehearsal.statements[0].text).toContain('pg_sleep(0.5)')
    expect(await branches()).toEqual([production])
    const { rows } = await server.sql(production, 'SELECT name FROM pgmigrations')
    expect(rows).toHaveLength(1)
    const said = lakelet('migrate', 'rehearse', '--source', 'store/production')
    expect(said.stdout).toMatch(
      /Rehearsed node-pg-migrate .* on a branch of store\/production: exit code 0/,
    )
    expect(said.stdout).toMatch(
      /Locks +public\.tea: AccessExclusiveLock, 0\.[5-9]|Locks +public\.tea: AccessExclusiveLock, \d/,
    )
    expect(said.stdout).toMatch(/Waits +public\.tea: a reader \d.*, a writer \d/)
  })

  test('of what fails ends with its exit code, tells what it held, and leaves nothing', async () => {
    nodeIsAt({ '1700000000001_bad': 'LOCK TABLE tea; SELECT pg_sleep(0.2); SELECT 1 / 0' })
    const rehearsal = json('migrate', 'rehearse')
    expect(rehearsal.status).not.toBe(0)
    expect(rehearsal.exit_code).toBe(rehearsal.status)
    expect(rehearsal.applied).toEqual([])
    expect(rehearsal.locks[0]).toMatchObject({
      relation: 'public.tea',
      mode: 'AccessExclusiveLock',
    })
    expect(await branches()).toEqual([production])
  })

  test('of a command that goes to another database is refused', async () => {
    file('lakelet.toml', 'migrate = "true"\n')
    const { status, stderr } = lakelet('migrate', 'rehearse')
    expect(status).toBe(1)
    expect(stderr).toMatch(
      /nobody came to the branch of the rehearsal: it went to another database/,
    )
    expect(await branches()).toEqual([production])
  })

  test('that is stopped takes its branch along', async () => {
    file('lakelet.toml', 'migrate = "exec sleep 60"\n')
    const child = spawn(process.execPath, [program, 'migrate', 'rehearse'], {
      cwd: repository.path,
      env: repository.environment,
      stdio: 'ignore',
    })
    const ended = new Promise((done) => child.once('exit', done))
    await eventually('the branch is there', async () =>
      (await branches()).some((name) => name.includes('/rehearsal-')),
    )
    child.kill('SIGTERM')
    expect(await ended).toBe(143)
    expect(await branches()).toEqual([production])
  })

  test('with --keep leaves the branch, which ends by itself', async () => {
    const { status, stderr, branch } = json('migrate', 'rehearse', '--keep', '--ttl', '10m')
    expect(status, stderr).toBe(0)
    expect(await branches()).toContain(branch)
    const { body } = await server.api('GET', `/api/2.0/postgres/${branch}`)
    const left = (Date.parse(body.status.expire_time) - Date.now()) / 60_000
    expect(left).toBeGreaterThan(8)
    expect(left).toBeLessThan(10.1)
  })

  const nodeIsAt = (more: Readonly<Record<string, string>>) => {
    for (const [name, sql] of Object.entries(more)) {
      file(
        `migrations/${name}.js`,
        `export const up = (pgm) => { pgm.sql(${JSON.stringify(sql)}) }\n`,
      )
    }
  }
})

test('with Drizzle and a line of its own, status reads what Drizzle wrote', async () => {
  await drizzleFolder(join(repository.path, 'drizzle'), 2)
  symlinkSync(join(root, 'node_modules'), join(repository.path, 'node_modules'))
  file('lakelet.toml', 'migrate = "node migrate.mjs"\n')
  file(
    'migrate.mjs',
    `import { drizzle } from 'drizzle-orm/node-postgres'
     import { migrate } from 'drizzle-orm/node-postgres/migrator'
     import pg from 'pg'
     const client = new pg.Client({ connectionString: process.env.DATABASE_URL })
     await client.connect()
     await migrate(drizzle(client), { migrationsFolder: 'drizzle' })
     await client.end()\n`,
  )
  const dev = lakelet('dev')
  expect(dev.stderr).not.toMatch(/Error/)
  expect(dev.status).toBe(0)
  expect(json('migrate', 'status')).toMatchObject({
    tool: 'drizzle',
    applied_count: 2,
    pending: [],
    ahead: [],
  })
})

test('what cannot be told is refused, and says what to do', () => {
  expect(lakelet('migrate').stderr).toMatch(
    /there are no migrations in .* that Lakelet knows\nHint: .*lakelet\.toml/,
  )
  file('knexfile.js', '')
  file('flyway.toml', '')
  expect(lakelet('migrate').stderr).toMatch(
    /several kinds: knex \(knexfile\.js\), flyway \(flyway\.toml\)/,
  )
  file('lakelet.toml', 'migrate = "exit 7"\n')
  expect(lakelet('dev', '--no-migrate').status).toBe(0)
  expect(lakelet('migrate')).toMatchObject({
    status: 7,
    stderr: expect.stringMatching(/ended with 7: exit 7/),
  })
  expect(lakelet('migrate', 'status').stderr).toMatch(/nobody can say what "exit 7" has applied/)
  expect(lakelet('migrate', 'rehearse', '--ttl', 'soon').stderr).toMatch(/--ttl/)
  expect(lakelet('migrate', 'rehearse', '--source', 'absent').stderr).toMatch(/not found/)
})

/** As each tool makes its table, cut down to what matters; and what is read from it. */
const tables: readonly (readonly [ToolName, string, readonly string[]])[] = [
  [
    'prisma',
    `CREATE TABLE _prisma_migrations (migration_name varchar(255) NOT NULL, finished_at timestamptz, rolled_back_at timestamptz);
     INSERT INTO _prisma_migrations VALUES ('1_a', now(), NULL), ('2_b', NULL, NULL), ('3_c', NULL, now())`,
    ['1_a', '2_b failed'],
  ],
  [
    'knex',
    `CREATE TABLE knex_migrations (id serial, name varchar(255)); INSERT INTO knex_migrations (name) VALUES ('1_a.js'), ('2_b.mts')`,
    ['1_a', '2_b'],
  ],
  [
    'flyway',
    `CREATE TABLE flyway_schema_history (version varchar(50), type varchar(20) NOT NULL, success boolean NOT NULL);
     INSERT INTO flyway_schema_history VALUES (NULL, 'SCHEMA', true), ('1', 'BASELINE', true), ('1.1.0', 'SQL', true), ('2', 'SQL', false), (NULL, 'SQL', true)`,
    ['1 baseline', '1.1', '2 failed'],
  ],
  [
    'dbmate',
    `CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY); INSERT INTO schema_migrations VALUES ('0003'), ('20260101000000')`,
    ['20260101000000', '3'],
  ],
  ['rails', 'SELECT 1', ['20260101000000', '3']],
  [
    'django',
    `CREATE TABLE django_migrations (id serial, app varchar(255), name varchar(255)); INSERT INTO django_migrations (app, name) VALUES ('shop', '0001_initial')`,
    ['shop.0001_initial'],
  ],
  [
    'sqitch',
    `CREATE SCHEMA sqitch; CREATE TABLE sqitch.changes (change_id text PRIMARY KEY, change text NOT NULL, project text NOT NULL, committed_at timestamptz NOT NULL);
     INSERT INTO sqitch.changes VALUES ('x', 'users', 'flipr', '2026-01-01'), ('y', 'users', 'flipr', '2026-01-02'), ('z', 'a', 'flipr', '2026-01-03')`,
    ['flipr:a', 'flipr:users', 'flipr:users#2'],
  ],
  [
    'goose',
    `CREATE TABLE goose_db_version (id serial PRIMARY KEY, version_id bigint NOT NULL, is_applied boolean NOT NULL);
     INSERT INTO goose_db_version (version_id, is_applied) VALUES (0, true), (1, true), (2, true), (2, false)`,
    ['1'],
  ],
  [
    'atlas',
    `CREATE SCHEMA atlas_schema_revisions;
     CREATE TABLE atlas_schema_revisions.atlas_schema_revisions (version varchar PRIMARY KEY, type bigint NOT NULL DEFAULT 2, applied bigint NOT NULL DEFAULT 0, total bigint NOT NULL DEFAULT 0, error text);
     INSERT INTO atlas_schema_revisions.atlas_schema_revisions VALUES ('.atlas_cloud_identifier', 2, 0, 0, ''), ('1', 1, 0, 0, NULL), ('2', 2, 3, 3, ''), ('3', 2, 1, 2, 'no')`,
    ['1 baseline', '2', '3 failed'],
  ],
]

test('the tables of tools that are not here are read as those tools make them', async () => {
  const client = await server.connect(production)
  const session = {
    read: async (text: string, values: readonly unknown[] = []) =>
      (await client.query(text, [...values])).rows,
    runScript: async () => undefined,
    close: () => client.end(),
  }
  try {
    await client.query('BEGIN')
    for (const [name, ddl, expected] of tables) {
      await client.query(ddl)
      const { table, applied } = migrationTools[name]
      const rows = await readApplied(session, table, applied)
      const read = rows.map(
        ({ id, isFailed, isBaseline }) =>
          `${id}${isFailed ? ' failed' : ''}${isBaseline ? ' baseline' : ''}`,
      )
      expect(read.sort(), name).toEqual([...expected])
    }
    await client.query('ROLLBACK')
    expect(await readApplied(session, 'goose_db_version', String)).toEqual([])
  } finally {
    await client.end()
  }
})
