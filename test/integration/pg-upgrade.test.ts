/**
 * Upgrades where both installations are complete: Debian's 15 and a packed 16, so pg_upgrade itself moves the
 * files. On a file system that shares extents, and on one that does not.
 */
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { findCompletePostgres16 } from '../fixtures/complete-postgres.ts'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const fifteen = '/usr/lib/postgresql/15'
const sixteen = existsSync(join(fifteen, 'bin/pg_resetwal')) ? findCompletePostgres16() : undefined
const production = 'projects/old/branches/production'

describe.skipIf(sixteen === undefined).each(['btrfs', 'copy'] as const)('on %s', (storage) => {
  let server: TestServer
  beforeAll(async () => {
    server = await TestServer.start({
      storage,
      env: { LAKELET_POSTGRES_DIR: `${fifteen},${sixteen}` },
    })
    await server.write('POST', 'projects?project_id=old', {
      spec: { pg_version: 15, enable_pg_native_login: true },
    })
    await server.sql(
      production,
      `create schema shop;
       create table shop.orders (id bigint generated always as identity primary key, name text, note text);
       insert into shop.orders (name, note) select 'Name ' || n, repeat('x', 3000) from generate_series(1, 500) n;
       create index by_name on shop.orders (name);
       select lo_from_bytea(4711, 'a large object');
       create role app login password 'secret-of-app' in role pg_monitor; grant usage on schema shop to app;
       grant select on shop.orders to app; alter role app set search_path = shop, public`,
    )
    await server.sql(production, 'create database ledger')
    await server.sql(production, 'create table entries (n int); insert into entries values (7)', {
      database: 'ledger',
    })
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

  const upgrade = (id: string) =>
    server.write('POST', `${production}/upgrade?branch_id=${id}`, {
      spec: { pg_version: 16, ttl: '1h' },
    })
  const one = async (of: string, text: string, options = {}) =>
    Object.values((await server.sql(of, text, options)).rows[0])[0]
  const listed = async (of: string, what: string) =>
    (await server.api('GET', `/api/2.0/postgres/${of}/${what}?page_size=1000`)).body[what]
      // biome-ignore lint/suspicious/noExplicitAny: an answer as clients read it
      .map((row: any) => row[`${what.slice(0, -1)}_id`])
  /** Of this server's directory alone. */
  const upgraders = (): readonly string[] =>
    execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.includes('pg_upgrade') && line.includes(server.stateDir))

  test('the files go along as they are, with roles, rights, labels and shared ownership', async () => {
    const { name, status } = await upgrade('on-16')
    expect(status).toMatchObject({ current_state: 'READY', source_branch: production })
    expect(await one(name, "select current_setting('server_version_num')::int / 10000")).toBe(16)
    for (const text of [
      // A dump would have made files of other numbers.
      "select pg_relation_filenode('shop.orders') || ' ' || 'shop.orders'::regclass::oid",
      "select pg_relation_filenode('shop.by_name')",
      'select count(*)::int from shop.orders',
      "select convert_from(lo_get(4711), 'UTF8')",
      "select pg_get_userbyid(relowner) from pg_class where oid = 'shop.orders'::regclass",
      "select pg_get_userbyid(datdba) from pg_database where datname = 'ledger'",
      "select pg_has_role('app', 'pg_monitor', 'MEMBER')",
      "select datcollate || datctype || datlocprovider::text from pg_database where datname = 'ledger'",
    ]) {
      expect(await one(name, text), text).toEqual(await one(production, text))
    }
    expect(await one(name, 'select n from entries', { database: 'ledger' })).toBe(7)
    // Counted again, or every plan would be a guess.
    expect(
      await one(name, "select reltuples::int from pg_class where oid = 'shop.orders'::regclass"),
    ).toBe(500)
    for (const what of ['roles', 'databases']) {
      expect(await listed(name, what)).toEqual(await listed(production, what))
    }
    // DDL on what others made, as everywhere; and what is made now is shared too.
    await server.sql(
      name,
      'alter table shop.orders add column extra int; create table later (n int)',
    )
    expect(
      await one(name, "select pg_get_userbyid(relowner) from pg_class where relname = 'later'"),
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
    expect((await client.query('select count(*)::int as n from orders')).rows[0].n).toBe(500)
    await client.end()
    // It branches as what it is, and its source is as it was.
    const child = await server.write('POST', 'projects/old/branches?branch_id=child', {
      spec: { ttl: '1h', source_branch: name },
    })
    expect(await one(child.name, "select current_setting('server_version_num')::int / 10000")).toBe(
      16,
    )
    expect(await one(production, "select current_setting('server_version_num')::int / 10000")).toBe(
      15,
    )
    await server.write('DELETE', `${child.name}?purge=true`)
    await server.write('DELETE', `${name}?purge=true`)
    await nothingHalfMade(server)
  }, 180_000)

  test('an extension that the later Postgres lacks is named, and nothing is left', async () => {
    await server.sql(production, 'create extension hstore')
    const failed = await upgrade('refused').catch(String)
    await server.sql(production, 'drop extension hstore')
    expect(failed).toMatch(/pg_upgrade to Postgres 16 refuses: .*hstore/)
    expect(failed).toMatch(/on a branch of the branch/)
    await nothingHalfMade(server)
  }, 120_000)

  test('killed just after pg_upgrade, it begins anew', async () => {
    await server.stop()
    await server.launch({ LAKELET_FAILPOINTS: 'compute.upgrade-cluster:upgraded=kill' })
    const { body } = await server.api(
      'POST',
      `/api/2.0/postgres/${production}/upgrade?branch_id=after`,
      { spec: { pg_version: 16, ttl: '1h' } },
    )
    expect(await server.exit()).toBe('SIGKILL')
    await server.launch()
    const made = await server.follow(body.name)
    expect(await one(made.name, 'select count(*)::int from shop.orders')).toBe(500)
    await server.write('DELETE', `${made.name}?purge=true`)
    await nothingHalfMade(server)
  }, 180_000)

  test('killed while pg_upgrade is at work, it begins anew, and no other one goes on', async () => {
    const { body } = await server.api(
      'POST',
      `/api/2.0/postgres/${production}/upgrade?branch_id=again`,
      { spec: { pg_version: 16, ttl: '1h' } },
    )
    await eventually('pg_upgrade is at work', () => upgraders().length > 0)
    await server.kill()
    await server.launch()
    const made = await server.follow(body.name)
    expect(await one(made.name, 'select count(*)::int from shop.orders')).toBe(500)
    expect(upgraders()).toEqual([])
    await server.write('DELETE', `${made.name}?purge=true`)
    await nothingHalfMade(server)
  }, 180_000)
})
