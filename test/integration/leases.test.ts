/** Ends that move away with activity or while somebody is connected, and those that do not. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
const name = (id: string) => `${store}/branches/${id}`

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start({ storage: 'copy', env: { LAKELET_CONTRACT: 'strict' } })
}, 120_000)
afterAll(async () => {
  await server?.dispose()
})

const make = (id: string, spec: object) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec })
const get = async (id: string) => server.api('GET', `/api/2.0/postgres/${name(id)}`)
const endOf = async (id: string) => Date.parse((await get(id)).body.status.expire_time)
const isThere = async (id: string) => (await get(id)).status === 200
const wait = (length: number) => new Promise((done) => setTimeout(done, length))
/** Its end is `length` from now. */
const endIn = (id: string, length: number) =>
  server.write('PATCH', `${name(id)}?update_mask=spec.expire_time`, {
    spec: { expire_time: new Date(Date.now() + length).toISOString() },
  })

test('a held branch outlives its end with its sessions, and no longer; others do not', async () => {
  await make('held', { ttl: '3600s', is_held_by_sessions: true })
  await make('plain', { ttl: '3600s' })
  const [held, plain] = [await server.connect(name('held')), await server.connect(name('plain'))]
  for (const id of ['held', 'plain']) await endIn(id, 3000)
  await eventually('the plain one ends', async () => !(await isThere('plain')))
  expect(await isThere('held')).toBe(true)
  expect((await held.query('select 1 as n')).rows).toEqual([{ n: 1 }])
  expect(await endOf('held')).toBeGreaterThan(Date.now() + 100_000)
  // Others can come in meanwhile.
  expect((await server.sql(name('held'), 'select 2 as n')).rows).toEqual([{ n: 2 }])
  await plain.end().catch(() => undefined)
  await held.end()
  // Nobody is there any more: its end is its end.
  await endIn('held', 2000)
  await eventually('the held one ends', async () => !(await isThere('held')))
})

test('a sliding end follows the last activity', async () => {
  await make('sliding', { ttl: '3600s', sliding_ttl: '8s' })
  expect((await get('sliding')).body.status).toMatchObject({ sliding_ttl: '8s' })
  // Nearer never by itself.
  expect(await endOf('sliding')).toBeGreaterThan(Date.now() + 3_000_000)
  const client = await server.connect(name('sliding'))
  await endIn('sliding', 4000)
  const first = await endOf('sliding')
  for (let at = 0; at < 5; at += 1) {
    await client.query('select 1')
    await wait(1500)
  }
  expect(await isThere('sliding')).toBe(true)
  expect(await endOf('sliding')).toBeGreaterThan(first)
  // Connected alone is no activity.
  await eventually('it ends', async () => !(await isThere('sliding')), 15_000)
  await client.end().catch(() => undefined)
})

test('both are asked for, changed, and refused beyond what branches may live', async () => {
  await make('asked', { ttl: '3600s', sliding_ttl: '60s', is_held_by_sessions: true })
  expect((await get('asked')).body.status).toMatchObject({
    sliding_ttl: '60s',
    is_held_by_sessions: true,
  })
  const path = `${name('asked')}?update_mask=spec.sliding_ttl,spec.is_held_by_sessions`
  await server.write('PATCH', path, { spec: { sliding_ttl: '0s', is_held_by_sessions: false } })
  const { status } = (await get('asked')).body
  expect(status).not.toHaveProperty('sliding_ttl')
  expect(status).not.toHaveProperty('is_held_by_sessions')
  for (const [sliding_ttl, says] of [
    ['2592001s', /exceeds the maximum expiration/],
    ['soon', /must be a duration in seconds/],
    ['-1s', /it must be 0s/],
  ] as const) {
    const { body } = await server.api(
      'PATCH',
      `/api/2.0/postgres/${name('asked')}?update_mask=spec.sliding_ttl`,
      { spec: { sliding_ttl } },
    )
    expect(body.message).toMatch(says)
  }
})

test('a server that was down holds nothing, and keeps what was active', async () => {
  await make('idle', { ttl: '3600s', is_held_by_sessions: true })
  await make('active', { ttl: '3600s', sliding_ttl: '3600s' })
  const session = await server.connect(name('idle'))
  await server.sql(name('active'), 'select 1')
  await eventually('its activity is noted', async () => {
    const { body } = await server.api(
      'GET',
      `/api/2.0/postgres/${name('active')}/endpoints/primary`,
    )
    return body.status.last_active_time !== undefined
  })
  for (const id of ['idle', 'active']) await endIn(id, 2500)
  await server.kill()
  await wait(3000)
  await session.end().catch(() => undefined)
  await server.launch()
  expect(await isThere('idle')).toBe(false)
  expect(await isThere('active')).toBe(true)
  expect(await endOf('active')).toBeGreaterThan(Date.now() + 3_000_000)
})
