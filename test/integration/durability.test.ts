/** Relaxed durability: chosen by a branch, in force at once, nobody else's, and never at the cost of fsync. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'
const dev = `${store}/branches/dev`

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(async () => {
  await server?.dispose()
})

const make = (id: string, spec: object = {}) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '3600s', ...spec } })
const durable = (durability: string, branch = dev) =>
  server.write('PATCH', `${branch}?update_mask=spec.durability`, { spec: { durability } })
const settings = async (branch: string): Promise<readonly string[]> => {
  const { rows } = await server.sql(
    branch,
    `select current_setting('synchronous_commit') as commit, current_setting('fsync') as fsync,
       current_setting('full_page_writes') as pages`,
  )
  return [rows[0].commit, rows[0].fsync, rows[0].pages]
}

test('is durable unless it is said, and what was said is shown', async () => {
  const made = await make('dev')
  expect(made.status.durability).toBe('durable')
  expect(await settings(dev)).toEqual(['on', 'on', 'on'])
})

test('relaxed is in force at once, in sessions that are open too, and so is the way back', async () => {
  const open = await server.connect(dev)
  const seen = async () => (await open.query('show synchronous_commit')).rows[0].synchronous_commit
  const begun = async () =>
    (await open.query('select pg_postmaster_start_time() as t')).rows[0].t.getTime()
  const before = await begun()
  expect((await durable('relaxed')).status.durability).toBe('relaxed')
  await expect.poll(seen).toBe('off')
  expect(await settings(dev)).toEqual(['off', 'on', 'on'])
  await durable('durable')
  await expect.poll(seen).toBe('on')
  expect(await begun()).toBe(before) // no restart
  await open.end()
})

test('a branch of it is durable, and holds all that was acknowledged', async () => {
  await durable('relaxed')
  await server.sql(dev, 'create table acknowledged (n int)')
  const writer = await server.connect(dev)
  for (let n = 1; n <= 5; n += 1) {
    for (let row = 0; row < 40; row += 1) {
      await writer.query('insert into acknowledged values ($1)', [n])
    }
    // Not yet on disk by itself: the wal writer comes every 200 ms.
    const child = await make(`child-${n}`, { source_branch: dev })
    expect(child.status.durability).toBe('durable')
    const { rows } = await server.sql(child.name, 'select count(*)::int as count from acknowledged')
    expect(rows).toEqual([{ count: n * 40 }])
    expect(await settings(child.name)).toEqual(['on', 'on', 'on'])
  }
  await writer.end()
})

test('is kept by a restart of the server, with and without its computes', async () => {
  await server.kill()
  await server.launch()
  expect(await settings(dev)).toEqual(['off', 'on', 'on'])
  await server.stop()
  await server.launch()
  expect(await settings(dev)).toEqual(['off', 'on', 'on'])
})

test('accepted by a server that died before it told the compute, it is told by the next', async () => {
  await durable('durable')
  await server.kill()
  await server
    .launch({ LAKELET_FAILPOINTS: 'compute.reload.written=kill@1' })
    .catch(() => undefined)
  await server.exit()
  await server.launch()
  expect(await settings(dev)).toEqual(['on', 'on', 'on'])
})

test('can be chosen at birth and by a create that replaces', async () => {
  const made = await make('quick', { durability: 'relaxed' })
  expect(made.status.durability).toBe('relaxed')
  expect(await settings(made.name)).toEqual(['off', 'on', 'on'])
  await server.write('POST', `${store}/branches?branch_id=quick&replace_existing=true`, {
    spec: { durability: 'durable' },
  })
  await expect.poll(() => settings(made.name)).toEqual(['on', 'on', 'on'])
})

test.each(['none', '', 1, null, 'fsync off'])('%j is no durability', async (durability) => {
  const { status, body } = await server.api(
    'PATCH',
    `/api/2.0/postgres/${dev}?update_mask=spec.durability`,
    { spec: { durability } },
  )
  expect([status, body.error_code]).toEqual([400, 'INVALID_PARAMETER_VALUE'])
})

test.each(['fsync', 'full_page_writes'])('nobody sets %s off', async (name) => {
  const { status, body } = await server.api(
    'PATCH',
    `/api/2.0/postgres/${dev}/endpoints/primary?update_mask=spec.settings.pg_settings`,
    { spec: { settings: { pg_settings: { [name]: 'off' } } } },
  )
  expect([status, body.message]).toEqual([
    400,
    expect.stringMatching(new RegExp(`${name} stays on; .* durability of the branch to relaxed`)),
  ])
  for (const statement of [
    `alter system set ${name} = off`,
    `alter role current_user set ${name} = off`,
    `alter database databricks_postgres set ${name} = off`,
    `set ${name} = off`,
  ]) {
    await server.sql(dev, statement).catch(() => undefined)
  }
  await server.sql(dev, 'select pg_reload_conf()').catch(() => undefined)
  expect(await settings(dev)).toEqual(['on', 'on', 'on'])
})
