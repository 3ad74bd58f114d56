/** Imports from a real Postgres: what arrives, whose it is, what is left out, and what is refused. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { eventually, TestServer } from '../fixtures/server.ts'
import {
  type SourcePostgres,
  sourcePassword,
  startSourcePostgres,
} from '../fixtures/source-postgres.ts'
import { isInstalled } from '../migrations/installed-programs.ts'

// pg_dump refuses servers newer than itself, and Debian 12 has 15.
const canRun = await isInstalled('pg_dump', / 15\./)
const store = 'projects/store'

const shop = `
  create role clerk login; create role auditor;
  create extension pg_trgm;
  create schema app authorization clerk;
  create type app.mood as enum ('glad', 'sad');
  create table app.products (id serial primary key, name text not null, mood app.mood default 'glad');
  insert into app.products (name) select 'product ' || n from generate_series(1, 5000) n;
  create index on app.products using gin (name gin_trgm_ops);
  create table orders (id bigint generated always as identity primary key,
                       product int not null references app.products, note text);
  insert into orders (product, note) select 1 + n % 5000, repeat('x', 200) from generate_series(1, 20000) n;
  alter table app.products owner to clerk; alter sequence app.products_id_seq owner to clerk;
  grant select on orders to auditor;
  create view glad as select * from app.products where mood = 'glad';
  create function twice(n int) returns int language sql as 'select n * 2';
  alter table orders enable row level security;
  create policy seen on orders for select to auditor using (true);
  create policy everybody on orders for select using (true);
  comment on policy seen on orders is 'for auditors';
  comment on table orders is 'what was ordered';
  create publication everything for all tables;
  create function note() returns event_trigger language plpgsql as 'begin end';
  create event trigger noting on ddl_command_end execute function note();
  comment on event trigger noting is 'says nothing';
  select lo_from_bytea(4711, 'large');
  alter default privileges grant select on tables to auditor`

describe.skipIf(!canRun)('import by dump', () => {
  let server: TestServer
  let source: SourcePostgres

  beforeAll(async () => {
    source = await startSourcePostgres(15)
    server = await TestServer.start({ env: { LAKELET_MAX_ROOT_BRANCHES_PER_PROJECT: '4' } })
    await source.sql('create database shop')
    await source.sql(shop, 'shop')
    await source.sql('analyze', 'shop')
  }, 240_000)
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.error(server.log.slice(-6000))
  })
  afterAll(async () => {
    await source?.dispose()
    await server?.dispose()
  })

  const post = (path: string, body: object = {}, token?: string) =>
    server.api('POST', `/api/2.0/postgres/${path}`, body, token === undefined ? {} : { token })
  const begin = (id: string, spec: object, token?: string) =>
    post(`${store}/import-branch?branch_id=${id}`, { spec }, token)
  const end = async (id: string, spec: object) => {
    const started = await begin(id, spec)
    expect(started.body, id).toHaveProperty('name')
    let last = started.body
    await eventually(
      `${id} is over`,
      async () => {
        last = (await server.api('GET', `/api/2.0/postgres/${started.body.name}`)).body
        return last.done
      },
      60_000,
    )
    return last
  }
  const branchOf = (id: string) => `${store}/branches/${id}`
  const purge = (id: string) => server.write('DELETE', `${branchOf(id)}?purge=true`)
  const workDirectories = () => {
    const path = join(server.stateDir, 'imports')
    return existsSync(path) ? readdirSync(path) : []
  }

  test('everything of a database arrives, and any manager may alter it', async () => {
    const over = await end('shop', { source: source.url('shop') })
    expect(over.error).toBeUndefined()
    expect(over.response).toMatchObject({
      name: branchOf('shop'),
      status: { current_state: 'READY', default: false },
    })
    expect(over.response.status).not.toHaveProperty('source_branch')
    expect(over.metadata.report).toMatchObject({
      phase: 'done',
      tables_done: 2,
      tables_total: 2,
      left_out: {
        roles: ['auditor', 'clerk', 'postgres'],
        policies: ['public.orders: seen'],
        event_triggers: ['noting'],
        publications: ['everything'],
        subscriptions: [],
        user_mappings: [],
      },
    })
    expect(over.metadata.report.bytes_done).toBeGreaterThan(2 ** 20)
    expect(over.metadata.report.bytes_done).toBe(over.metadata.report.bytes_total)

    const at = { database: 'shop' }
    const counts = await server.sql(
      branchOf('shop'),
      `select (select count(*)::int from app.products) as products,
        (select count(*)::int from orders) as orders, twice(21) as twice,
        (select convert_from(lo_get(4711), 'UTF8')) as large,
        obj_description('orders'::regclass) as comment,
        (select json_agg(polname order by polname) from pg_policy) as policies,
        (select reltuples::int from pg_class where relname = 'orders') as analyzed`,
      at,
    )
    expect(counts.rows[0]).toEqual({
      products: 5000,
      orders: 20000,
      twice: 42,
      large: 'large',
      comment: 'what was ordered',
      policies: ['everybody'],
      analyzed: 20000,
    })
    const owners = await server.sql(
      branchOf('shop'),
      `select distinct pg_get_userbyid(relowner) as owner from pg_class where oid >= 16384
         and relnamespace <> 'pg_toast'::regnamespace
       union select pg_get_userbyid(datdba) from pg_database where datname = 'shop'`,
      at,
    )
    expect(owners.rows).toEqual([{ owner: 'databricks_owner' }])
    const bo = await server.identity('bo@example.com', 'CAN_MANAGE')
    await server.sql(
      branchOf('shop'),
      'alter table app.products add column more int; drop view glad; drop function twice(int)',
      { ...at, token: bo },
    )
    const next = await server.sql(
      branchOf('shop'),
      "insert into app.products (name) values ('new') returning id",
      at,
    )
    expect(next.rows).toEqual([{ id: 5001 }])
    expect(workDirectories()).toEqual([])
    await server.write('POST', `${store}/branches?branch_id=child`, {
      spec: { source_branch: branchOf('shop'), ttl: '1h' },
    })
    await purge('child')
    await purge('shop')
    await nothingHalfMade(server)
  }, 120_000)

  test('without rows, under another name, with an end', async () => {
    const over = await end('bare', {
      source: source.url('shop'),
      schema_only: true,
      database: 'databricks_postgres',
      ttl: '3600s',
    })
    expect(over.error).toBeUndefined()
    expect(over.response.status).toHaveProperty('expire_time')
    const { rows } = await server.sql(branchOf('bare'), 'select count(*)::int as n from orders')
    expect(rows).toEqual([{ n: 0 }])
    await purge('bare')
  }, 60_000)

  test('the password of the source is nowhere', async () => {
    await begin('kept', { source: source.url('shop') })
    await eventually('dumping', () => workDirectories().length > 0)
    const [directory = ''] = workDirectories()
    const listed = readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map((name) => {
        try {
          return readFileSync(`/proc/${name}/cmdline`, 'utf8')
        } catch {
          return ''
        }
      })
    expect(listed.filter((command) => command.includes(sourcePassword))).toEqual([])
    expect(directory).toMatch(/^[0-9a-f-]{36}$/)
    await eventually(
      'imported',
      async () =>
        (await server.api('GET', `/api/2.0/postgres/${branchOf('kept')}`)).body.status
          .current_state === 'READY',
      60_000,
    )
    expect(server.log).not.toContain(sourcePassword)
    expect(server.log).not.toContain(encodeURIComponent(sourcePassword))
    const audit = await server.api('GET', '/api/lakelet/v1/audit?page_size=1000')
    const text = JSON.stringify(audit.body)
    expect(text).toContain('import-branch')
    expect(text).not.toContain(encodeURIComponent(sourcePassword))
    expect(text).not.toContain('127.0.0.1:')
    await purge('kept')
  }, 60_000)

  test.each([
    ['an unreachable host', () => 'postgres://u:p@127.0.0.1:1/x', 400, /refused/],
    ['an unknown host', () => 'postgres://u:p@nowhere.invalid/x', 400, /host name is unknown/],
    [
      'a wrong password',
      () => source.url('shop').replace(/:p[^@]*@/, ':wrong@'),
      400,
      /password authentication failed/,
    ],
    ['no password', () => source.url('shop').replace(/:p[^@]*@/, '@'), 400, /no password/],
    ['a database that is not there', () => source.url('absent'), 400, /"absent" does not exist/],
    ['another scheme', () => 'mysql://u@h/x', 400, /scheme postgres/],
    ['no URL', () => 'shop', 400, /scheme postgres/],
    ['several hosts', () => 'postgres://u@a,b/x', 400, /several hosts/],
    [
      'a file of the server',
      () => 'postgres://u@h/x?passfile=/etc/shadow',
      400,
      /passfile is not taken/,
    ],
    [
      'a socket of a compute',
      () =>
        `postgres://cloud_admin@${encodeURIComponent(join(server.stateDir, 'run/catalog'))}/lakelet`,
      400,
      /one of this server/,
    ],
    ['a reserved database', () => source.url('template1'), 400, /reserved/],
  ])('refuses %s', async (_, url, status, message) => {
    const reply = await begin('refused', { source: url() })
    expect([reply.status, reply.body.message]).toEqual([status, expect.stringMatching(message)])
    expect(JSON.stringify(reply.body)).not.toMatch(/127\.0\.0\.1|nowhere/)
    expect((await server.api('GET', `/api/2.0/postgres/${branchOf('refused')}`)).status).toBe(404)
  })

  test('refuses a branch that is there, who may not, and a socket for who is no administrator', async () => {
    const taken = await begin('production', { source: source.url('shop') })
    expect([taken.status, taken.body.error_code]).toEqual([409, 'ALREADY_EXISTS'])
    const ann = await server.identity('ann@example.com', 'CAN_BRANCH')
    const denied = await begin('hers', { source: source.url('shop') }, ann)
    expect([denied.status, denied.body.error_code]).toEqual([403, 'PERMISSION_DENIED'])
    const max = await server.identity('max@example.com', 'CAN_MANAGE')
    const socket = `postgres://postgres:${encodeURIComponent(sourcePassword)}@${encodeURIComponent(source.socketDirectory)}:${source.port}/shop`
    const local = await begin('his', { source: socket }, max)
    expect([local.status, local.body.error_code]).toEqual([403, 'PERMISSION_DENIED'])
    const over = await end('local', { source: socket })
    expect(over.error).toBeUndefined()
    await purge('local')
    const asParameter = `postgres:///shop?host=${encodeURIComponent(source.socketDirectory)}&port=${source.port}&user=postgres&password=${encodeURIComponent(sourcePassword)}`
    const again = await end('local', { source: asParameter, schema_only: true })
    expect(again.error).toBeUndefined()
    await purge('local')
  }, 60_000)

  test('what a branch cannot hold is said before the source is read', async () => {
    await source.sql('create database odd')
    await source.sql('create extension adminpack', 'odd')
    const over = await end('odd', { source: source.url('odd') })
    expect(over.error.message).toContain('adminpack')
    await nothingHalfMade(server)
    expect(workDirectories()).toEqual([])
  }, 60_000)

  test('cancelled: nothing is left, and what has ended cannot be cancelled', async () => {
    await source.sql('create database slow')
    await source.sql('create table t (n int); insert into t values (1)', 'slow')
    const holding = source
      .sql('begin; lock table t; select pg_sleep(60)', 'slow')
      .catch(() => undefined)
    const started = await begin('slow', { source: source.url('slow') })
    const { name } = started.body
    await eventually('dumping', async () => workDirectories().length > 0)
    expect(
      (await server.api('GET', `/api/2.0/postgres/${branchOf('slow')}`)).body.status,
    ).toMatchObject({ current_state: 'IMPORTING', pending_state: 'READY' })
    const cancelled = await post(`${name}/cancel`)
    expect([cancelled.status, cancelled.body.name]).toEqual([200, name])
    await eventually('cancelled', async () => {
      const { body } = await server.api('GET', `/api/2.0/postgres/${name}`)
      return body.done && body.error.message.startsWith('The operation was cancelled.')
    })
    await nothingHalfMade(server)
    expect(workDirectories()).toEqual([])
    const late = await post(`${name}/cancel`)
    expect([late.status, late.body.error_code]).toEqual([400, 'INVALID_STATE'])
    const absent = await post(`${branchOf('slow')}/operations/absent/cancel`)
    expect(absent.status).toBe(404)

    const again = await begin('slow', { source: source.url('slow') })
    await eventually('dumping', async () => workDirectories().length > 0)
    await server.write('DELETE', `${branchOf('slow')}?purge=true`)
    const { body } = await server.api('GET', `/api/2.0/postgres/${again.body.name}`)
    expect(body.error.message).toContain('cancelled')
    await nothingHalfMade(server)
    await source.sql(
      "select pg_terminate_backend(pid) from pg_stat_activity where query like '%pg_sleep(60)%' and pid <> pg_backend_pid()",
    )
    await holding
  }, 60_000)

  test('a source that goes away in the middle: an error, and nothing is left', async () => {
    const holding = source
      .sql('begin; lock table t; select pg_sleep(60)', 'slow')
      .catch(() => undefined)
    const started = await begin('gone', { source: source.url('slow') })
    await eventually('dumping', async () => workDirectories().length > 0)
    await source.stop('immediate')
    await holding
    await eventually('failed', async () => {
      const { body } = await server.api('GET', `/api/2.0/postgres/${started.body.name}`)
      return (
        body.done &&
        /^(Reading the source failed|The source cannot be read)/.test(body.error.message)
      )
    })
    await source.start()
    await nothingHalfMade(server)
    expect(workDirectories()).toEqual([])
  }, 60_000)
})
