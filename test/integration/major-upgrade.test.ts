/**
 * Branches of later majors made of a branch of Postgres 15, by Debian's pg_dump 15: what is in it, who owns
 * what, who may log in. The branch that it was made of stays as it is.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { refusal } from '../fixtures/refusal.ts'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
const old = 'projects/old'
const production = `${old}/branches/production`
/** Whole numbers from one to another. */
const within = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n)
const hasDump = existsSync('/usr/lib/postgresql/15/bin/pg_dump')

beforeAll(async () => {
  server = await TestServer.start()
  await server.write('POST', 'projects?project_id=old', {
    spec: { pg_version: 15, enable_pg_native_login: true },
  })
  await server.sql(
    production,
    `create extension hstore; create extension postgres_fdw; create extension citext schema public;
     create schema shop; create type shop.state as enum ('new', 'paid');
     create table shop.orders (id bigint generated always as identity primary key, tags hstore,
       state shop.state default 'new', name citext unique, note text);
     insert into shop.orders (tags, name, note) select hstore('n', n::text), 'Name ' || n, repeat('x', 3000)
       from generate_series(1, 500) n;
     create sequence shop.counter start 41; select nextval('shop.counter');
     create view shop.paid as select * from shop.orders where state = 'paid';
     create function shop.twice(n int) returns int language sql as 'select 2 * n';
     create materialized view shop.sums as select count(*) as n from shop.orders;
     select lo_from_bytea(4711, 'a large object');
     create role app login password 'secret-of-app' in role pg_monitor;
     create role readers; grant readers to app; grant usage on schema shop to readers;
     grant select on shop.orders to readers; alter role app set search_path = shop, public;
     alter default privileges in schema shop grant select on tables to readers;
     alter table shop.orders enable row level security;
     create policy mine on shop.orders for select to readers using (id < 10)`,
  )
  await server.sql(production, 'create database ledger')
  await server.sql(production, 'create table entries (n int); insert into entries values (7)', {
    database: 'ledger',
  })
  await server.sql(
    production,
    "comment on database ledger is 'kept'; revoke connect on database ledger from public; grant connect on database ledger to readers",
  )
  await server.write('POST', `${production}/roles?role_id=by-api`, {
    spec: { postgres_role: 'by_api', attributes: { createdb: true } },
  })
  await server.write('POST', `${production}/databases?database_id=by-api-db`, {
    spec: { postgres_database: 'by_api_db', role: `${production}/roles/by-api` },
  })
}, 180_000)
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
})
afterAll(async () => {
  await server?.dispose()
})

const upgrade = (to: number, id = `on-${to}`) =>
  server.write('POST', `${production}/upgrade?branch_id=${id}`, {
    spec: { pg_version: to, ttl: '1h' },
  })
const one = async (of: string, text: string, options = {}) =>
  Object.values((await server.sql(of, text, options)).rows[0])[0]
const listed = async (of: string, what: string) =>
  (await server.api('GET', `/api/2.0/postgres/${of}/${what}?page_size=1000`)).body[what]
    // biome-ignore lint/suspicious/noExplicitAny: an answer as clients read it
    .map(({ status, uid, ...rest }: any) => ({ id: rest[`${what.slice(0, -1)}_id`], ...status }))

describe.skipIf(!hasDump)('an upgrade', () => {
  test.each([16, 17, 18])(
    'to %i brings data, roles, rights and shared ownership along',
    async (to) => {
      const made = await upgrade(to)
      const { name } = made
      expect(made.status).toMatchObject({ current_state: 'READY', source_branch: production })
      expect(Number(await one(name, 'show server_version_num'))).toBeGreaterThanOrEqual(to * 10_000)
      expect(
        await one(name, "select count(*)::int from shop.orders where tags ? 'n' and state = 'new'"),
      ).toBe(500)
      expect(await one(name, 'select max(id)::int from shop.orders')).toBe(500)
      expect(
        await one(name, "insert into shop.orders (name) values ('another') returning id::int"),
      ).toBeOneOf(within(501, 533)) // a crash skips up to 32, and so does a clone
      expect(await one(name, "select nextval('shop.counter')::int")).toBeOneOf(within(42, 74))
      expect(await one(name, "select convert_from(lo_get(4711), 'UTF8')")).toBe('a large object')
      expect(await one(name, 'select n::int from shop.sums')).toBe(500)
      expect(await one(name, 'select shop.twice(21)')).toBe(42)
      expect(await one(name, 'select n from entries', { database: 'ledger' })).toBe(7)
      for (const text of [
        "select pg_get_userbyid(relowner) from pg_class where oid = 'shop.orders'::regclass",
        "select pg_get_userbyid(extowner) from pg_extension where extname = 'hstore'",
        "select pg_get_userbyid(nspowner) from pg_namespace where nspname = 'shop'",
        "select pg_get_userbyid(datdba) from pg_database where datname = 'ledger'",
        "select shobj_description(oid, 'pg_database') from pg_database where datname = 'ledger'",
        "select has_database_privilege('readers', 'ledger', 'connect') and not has_database_privilege('public', 'ledger', 'connect')",
        "select pg_has_role('app', 'readers', 'MEMBER') and pg_has_role('app', 'pg_monitor', 'MEMBER')",
        "select rolconfig::text from pg_roles where rolname = 'app'",
        "select string_agg(polname, ',') from pg_policy",
        "select has_foreign_data_wrapper_privilege('postgres_fdw', 'usage')",
      ]) {
        expect(await one(name, text), text).toEqual(await one(production, text))
      }
      // DDL on what others made, as everywhere; and what is made now is shared too.
      await server.identity(`member-${to}@example.com`, undefined)
      await server.sql(
        name,
        'drop view shop.paid; alter table shop.orders add column extra int; drop extension citext cascade; create table shop.later (n int)',
      )
      expect(
        await one(
          name,
          "select pg_get_userbyid(relowner) from pg_class where oid = 'shop.later'::regclass",
        ),
      ).toBe('databricks_owner')
      const { body } = await server.api('GET', `/api/2.0/postgres/${name}/endpoints/primary`)
      const client = new pg.Client({
        host: body.status.hosts.host,
        port: server.pgPort,
        user: 'app',
        password: 'secret-of-app',
        database: 'databricks_postgres',
        ssl: { ca: server.ca },
      })
      await client.connect()
      expect((await client.query('select count(*)::int as n from orders')).rows[0].n).toBe(9)
      await client.end()
      for (const what of ['roles', 'databases']) {
        const [there, here] = [await listed(production, what), await listed(name, what)]
        // biome-ignore lint/suspicious/noExplicitAny: the same
        expect(here.map(({ id }: any) => id)).toEqual(there.map(({ id }: any) => id))
      }
      // It branches, sleeps and is snapshotted as what it is.
      const child = await server.write('POST', `${old}/branches?branch_id=child-${to}`, {
        spec: { ttl: '1h', source_branch: name },
      })
      expect(Number(await one(child.name, 'show server_version_num'))).toBeGreaterThanOrEqual(
        to * 10_000,
      )
      await server.write('DELETE', `${child.name}?purge=true`)
      expect(Number(await one(production, 'show server_version_num'))).toBeLessThan(160_000)
      await server.write('DELETE', `${name}?purge=true`)
      await nothingHalfMade(server)
    },
    180_000,
  )

  test('to a Postgres that lacks an extension fails, says which, and leaves nothing', async () => {
    const { body } = await server.api('GET', `/api/2.0/postgres/${production}/endpoints/primary`)
    const host = join(server.stateDir, 'run', body.uid)
    const inside = new pg.Client({ host, user: 'cloud_admin', database: 'ledger' })
    await inside.connect()
    await inside.query('create extension old_snapshot') // went with Postgres 17
    const failed = await upgrade(18, 'refused').catch(String)
    expect(failed).toMatch(
      /Postgres 18 here lacks extensions that the database 'ledger' uses: old_snapshot/,
    )
    await inside.query('drop extension old_snapshot')
    await inside.end()
    await nothingHalfMade(server)
  }, 60_000)
})

test('bad input is refused', async () => {
  const ask = (query: string, spec: object) =>
    refusal(server, 'POST', `${production}/upgrade?${query}`, { spec })
  expect(await ask('branch_id=x', { pg_version: 15, ttl: '1h' })).toMatchObject({
    text: expect.stringMatching(/runs Postgres 15; an upgrade goes to a later major, not to 15/),
  })
  expect((await ask('branch_id=x', { pg_version: 19, ttl: '1h' })).text).toMatch(/pg_version/)
  expect((await ask('branch_id=x', { ttl: '1h' })).text).toMatch(/pg_version/)
  expect((await ask('branch_id=x', { pg_version: 18 })).text).toMatch(/[Ee]xpiration/)
  expect((await ask('branch_id=production', { pg_version: 18, ttl: '1h' })).text).toMatch(/exists/)
  expect((await ask('branch_id=X_', { pg_version: 18, ttl: '1h' })).status).toBe(400)
})
