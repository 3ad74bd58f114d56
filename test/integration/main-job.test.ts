/** What Lakelet exists for, end to end against a real server: expiry that is kept, tokens that migrate. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'
const production = `${store}/branches/production`

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(async () => {
  await server?.dispose()
})

const createBranch = (id: string, spec: object, token?: string) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec }, token)

describe('a branch that ends by itself', () => {
  test.each([
    ['ttl-string', { ttl: '21600s' }],
    ['ttl-object', { ttl: { seconds: 21_600 }, source_branch_id: 'production' }],
    ['ttl-digits', { ttl: { seconds: '21600', nanos: 0 } }],
    ['ttl-number', { ttl: 21_600 }],
    ['ttl-human', { ttl: '6h' }],
  ])('%s gives six hours', async (id, spec) => {
    const branch = await createBranch(id, spec)
    expect(branch.status.current_state).toBe('READY')
    const length = Date.parse(branch.status.expire_time) - Date.parse(branch.create_time)
    expect(length).toBe(21_600_000)
    expect(branch.status.source_branch).toBe(production)
    expect(branch.status.source_branch_lsn).toMatch(/^[0-9A-F]+\/[0-9A-F]+$/)
    expect(branch.spec).toBeUndefined()
    await server.write('DELETE', `${store}/branches/${id}?purge=true`)
  })

  test('is gone at its end with processes and files; its child lives on', async () => {
    const project = (await server.api('GET', `/api/2.0/postgres/${store}`)).body.uid
    const short = await createBranch('short', { ttl: '6s' })
    const child = await createBranch('child-of-short', {
      ttl: '1h',
      source_branch: `${store}/branches/short`,
    })
    await server.sql(`${store}/branches/child-of-short`, 'create table kept (n int)')
    const volume = join(server.stateDir, 'pool', project, short.uid)
    expect(existsSync(volume)).toBe(true)
    const listed = await server.api('GET', `/api/2.0/postgres/${store}/branches`)
    const shown = listed.body.branches.find((b: { branch_id: string }) => b.branch_id === 'short')
    expect(shown.status.expire_time).toBe(short.status.expire_time)
    await eventually('the branch is gone', async () => {
      const { status } = await server.api('GET', `/api/2.0/postgres/${store}/branches/short`)
      return status === 404
    })
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(short.status.expire_time))
    await eventually('its files are gone', () => !existsSync(volume))
    await eventually(
      'its WAL is gone',
      () => !existsSync(join(server.stateDir, 'wal', project, short.uid)),
    )
    const { rows } = await server.sql(
      `${store}/branches/child-of-short`,
      'select count(*) from kept',
    )
    expect(rows[0].count).toBe('0')
    const after = await server.api('GET', `/api/2.0/postgres/${child.name}`)
    expect(after.body.status.source_branch).toBe(`${store}/branches/short`)
    await server.write('DELETE', `${child.name}?purge=true`)
  })

  test('that fell due while the server was down goes first thing at start', async () => {
    await createBranch('due-while-down', { ttl: '5s' })
    await server.kill()
    await new Promise((resolve) => setTimeout(resolve, 5500))
    await server.launch()
    await eventually('the branch is gone', async () => {
      const { status } = await server.api(
        'GET',
        `/api/2.0/postgres/${store}/branches/due-while-down`,
      )
      return status === 404
    })
  })
})

describe('a credential that can migrate', () => {
  test('one identity makes, another alters and drops: here and on a fork', async () => {
    const token = await server.identity('second@example.com', 'CAN_MANAGE')
    const one = await createBranch('ddl', { ttl: '1h' })
    await server.sql(
      one.name,
      'create table products (id serial primary key, name text); insert into products (name) select n::text from generate_series(1, 13) n',
    )
    await server.sql(one.name, 'alter table products add column price int', { token })
    const fork = await server.write(
      'POST',
      `${store}/branches?branch_id=ddl-fork`,
      { spec: { ttl: '1h', source_branch: one.name } },
      token,
    )
    await server.sql(
      fork.name,
      'alter table products rename to goods; create schema shop; alter table goods set schema shop',
      { token },
    )
    await server.sql(fork.name, 'drop table shop.goods; drop schema shop')
    const { rows } = await server.sql(one.name, 'select count(*) from products')
    expect(rows[0].count).toBe('13')
    await expect(server.sql(production, 'select * from products')).rejects.toThrow('does not exist')
    await server.write('DELETE', `${fork.name}?purge=true`)
    await server.write('DELETE', `${one.name}?purge=true`)
  })

  test('says in its scope what it can do, and a read-only one can do no more', async () => {
    const branch = await createBranch('narrow', { ttl: '1h' })
    await server.sql(branch.name, 'create table t (n int); insert into t values (1)')
    const full = await server.credential(branch.name)
    expect(claims(full).scope).toBe('postgres:ddl postgres:write postgres:read')
    expect(claims(full).branch).toBe(branch.name)
    const narrow = await server.credential(branch.name, server.token, {
      claims: [{ permission_set: 'READ_ONLY' }],
    })
    expect(claims(narrow).scope).toBe('postgres:read')
    const client = await server.connect(branch.name, { credential: narrow })
    try {
      expect((await client.query('select n from t')).rows).toEqual([{ n: 1 }])
      for (const statement of [
        'insert into t values (2)',
        'create table u (n int)',
        'drop table t',
        'set transaction read write; insert into t values (3)',
        'reset role; insert into t values (4)',
        'set session authorization cloud_admin',
        'set role databricks_superuser',
      ]) {
        await expect(client.query(statement), statement).rejects.toThrow()
      }
    } finally {
      await client.end()
    }
    await server.write('DELETE', `${branch.name}?purge=true`)
  })
})

const claims = (token: string) =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8'))
