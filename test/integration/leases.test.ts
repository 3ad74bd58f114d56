/** Ends that move away with activity or while somebody is connected, and those that do not. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
const name = (id: string) => `${store}/branches/${id}`

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start({ storage: 'copy' })
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

test('rules of a project narrow how long branches live, by their id and by who asks', async () => {
  const path = `/api/2.0/postgres/${store}/ttl-policy`
  const bob = await server.identity('bob@example.com', 'CAN_BRANCH')
  expect((await server.api('GET', path)).body).toEqual({ name: `${store}/ttl-policy`, rules: [] })
  const rules = [
    { match: 'pr-*', default_ttl: '600s', max_ttl: '1200s', who: ['bob@example.com'] },
    { match: 'pr-*', default_ttl: '1800s' },
  ]
  const set = await server.api('PUT', path, { rules })
  expect(set.body.rules).toEqual(rules)
  expect((await server.api('PUT', path, { rules: [] }, { token: bob })).status).toBe(403)
  const create = (id: string, spec: object, token = server.token) =>
    server.api('POST', `/api/2.0/postgres/${store}/branches?branch_id=${id}`, { spec }, { token })
  const secondsLeft = async (id: string) => Math.round(((await endOf(id)) - Date.now()) / 1000)
  await server.follow((await create('pr-1', {}, bob)).body.name)
  expect(await secondsLeft('pr-1')).toBeGreaterThan(590)
  expect(await secondsLeft('pr-1')).toBeLessThan(601)
  for (const spec of [{ ttl: '1201s' }, { ttl: '600s', sliding_ttl: '1201s' }]) {
    expect((await create('pr-2', spec, bob)).body.message).toMatch(/maximum expiration time/)
  }
  const update = (spec: object, mask: string, token: string) =>
    server.api(
      'PATCH',
      `/api/2.0/postgres/${name('pr-1')}?update_mask=${mask}`,
      { spec },
      { token },
    )
  const far = { expire_time: new Date(Date.now() + 1_300_000).toISOString() }
  expect((await update(far, 'spec.expire_time', bob)).body.message).toMatch(/maximum expiration/)
  // Whom the first rule is not for, the second one is.
  expect((await update(far, 'spec.expire_time', server.token)).status).toBe(200)
  await server.follow((await create('pr-3', {})).body.name)
  expect(await secondsLeft('pr-3')).toBeGreaterThan(1700)
  // Where no rule fits, the server's word holds: it wants an end to be said.
  expect((await create('other', {})).body.message).toMatch(/Expiration must be specified/)
  // A maximum for everybody refuses branches without an end.
  await server.api('PUT', path, { rules: [{ match: '*', max_ttl: '3600s' }] })
  expect((await create('stays', { no_expiry: true })).body.message).toMatch(/maximum expiration/)
  for (const [body, says] of [
    [{ rules: [{ match: '*', default_ttl: '61s', max_ttl: '60s' }] }, /rules\.0\.default_ttl/],
    [{ rules: [{ match: '*', max_ttl: '1s' }] }, /must be 60s/],
    [{ rules: [{ match: '*', who: ['nobody@example.com'] }] }, /identity 'nobody@example.com'/],
    [{ rules: [{}] }, /match/],
  ] as const) {
    expect((await server.api('PUT', path, body)).body.message).toMatch(says)
  }
  expect((await server.api('GET', path)).body.rules).toEqual([{ match: '*', max_ttl: '3600s' }])
  await server.api('PUT', path, { rules: [] })
})
