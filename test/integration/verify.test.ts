/** Verification over a real server: a sound branch, and branches whose files were damaged on purpose. */
import { closeSync, existsSync, openSync, readdirSync, readSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { pageBytes, pageChecksum } from '../../src/domain/page-checksum.ts'
import { runProgram } from '../cli/program.ts'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { refusal } from '../fixtures/refusal.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

// Hundreds of relations in five databases, several times.
vi.setConfig({ testTimeout: 180_000 })

let server: TestServer
const store = 'projects/store'
const production = `${store}/branches/production`

beforeAll(async () => {
  server = await TestServer.start()
  await server.sql(
    production,
    `create table orders (id bigint primary key, note text, tags text[]);
     insert into orders select n, repeat('x', n % 100), array[n::text] from generate_series(1, 5000) n;
     create index on orders using gin (tags);
     create table long (body text); alter table long alter body set storage external;
     insert into long select repeat('y', 20000) from generate_series(1, 20);
     create materialized view counted as select count(*) from orders`,
  )
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-4000))
})
afterAll(async () => {
  await server?.dispose()
})

const branch = (id: string) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h' } })
const verify = (name: string, token?: string) =>
  server.write('POST', `${name}/verify`, undefined, token)

/** As the superuser, who can log in from inside alone. */
async function inside<T>(of: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  await server.sql(of, 'select 1') // awake
  const { body } = await server.api('GET', `/api/2.0/postgres/${of}/endpoints/primary`)
  const client = new pg.Client({
    host: join(server.stateDir, 'run', body.uid),
    user: 'cloud_admin',
    database: 'databricks_postgres',
  })
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Changes a page of a relation in the file that Postgres has written, behind its back. */
async function damage(
  of: string,
  relation: string,
  block: number,
  change: (page: Buffer) => void,
): Promise<void> {
  const { body } = await server.api('GET', `/api/2.0/postgres/${of}`)
  const project = (await server.api('GET', `/api/2.0/postgres/${store}`)).body.uid
  const path = await inside(of, async (client) => {
    await client.query('vacuum (freeze, analyze)')
    await client.query('checkpoint')
    return (await client.query('select pg_relation_filepath($1) as path', [relation])).rows[0].path
  })
  const file = join(server.stateDir, 'pool', project, body.uid, 'volume', path)
  const descriptor = openSync(file, 'r+')
  try {
    const page = Buffer.alloc(pageBytes)
    readSync(descriptor, page, 0, pageBytes, block * pageBytes)
    change(page)
    writeSync(descriptor, page, 0, pageBytes, block * pageBytes)
  } finally {
    closeSync(descriptor)
  }
}

const scratchVolumes = () =>
  ['pool/scratch', 'wal/scratch']
    .map((path) => join(server.stateDir, path))
    .filter(existsSync)
    .flatMap((path) => readdirSync(path))

const lakelet = (...args: readonly string[]) =>
  runProgram(args, { cwd: '/', env: { LAKELET_STATE_DIR: server.stateDir }, timeout: 150_000 })

describe('a sound branch', () => {
  test('is reported as such, every database of it, and its clone is gone', async () => {
    await inside(production, (client) =>
      client.query('create database closed allow_connections false'),
    )
    const report = await verify(production)
    expect(report).toMatchObject({
      branch: production,
      is_sound: true,
      problem_count: 0,
      problems: [],
      data_checksums: true,
      amcheck_version: expect.stringMatching(/^1\.\d$/),
    })
    expect(report.pages_checked).toBeGreaterThan(1000)
    const names = report.databases.map(
      (database: { postgres_database: string }) => database.postgres_database,
    )
    expect(names).toEqual(['closed', 'databricks_postgres', 'postgres', 'template0', 'template1'])
    const ours = report.databases[1]
    expect(ours.tables_checked).toBeGreaterThan(60)
    expect(ours.indexes_checked).toBeGreaterThan(100)
    expect(ours.unchecked).toEqual([
      { relation: 'public.orders_tags_idx', reason: 'amcheck does not know the access method gin' },
    ])
    expect(scratchVolumes()).toEqual([])
    await nothingHalfMade(server)
  })

  test('that sleeps stays asleep', async () => {
    const { name } = await branch('asleep')
    const endpoint = `${name}/endpoints/primary`
    await server.write('PATCH', `${endpoint}?update_mask=spec.disabled`, {
      spec: { disabled: true },
    })
    expect(await verify(name)).toMatchObject({ is_sound: true })
    const { body } = await server.api('GET', `/api/2.0/postgres/${endpoint}`)
    expect(body.status.current_state).not.toBe('ACTIVE')
  })

  test('ends the command with 0 and says what was checked', async () => {
    const { code, stdout } = await lakelet('branch', 'verify', 'store/production')
    expect(stdout).toMatch(/projects\/store\/branches\/production is sound, as of /)
    expect(stdout).toMatch(
      /databricks_postgres: \d+ tables and \d+ indexes checked; 1 that amcheck/,
    )
    expect(code).toBe(0)
  })
})

describe('damage', () => {
  test('of a page is named with its relation and block, and ends the command with 1', async () => {
    const { name } = await branch('bad-page')
    await damage(name, 'orders', 3, (page) => page.fill(0xaa, 4000, 4016))
    const report = await verify(name)
    expect(report.is_sound).toBe(false)
    const place = { postgres_database: 'databricks_postgres', relation: 'public.orders', block: 3 }
    expect(report.problems).toContainEqual({
      ...place,
      found_by: 'CHECKSUM',
      fork: 'main',
      file: expect.stringMatching(/^base\/\d+\/\d+$/),
      message: expect.stringMatching(/^its checksum is \d+, but \d+ was written with it$/),
    })
    expect(report.problems).toContainEqual(
      expect.objectContaining({ ...place, found_by: 'AMCHECK' }), // Postgres refuses to read it
    )
    const { code, stdout } = await lakelet('branch', 'verify', 'store/bad-page')
    expect(stdout).toMatch(/public\.orders, in databricks_postgres, block 3: its checksum/)
    expect(code).toBe(1)
    expect(scratchVolumes()).toEqual([])
  })

  test('of what only a checksum covers is found too', async () => {
    const { name } = await branch('bad-gin')
    await damage(name, 'orders_tags_idx', 1, (page) => page.writeUInt32LE(7, 6000))
    const { problems, problem_count } = await verify(name)
    expect(problem_count).toBe(1)
    expect(problems).toEqual([
      expect.objectContaining({
        found_by: 'CHECKSUM',
        relation: 'public.orders_tags_idx',
        block: 1,
      }),
    ])
  })

  test('of a tuple below a valid checksum is found by amcheck', async () => {
    const { name } = await branch('bad-tuple')
    await damage(name, 'orders', 2, (page) => {
      const tuple = page.readUInt16LE(24) & 0x7fff // offset of the first line pointer's tuple
      page.writeUInt16LE(0x7ff | 0xf800, tuple + 18) // t_infomask2: more columns than a table can have
      page.writeUInt16LE(pageChecksum(new Int32Array(page.buffer, page.byteOffset, 2048), 2), 8)
    })
    const { problems } = await verify(name)
    expect(problems).toContainEqual(
      expect.objectContaining({ found_by: 'AMCHECK', relation: 'public.orders', block: 2 }),
    )
    expect(
      problems.filter(({ found_by }: { found_by: string }) => found_by === 'CHECKSUM'),
    ).toEqual([])
  })

  test('of an index that misses rows is found by amcheck', async () => {
    const { name } = await branch('bad-index')
    await server.sql(
      name,
      `create function public.sign_of(n bigint) returns bigint immutable language sql as 'select n';
       create index by_sign on orders (sign_of(id));
       create or replace function public.sign_of(n bigint) returns bigint immutable language sql as 'select -n'`,
    )
    const { problems } = await verify(name)
    expect(problems).toEqual([
      expect.objectContaining({
        found_by: 'AMCHECK',
        postgres_database: 'databricks_postgres',
        message: expect.stringMatching(/lacks matching index tuple/),
      }),
    ])
  })

  test('that keeps Postgres from starting is a problem, and the pages are read all the same', async () => {
    const { name, uid } = await branch('no-start')
    await inside(name, (client) => client.query('checkpoint'))
    const project = (await server.api('GET', `/api/2.0/postgres/${store}`)).body.uid
    rmSync(join(server.stateDir, 'pool', project, uid, 'volume/PG_VERSION'))
    const report = await verify(name)
    expect(report).toMatchObject({ is_sound: false, problem_count: 1, databases: [] })
    expect(report.problems).toEqual([
      { found_by: 'START', message: expect.stringMatching(/PG_VERSION/) },
    ])
    expect(report.pages_checked).toBeGreaterThan(1000)
    const { code, stdout } = await lakelet('branch', 'verify', 'store/no-start')
    expect(stdout).toMatch(/has 1 problem, as of/)
    expect(code).toBe(1)
    expect(scratchVolumes()).toEqual([])
  })
})

describe('bad input', () => {
  test('is refused', async () => {
    const none = await refusal(server, 'POST', `${store}/branches/none/verify`)
    expect(none).toMatchObject({ status: 404 })
    const nowhere = await refusal(server, 'POST', 'projects/none/branches/none/verify')
    expect(nowhere).toMatchObject({ status: 404 })
    const token = await server.identity('viewer@example.com', 'CAN_USE')
    const denied = await refusal(server, 'POST', `${production}/verify`, undefined, { token })
    expect(denied).toMatchObject({ status: 403 })
    const { code, stderr } = await lakelet('branch', 'verify', 'store/none')
    expect(stderr).toMatch(/branch/)
    expect(code).toBe(1)
  })
})

test('progress is told while it is at work', async () => {
  await server.stop()
  await server.launch({ LAKELET_FAILPOINTS: 'verify-branch.check:after=sleep:3000' })
  const { body } = await server.api('POST', `/api/2.0/postgres/${production}/verify`)
  await eventually('progress is told', async () => {
    const polled = await server.api('GET', `/api/2.0/postgres/${body.name}`)
    return polled.body.metadata.progress?.doing === 'reading every page'
  })
  const report = await server.follow(body.name)
  expect(report.is_sound).toBe(true)
})
