/** Branches at points of the past, over a real server: what they hold, what they say, what is refused. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { catalogRows } from '../fixtures/catalog-rows.ts'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { refusal } from '../fixtures/refusal.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
const production = `${store}/branches/production`

let server: TestServer
beforeAll(async () => {
  server = await TestServer.start({ env: { LAKELET_MAX_ROOT_BRANCHES_PER_PROJECT: '5' } })
  await server.sql(production, 'create table kept (n int primary key)')
  await historyOf(production)
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
})
afterAll(async () => {
  await server?.dispose()
})

const get = async (path: string) => (await server.api('GET', `/api/2.0/postgres/${path}`)).body
const branch = (id: string, spec: object = {}) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h', ...spec } })
const purge = (id: string) => server.write('DELETE', `${store}/branches/${id}?purge=true`)
const numbers = async (of: string) =>
  (await server.sql(of, 'select n from kept order by n')).rows.map(({ n }) => n)
async function historyOf(of: string) {
  await eventually(`${of} has history`, async () => (await get(of)).status.history !== undefined)
  return (await get(of)).status.history
}
/** The branch's own clock to the microsecond, and where its log ends. */
const mark = async (of: string) => {
  const { rows } = await server.sql(
    of,
    `select to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.US') as time,
            pg_current_wal_insert_lsn()::text as lsn`,
  )
  const { time, lsn } = rows[0] as { readonly time: string; readonly lsn: string }
  return { time: `${time}Z`, zoned: `${time}+00:00`, nanos: `${time}999Z`, lsn }
}
/** Inserts a number and notes the point behind it. */
const write = async (of: string, n: number) => {
  await server.sql(of, `insert into kept values (${n})`)
  const point = await mark(of)
  await delay(3)
  return point
}
const refused = async (spec: object) => {
  const path = `${store}/branches?branch_id=never`
  const answer = await refusal(server, 'POST', path, { spec: { ttl: '1h', ...spec } })
  expect((await server.api('GET', `/api/2.0/postgres/${store}/branches/never`)).status).toBe(404)
  return answer
}
const sleep = async (of: string) => {
  const { uid } = await get(`${of}/endpoints/primary`)
  await server.write('PATCH', `${of}/endpoints/primary?update_mask=spec.disabled`, {
    spec: { disabled: true },
  })
  await server.write('PATCH', `${of}/endpoints/primary?update_mask=spec.disabled`, {
    spec: { disabled: false },
  })
  expect((await get(`${of}/endpoints/primary`)).status.current_state).toBe('IDLE')
  return uid
}
const walOf = async (of: string) =>
  join(server.stateDir, 'wal', (await get(store)).uid, (await get(of)).uid, 'live')

describe('a branch at a point', () => {
  test('holds what was committed by then, by time and by position', async () => {
    const points = []
    for (let n = 1; n <= 5; n += 1) points.push(await write(production, n))
    for (const at of [1, 3, 5]) {
      const { time, nanos, zoned, lsn } = points[at - 1] ?? (await mark(production))
      const wanted = Array.from({ length: at }, (_, index) => index + 1)
      const asked = at === 1 ? time : at === 3 ? nanos : zoned
      const byTime = await branch(`time-${at}`, { source_branch_time: asked })
      expect(await numbers(byTime.name)).toEqual(wanted)
      const reached = byTime.status.source_branch_time
      expect(reached).toMatch(/\.\d{6}Z$/) // of the last commit
      expect(reached <= time).toBe(true)
      const byLsn = await branch(`lsn-${at}`, { source_branch_lsn: lsn })
      expect(await numbers(byLsn.name)).toEqual(wanted)
      expect(byLsn.status.source_branch_time).toBe(reached)
      expect(byLsn.status.source_branch_lsn).toBe(lsn)
      expect(byLsn.status.logical_size_bytes).toBeGreaterThan(2 ** 20)
      await purge(`time-${at}`)
      await purge(`lsn-${at}`)
    }
    await nothingHalfMade(server)
  })

  test('of an idle source is its head, and so is one after the last commit', async () => {
    const last = await write(production, 6)
    await delay(20)
    const later = await mark(production)
    const made = await branch('head', { source_branch_time: later.time })
    expect(await numbers(made.name)).toEqual([1, 2, 3, 4, 5, 6])
    expect(made.status.source_branch_time < last.time).toBe(true)
    await purge('head')
  })

  test('of a sleeping source does not wake it', async () => {
    const before = await write(production, 7)
    const after = await write(production, 8)
    await sleep(production)
    const one = await branch('asleep-before', { source_branch_time: before.time })
    const two = await branch('asleep-after', { source_branch_time: after.time })
    const three = await branch('asleep-lsn', { source_branch_lsn: before.lsn })
    expect((await get(`${production}/endpoints/primary`)).status.current_state).toBe('IDLE')
    expect(await numbers(one.name)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(await numbers(two.name)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    expect(await numbers(three.name)).toEqual([1, 2, 3, 4, 5, 6, 7])
    for (const id of ['asleep-before', 'asleep-after', 'asleep-lsn']) await purge(id)
    // Awake again it goes on where it was, and its history with it.
    const again = await write(production, 9)
    await write(production, 10)
    const four = await branch('awake-again', { source_branch_time: again.time })
    expect(await numbers(four.name)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9])
    await purge('awake-again')
  })

  test('of a source that sleeps from its first base on', async () => {
    const source = await branch('slept')
    await sleep(source.name)
    await historyOf(source.name)
    const before = await write(source.name, 101)
    await write(source.name, 102)
    const made = await branch('of-slept', {
      source_branch: source.name,
      source_branch_time: before.time,
    })
    expect((await numbers(made.name)).at(-1)).toBe(101)
    await purge('of-slept')
    await purge('slept')
  })

  test('of a child, whose own history begins with it', async () => {
    const parents = await mark(production)
    const child = await branch('child')
    const { window_start_time: begins, window_start_lsn: first } = await historyOf(child.name)
    const one = await write(child.name, 201)
    await write(child.name, 202)
    const made = await branch('of-child', {
      source_branch: child.name,
      source_branch_time: one.time,
    })
    expect((await numbers(made.name)).at(-1)).toBe(201)
    expect(made.status.source_branch).toBe(child.name)
    const early = await refused({ source_branch: child.name, source_branch_time: parents.time })
    expect(early).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    for (const text of [begins, first, "'production'"]) expect(early.text).toContain(text)
    await purge('of-child')
    await purge('child')
  })

  test('holds what was acknowledged without waiting for the disk', async () => {
    const client = await server.connect(production)
    await client.query('set synchronous_commit = off')
    await client.query('insert into kept values (11)')
    const { rows } = await client.query('select pg_current_wal_insert_lsn()::text as lsn')
    await client.query('insert into kept values (12)')
    const made = await branch('relaxed', { source_branch_lsn: rows[0].lsn })
    expect((await numbers(made.name)).at(-1)).toBe(11)
    await client.end()
    await purge('relaxed')
  })

  test('asked for again is the same one, and another point is refused', async () => {
    const point = await mark(production)
    const spec = { ttl: '1h', source_branch_time: point.time }
    const path = `${store}/branches?branch_id=again&replace_existing=true`
    const one = await server.write('POST', path, { spec })
    const two = await server.write('POST', path, { spec })
    expect(two.uid).toBe(one.uid)
    const other = await mark(production)
    const answer = await refusal(server, 'POST', path, {
      spec: { ...spec, source_branch_time: other.time },
    })
    expect(answer.text).toContain('source_branch_time')
    await purge('again')
  })

  test('can be kept as a snapshot', async () => {
    const point = await mark(production)
    const held = await numbers(production)
    await write(production, 13)
    const made = await server.write('POST', `${store}/snapshots?snapshot_id=then`, {
      spec: { source_branch: production, ttl: '1h', source_branch_time: point.time },
    })
    await write(production, 14)
    const one = await branch('of-then', { source_snapshot: made.name })
    expect(await numbers(one.name)).toEqual(held)
    await purge('of-then')
    await server.write('DELETE', made.name)
  })
})

describe('a point is refused', () => {
  test('that has not come, or lies before the window, each time naming what can be had', async () => {
    const { window_start_time: begins, window_start_lsn: first } = await historyOf(production)
    const future = await refused({ source_branch_time: '2199-01-01T00:00:00Z' })
    expect(future).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    expect(future.text).toContain('2199-01-01T00:00:00.000Z')
    for (const point of [
      { source_branch_time: '2001-01-01T00:00:00+01:00' },
      { source_branch_lsn: '0/0' },
      { source_branch_lsn: '0/1' },
    ]) {
      const early = await refused(point)
      expect(early.status).toBe(400)
      expect(early.text).toContain(begins)
      expect(early.text).toContain(first)
    }
  })

  test('that is none, or two', async () => {
    const { time, lsn } = await mark(production)
    const both = await refused({ source_branch_time: time, source_branch_lsn: lsn })
    expect(both.text).toContain('Only one of')
    for (const text of ['16', '0/', 'G/1', '0/123456789', '1/1/1', '-1/0', ' 0/1']) {
      expect((await refused({ source_branch_lsn: text })).status, text).toBe(400)
    }
    for (const text of ['yesterday', '2026-02-30T00:00:00Z', '2026-11-23 10:00:00', '1790000000']) {
      expect((await refused({ source_branch_time: text })).status, text).toBe(400)
    }
  })

  test('behind the end of the log, also of one that sleeps', async () => {
    const path = `${store}/branches?branch_id=beyond`
    const spec = { ttl: '1h', source_branch_lsn: 'FFFF/0' }
    await expect(server.write('POST', path, { spec })).rejects.toThrow(
      /log of the branch .* ends at/,
    )
    await sleep(production)
    await expect(server.write('POST', path, { spec })).rejects.toThrow(
      /log of the branch .* ends at/,
    )
    await nothingHalfMade(server)
  })

  test('where a segment is broken or gone: it is named, and what else there is', async () => {
    const source = await branch('broken')
    await historyOf(source.name)
    const good = await write(source.name, 301)
    await server.sql(
      source.name,
      "create table filler as select repeat('x', 500) from generate_series(1, 30000)",
    )
    const late = await write(source.name, 302)
    const live = await walOf(source.name)
    const segments = readdirSync(live)
      .filter((name) => /^[0-9A-F]{24}$/.test(name))
      .sort()
    const victim = segments.at(-3) ?? ''
    const path = join(live, victim)
    const bytes = readFileSync(path)
    const at = async (id: string, lsn: string) =>
      branch(id, { source_branch: source.name, source_branch_lsn: lsn })

    const broken = Buffer.from(bytes)
    broken.fill(0x5a, 2 ** 21 + 3000, 2 ** 21 + 3100) // inside of a record
    writeFileSync(path, broken)
    const wrong = new RegExp(`WAL segment ${victim} is damaged.*can still be reached: from`)
    await expect(at('never', late.lsn)).rejects.toThrow(wrong)
    // Nor is the head of it a branch that is silently shorter than its source.
    await expect(branch('never', { source_branch: source.name })).rejects.toThrow(wrong)
    rmSync(path)
    await expect(at('never', late.lsn)).rejects.toThrow(`WAL segment ${victim} is missing`)
    const made = await at('still', good.lsn)
    expect((await numbers(made.name)).at(-1)).toBe(301)
    // The branch as it is now does not need it, once a checkpoint is behind it.
    await sleep(source.name)
    expect((await numbers((await branch('now', { source_branch: source.name })).name)).at(-1)).toBe(
      302,
    )
    for (const id of ['still', 'now', 'broken']) await purge(id)
    await nothingHalfMade(server)
  })
})

describe('history', () => {
  test('costs bytes, is shown, and goes with its branch', async () => {
    const made = await branch('shown')
    await historyOf(made.name)
    await eventually('bytes are counted', async () => {
      return (await get(made.name)).status.history.size_bytes > 0
    })
    const { body: status } = await server.api('GET', '/api/lakelet/v1/status')
    expect(status.history.bases).toBeGreaterThan(1)
    const rows = () => catalogRows(server, `select uid from bases where branch_uid = '${made.uid}'`)
    const bases = (await rows()).map(({ uid }) => uid)
    expect(bases.length).toBe(1)
    const pool = join(server.stateDir, 'pool', (await get(store)).uid)
    expect(readdirSync(pool)).toEqual(expect.arrayContaining(bases))
    // A deleted branch can come back, and its history with it.
    const point = await write(made.name, 401)
    await write(made.name, 402)
    await server.write('DELETE', made.name)
    await server.write('POST', `${made.name}/undelete`, {})
    const past = await branch('undeleted-past', {
      source_branch: made.name,
      source_branch_time: point.time,
    })
    expect((await numbers(past.name)).at(-1)).toBe(401)
    await purge('undeleted-past')
    await purge('shown')
    expect(await rows()).toEqual([])
    expect(readdirSync(pool)).not.toEqual(expect.arrayContaining(bases))
  })
})
