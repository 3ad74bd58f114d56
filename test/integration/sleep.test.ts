/** An endpoint that nobody uses goes to sleep, idle sessions or not, and wakes with the next login. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(async () => {
  await server?.dispose()
})

test('idle sessions do not keep an endpoint awake; a transaction does; a login wakes it', async () => {
  const make = async (id: string) => {
    const branch = await server.write('POST', `${store}/branches?branch_id=${id}`, {
      spec: { ttl: '1h' },
    })
    const endpoint = `${branch.name}/endpoints/primary`
    await server.write('PATCH', `${endpoint}?update_mask=spec.suspension`, {
      spec: { suspend_timeout_duration: '60s' },
    })
    const state = async () =>
      (await server.api('GET', `/api/2.0/postgres/${endpoint}`)).body.status.current_state
    const client = await server.connect(branch.name)
    return { branch, state, client }
  }
  const idle = await make('idle')
  const busy = await make('busy')
  await idle.client.query('create table kept (n int); insert into kept values (1)')
  const ended = new Promise<string>((resolve) => {
    idle.client.on('error', (error: Error & { code?: string }) => resolve(error.code ?? ''))
  })
  await busy.client.query('begin')
  await busy.client.query('select 1')
  expect([await idle.state(), await busy.state()]).toEqual(['ACTIVE', 'ACTIVE'])
  await eventually('the idle one sleeps', async () => (await idle.state()) === 'IDLE', 100_000)
  expect(await ended).toBe('57P01')
  expect(await busy.state()).toBe('ACTIVE')
  expect((await busy.client.query('select 2 as n')).rows).toEqual([{ n: 2 }])
  await busy.client.query('commit')
  await busy.client.end()
  expect((await server.sql(idle.branch.name, 'select n from kept')).rows).toEqual([{ n: 1 }])
  expect(await idle.state()).toBe('ACTIVE')
}, 150_000)
