/** The schedule of automatic snapshots over a real server: its form, and that its timer is a row. */
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { refusal } from '../fixtures/refusal.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'
const production = `${store}/branches/production`
const name = `${production}/snapshot-schedule`

beforeAll(async () => {
  server = await TestServer.start({ env: { LAKELET_MAX_SNAPSHOTS_PER_PROJECT: '1' } })
})
afterAll(async () => {
  await server?.dispose()
})

const get = async (path: string) => (await server.api('GET', `/api/2.0/postgres/${path}`)).body
/** What GET answers afterwards; the answer itself says the same to SDKs of either kind. */
async function patch(body: object, mask = '?update_mask=schedule', of = name) {
  const { body: answer } = await server.api('PATCH', `/api/2.0/postgres/${of}${mask}`, body)
  const seen = await get(of)
  expect(answer).toMatchObject({ done: true, response: seen, schedule: seen.schedule })
  expect(await server.follow(answer.name)).toEqual(seen)
  return seen
}
const taken = async () => (await get(`${store}/snapshots`)).snapshots

/** The server's own records, as nobody but a test touches them: schedules go by the hour. */
async function catalog(text: string, values: unknown[] = []) {
  const host = join(server.stateDir, 'run/catalog')
  const client = new pg.Client({ host, user: 'cloud_admin', database: 'lakelet' })
  await client.connect()
  try {
    return (await client.query(text, values)).rows
  } finally {
    await client.end()
  }
}
const daily = { retention: '86400s', daily_schedule: { hour: 3 } }
const weekly = { retention: '604800s', weekly_schedule: { day_of_week: 'SUNDAY', hour: 0 } }

describe('a snapshot schedule', () => {
  test('is empty at first, is answered at once, and is replaced whole', async () => {
    expect(await get(name)).toEqual({ name, schedule: [] })
    const monthly = { retention: '2592000s', monthly_schedule: { day: 31, hour: 23 } }
    expect(await patch({ name, schedule: [daily, weekly, monthly] })).toEqual({
      name,
      schedule: [daily, weekly, monthly],
    })
    expect(await get(name)).toEqual({ name, schedule: [daily, weekly, monthly] })
    // Clients leave zeros out, and wrap.
    const short = { retention: '7d', weekly_schedule: { day_of_week: 'SUNDAY' } }
    expect(await patch({ snapshot_schedule: { schedule: [short] } })).toEqual({
      name,
      schedule: [weekly],
    })
    expect(await patch({}, '')).toEqual({ name, schedule: [weekly] }) // names nothing
    expect(await patch({ schedule: [daily] }, '')).toEqual({ name, schedule: [daily] })
    expect(await patch({}), 'an empty list is left out by clients').toEqual({ name, schedule: [] })
    expect((await catalog('select next_time from snapshot_schedules'))[0].next_time).toBeNull()
  })

  test.each<[unknown, string, RegExp]>([
    [{ daily_schedule: { hour: 3 } }, 'schedule', /schedule\.0\.retention/],
    [{ ...daily, retention: '3599s' }, 'schedule', /3600s \(1 hour\)/],
    [{ ...daily, daily_schedule: { hour: 24 } }, 'schedule', /0 to 23/],
    [{ ...daily, weekly_schedule: { day_of_week: 'SUNDAY' } }, 'schedule', /exactly one of/],
    [{ retention: '86400s' }, 'schedule', /exactly one of/],
    [{ retention: '86400s', weekly_schedule: { hour: 1 } }, 'schedule', /day_of_week/],
    [{ retention: '86400s', weekly_schedule: { day_of_week: 'FREITAG' } }, 'schedule', /one of/],
    [{ retention: '86400s', monthly_schedule: { day: 32 } }, 'schedule', /1 to 31/],
    [{ retention: '86400s', monthly_schedule: {} }, 'schedule', /monthly_schedule\.day/],
    [daily, 'cadences', /Unknown field path.*schedule/],
    [daily, 'schedule.retention', /Unknown field path/],
  ])('refuses %j with mask %s', async (cadence, mask, expected) => {
    const said = await refusal(server, 'PATCH', `${name}?update_mask=${mask}`, {
      schedule: [cadence],
    })
    expect(said).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    expect(said.text).toMatch(expected)
    expect(await get(name)).toEqual({ name, schedule: [] })
  })

  test('of a branch that is not there is not there', async () => {
    const absent = `${store}/branches/nowhere/snapshot-schedule`
    for (const method of ['GET', 'PATCH'] as const) {
      const said = await refusal(server, method, absent, method === 'GET' ? undefined : {})
      expect(said).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    }
  })
})

describe('an automatic snapshot', () => {
  const due = (ago: string) =>
    catalog(`update snapshot_schedules set next_time = now() - $1::interval`, [ago])

  test('is taken when it is due, once for all that was missed, kept for the longest of them', async () => {
    await server.sql(production, 'create table kept (n int); insert into kept values (5)')
    await patch({ schedule: [daily, weekly, { ...weekly, retention: '1209600s' }] })
    const [{ next_time: next }] = await catalog('select next_time from snapshot_schedules')
    expect([3, 0]).toContain(next.getUTCHours())
    expect(next.getTime()).toBeGreaterThan(Date.now())

    await server.stop()
    // Nobody was there for nine days: nine daily ones and a weekly one were missed.
    await server.launch()
    await server.kill() // computes and catalog go on
    await due('9 days')
    await server.launch()
    await eventually('it is taken', async () => (await taken()).length === 1)
    const [made] = await taken()
    expect(made.snapshot_id).toMatch(/^auto-\d{8}-\d{4}-production$/)
    const kept = Date.parse(made.status.expire_time) - Date.parse(made.create_time)
    expect(kept).toBe(1_209_600_000)
    expect(made.status.source_branch).toBe(production)
    const rows = await catalog('select next_time > now() as later from snapshot_schedules')
    expect(rows).toEqual([{ later: true }])

    // While it runs, by the next tick; the id of this minute is taken, so it gets another.
    await due('1 second')
    await patch({}, '') // wakes nobody
    await catalog("select pg_notify('lakelet', 'due')")
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect((await taken()).length, 'no cadence had a moment in that second').toBe(1)
    await due('8 days')
    await catalog("select pg_notify('lakelet', 'due')")
    await eventually('the second', async () => (await taken()).length === 2)

    // They do not count against the limit of one.
    const mine = await server.write('POST', `${store}/snapshots?snapshot_id=mine`, {
      spec: { source_branch: production, no_expiry: true },
    })
    const back = await server.write('POST', `${store}/branches?branch_id=back`, {
      spec: { ttl: '1h', source_snapshot: made.name },
    })
    expect((await server.sql(back.name, 'select n from kept')).rows).toEqual([{ n: 5 }])
    await server.write('DELETE', `${back.name}?purge=true`)
    for (const { name } of [...(await taken())]) await server.write('DELETE', name)
    expect((await refusal(server, 'GET', mine.name)).status).toBe(404)
    await nothingHalfMade(server)
  })

  test('a branch of its own has a schedule of its own, which goes with it', async () => {
    const branch = await server.write('POST', `${store}/branches?branch_id=child`, {
      spec: { ttl: '1h' },
    })
    const of = `${branch.name}/snapshot-schedule`
    expect((await get(of)).schedule).toEqual([])
    await patch({ schedule: [daily] }, '?update_mask=schedule', of)
    await server.write('DELETE', branch.name)
    await due('3 days')
    await catalog("select pg_notify('lakelet', 'due')")
    await eventually('production has its own', async () => (await taken()).length === 1)
    await server.write('DELETE', `${branch.name}?purge=true`)
    expect(await catalog('select count(*)::int as n from snapshot_schedules')).toEqual([{ n: 1 }])
    for (const { name } of await taken()) await server.write('DELETE', name)
    await nothingHalfMade(server)
  })

  test('leaves by its retention', async () => {
    await due('2 days')
    await catalog("select pg_notify('lakelet', 'due')")
    await eventually('it is taken', async () => (await taken()).length === 1)
    await catalog('update snapshots set expire_time = now()')
    await catalog("select pg_notify('lakelet', 'due')")
    await eventually('it is gone', async () => (await taken()).length === 0)
    await nothingHalfMade(server)
  })
})
