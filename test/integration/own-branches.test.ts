/** What CAN_BRANCH covers, and what an update of an endpoint does when Postgres refuses its settings. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
let token: string
const store = 'projects/store'
const branches = `/api/2.0/postgres/${store}/branches`

beforeAll(async () => {
  server = await TestServer.start()
  token = await server.identity('brancher@example.com', 'CAN_BRANCH')
})
afterAll(async () => {
  await server?.dispose()
})

const create = (id: string, spec: object, by?: string) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec }, by)

test('who may branch makes branches that end, and runs DDL on them', async () => {
  const mine = await create('mine', { ttl: '1h' }, token)
  await server.sql(mine.name, 'create table t (n int)', { token })
  await server.write('PATCH', `${mine.name}?update_mask=spec.ttl`, { spec: { ttl: '2h' } }, token)
  await server.write('DELETE', `${mine.name}?purge=true`, undefined, token)
})

test('who may branch makes none that stay, and changes none of others', async () => {
  const other = await create('of-another', { ttl: '1h' })
  const refusals: readonly (readonly [string, string, object | undefined])[] = [
    ['POST', `${branches}?branch_id=stays`, { spec: { no_expiry: true } }],
    ['POST', `${branches}?branch_id=safe`, { spec: { ttl: '1h', is_protected: true } }],
    ['DELETE', `${branches}/of-another?purge=true`, undefined],
    ['PATCH', `${branches}/of-another?update_mask=spec.ttl`, { spec: { ttl: '2h' } }],
    ['POST', `${branches}/of-another/undelete`, {}],
  ]
  for (const [method, path, body] of refusals) {
    const { status, body: answer } = await server.api(method, path, body, { token })
    expect([status, answer.error_code], `${method} ${path}`).toEqual([403, 'PERMISSION_DENIED'])
    expect(answer.message).toContain('CAN_MANAGE')
  }
  await server.write('DELETE', `${other.name}?purge=true`)
})

test('a setting that Postgres does not take fails the update and leaves the endpoint as it was', async () => {
  const branch = await create('settings', { ttl: '1h' })
  const endpoint = `${branch.name}/endpoints/primary`
  const update = (pgSettings: object) =>
    server.write('PATCH', `${endpoint}?update_mask=spec.settings`, {
      spec: { settings: { pg_settings: pgSettings } },
    })
  await update({ work_mem: '7MB' })
  expect((await server.sql(branch.name, 'show work_mem')).rows[0].work_mem).toBe('7MB')
  await expect(update({ nonsense_x: '1' })).rejects.toThrow('nonsense_x')
  expect((await server.sql(branch.name, 'show work_mem')).rows[0].work_mem).toBe('7MB')
  const { body } = await server.api('GET', `/api/2.0/postgres/${endpoint}`)
  expect(body.status.settings.pg_settings).toEqual({ work_mem: '7MB' })
})
