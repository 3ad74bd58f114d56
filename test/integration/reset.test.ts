/** Reset to source and restore in place over a real server: what is new, what stays, who is told. */
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openOperations, superuserRows } from '../fixtures/catalog-rows.ts'
import { nothingIsLeft } from '../fixtures/nothing-left.ts'
import { refusal } from '../fixtures/refusal.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
const production = `${store}/branches/production`
const day = 86_400_000

let server: TestServer

const get = async (path: string) => (await server.api('GET', `/api/2.0/postgres/${path}`)).body
const post = async (path: string, body: object = {}) =>
  (await server.api('POST', `/api/2.0/postgres/${path}`, body)).body
const branch = (id: string, spec: object = {}) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h', ...spec } })
const reset = (name: string) => server.write('POST', `${name}/reset`, {})
const restore = (name: string, snapshot: string) =>
  server.write('POST', `${name}/restore`, { snapshot })
const purge = (name: string) => server.write('DELETE', `${name}?purge=true`)
const texts = async (of: string, endpoint = 'primary') =>
  (await server.sql(of, 'select text from kept order by text', { endpoint })).rows.map(
    ({ text }) => text,
  )
const write = (to: string, text: string) =>
  server.sql(to, `insert into kept values ('${text}')`).then(() => undefined)

interface Snapshot {
  readonly name: string
  readonly snapshot_id: string
  readonly status: { readonly source_branch: string; readonly expire_time: string }
}

/** Snapshots of previous states of this branch, oldest first. */
const previous = async (name: string): Promise<readonly Snapshot[]> =>
  ((await get(`${store}/snapshots?page_size=100`)).snapshots as readonly Snapshot[]).filter(
    ({ snapshot_id: id, status }) => id.startsWith('before-') && status.source_branch === name,
  )

const forgetPrevious = async (name: string) => {
  for (const { name: snapshot } of await previous(name)) await server.write('DELETE', snapshot)
}

/** The compute goes to sleep as by its timeout. */
async function putToSleep(name: string): Promise<void> {
  const endpoint = `${name}/endpoints/primary`
  const set = (disabled: boolean) =>
    server.write('PATCH', `${endpoint}?update_mask=spec.disabled`, { spec: { disabled } })
  await set(true)
  await set(false)
  expect((await get(endpoint)).status.current_state).toBe('IDLE')
}

/** How often the compute of this endpoint was started, by the server's log. */
const startsOf = (endpoint: string): number =>
  server.log
    .split('\n')
    .filter((line) => line.includes('"start compute"') && line.includes(endpoint)).length

for (const storage of ['btrfs', 'copy'] as const) {
  describe(`on ${storage}`, () => {
    beforeAll(async () => {
      server = await TestServer.start({ storage })
      await server.sql(production, "create table kept (text text); insert into kept values ('a')")
    })
    afterAll(async () => {
      await server?.dispose()
    })

    test('a reset gives the source as it is now, under the same host, and keeps what was', async () => {
      const made = await branch('dev')
      const { uid } = made
      const endpoint = await get(`${made.name}/endpoints/primary`)
      await write(made.name, 'mine')
      await write(production, 'b')

      const done = await reset(made.name)
      expect(done).toMatchObject({
        name: made.name,
        uid,
        create_time: made.create_time,
        status: {
          current_state: 'READY',
          source_branch: production,
          expire_time: made.status.expire_time,
        },
      })
      expect(done.status.pending_state).toBeUndefined()
      expect(done.status.source_branch_time > made.status.source_branch_time).toBe(true)
      expect(done.status.source_branch_lsn).not.toBe(made.status.source_branch_lsn)
      expect(await texts(made.name)).toEqual(['a', 'b'])
      const after = await get(`${made.name}/endpoints/primary`)
      expect([after.uid, after.status.hosts]).toEqual([endpoint.uid, endpoint.status.hosts])
      expect(after.status.current_state).toBe('ACTIVE')

      const [kept, ...others] = await previous(made.name)
      expect(others).toEqual([])
      expect(kept?.name).toMatch(/\/before-reset-\d{8}-\d{6}-dev$/)
      const end = Date.parse(kept?.status.expire_time ?? '')
      expect(end - Date.now()).toBeGreaterThan(day - 600_000)
      expect(end - Date.now()).toBeLessThanOrEqual(day)
      await nothingIsLeft(server)

      // What a branch of it holds, and the branch itself, when it is taken back.
      const copy = await branch('copy', { source_snapshot: kept?.name })
      expect(await texts(copy.name)).toEqual(['a', 'mine'])
      const back = await restore(made.name, kept?.name ?? '')
      expect(await texts(made.name)).toEqual(['a', 'mine'])
      expect(back.uid).toBe(uid)
      expect((await previous(made.name)).map(({ name }) => name.split('/').at(-1))).toEqual([
        expect.stringMatching(/^before-reset-/),
        expect.stringMatching(/^before-restore-/),
      ])
      // Each of them has a volume of its own, whoever had it before.
      await reset(made.name)
      await reset(made.name)
      expect(await texts(made.name)).toEqual(['a', 'b'])
      await nothingIsLeft(server)
      await forgetPrevious(made.name)
      expect(await texts(made.name)).toEqual(['a', 'b'])
      await purge(copy.name)
      await purge(made.name)
      await nothingIsLeft(server)
    })

    test('sessions end with 57P01, and who connects again to the same host meets the new data', async () => {
      const made = await branch('live')
      await write(made.name, 'mine')
      const session = await server.connect(made.name)
      const { host } = session
      const code = new Promise<unknown>((told) => {
        session.on('error', (error) => told('code' in error ? error.code : error))
      })
      await session.query('begin')
      await session.query("insert into kept values ('never committed')")
      await reset(made.name)
      expect(await code).toBe('57P01')
      const again = await server.connect(made.name)
      expect(again.host).toBe(host)
      expect((await again.query('select text from kept order by text')).rows).toEqual(
        (await server.sql(production, 'select text from kept order by text')).rows,
      )
      await again.end()
      await forgetPrevious(made.name)
      await purge(made.name)
    })
  })
}

describe('a reset', () => {
  beforeAll(async () => {
    server = await TestServer.start()
    await server.sql(production, "create table kept (text text); insert into kept values ('a')")
  })
  afterAll(async () => {
    await server?.dispose()
  })

  test('of a sleeping branch leaves it asleep, and its next login meets the new data', async () => {
    const made = await branch('asleep')
    await write(made.name, 'mine')
    const { uid } = await get(`${made.name}/endpoints/primary`)
    await putToSleep(made.name)
    const before = startsOf(uid)
    expect(await post(`${made.name}/reset`, { dry_run: true })).toMatchObject({
      lost: { sessions: 0, transactions: expect.any(Number) },
    })
    await reset(made.name)
    expect(startsOf(uid)).toBe(before)
    expect((await get(`${made.name}/endpoints/primary`)).status.current_state).toBe('IDLE')
    expect(await texts(made.name)).toEqual(await texts(production))
    await forgetPrevious(made.name)
    await purge(made.name)
  })

  test('is foretold: what was written since, and who is connected', async () => {
    const made = await branch('told')
    const fresh = await post(`${made.name}/reset`, { dry_run: true })
    expect(fresh).toEqual({
      branch: made.name,
      source_branch: production,
      lost: {
        since: expect.stringMatching(/Z$/),
        transactions: expect.any(Number),
        wal_bytes: expect.any(Number),
        sessions: 0,
      },
    })
    const session = await server.connect(made.name)
    const before = await post(`${made.name}/reset`, { dry_run: true })
    for (let n = 0; n < 5; n += 1) await session.query(`insert into kept values ('told ${n}')`)
    const after = await post(`${made.name}/reset`, { dry_run: true })
    expect(after.lost.sessions).toBe(1)
    expect(after.lost.transactions - before.lost.transactions).toBe(5)
    expect(after.lost.wal_bytes - before.lost.wal_bytes).toBeGreaterThan(5 * 50)
    await session.end()
    // Asleep the same is told, by what lies on disk.
    await putToSleep(made.name)
    const asleep = await post(`${made.name}/reset`, { dry_run: true })
    expect(asleep.lost.transactions).toBeGreaterThanOrEqual(after.lost.transactions)
    expect(asleep.lost.wal_bytes).toBeGreaterThanOrEqual(after.lost.wal_bytes)
    expect((await get(made.name)).status.pending_state).toBeUndefined()
    expect(await previous(made.name)).toEqual([])

    await reset(made.name)
    const since = await post(`${made.name}/reset`, { dry_run: true })
    expect(since.lost.transactions).toBe(0)
    expect(since.lost.since > after.lost.since).toBe(true)
    const [kept] = await previous(made.name)
    const back = await post(`${made.name}/restore`, { snapshot: kept?.name, dry_run: true })
    expect(back).toMatchObject({ source_snapshot: kept?.name, lost: { transactions: 0 } })
    await forgetPrevious(made.name)
    await purge(made.name)
  })

  test('of a child of a protected branch gives all passwords anew', async () => {
    const made = await branch('locked')
    await server.write('PATCH', `${production}?update_mask=spec.is_protected`, {
      spec: { is_protected: true },
    })
    await server.sql(production, "create role app login password 'as on production'")
    await reset(made.name)
    const verifier = async (of: string) => {
      const { uid } = await get(`${of}/endpoints/primary`)
      await server.sql(of, 'select 1')
      const [row] = await superuserRows(
        join(server.stateDir, 'run', uid),
        "select rolpassword from pg_authid where rolname = 'app'",
      )
      return row?.rolpassword
    }
    expect(await verifier(made.name)).toMatch(/^SCRAM/)
    expect(await verifier(made.name)).not.toBe(await verifier(production))
    await server.write('PATCH', `${production}?update_mask=spec.is_protected`, {
      spec: { is_protected: false },
    })
    await forgetPrevious(made.name)
    await purge(made.name)
  })

  test('has its like for points: a restore in place to a time and to a log position', async () => {
    const made = await branch('past')
    const history = async () => (await get(made.name)).status.history
    await eventually('history has begun', async () => (await history()) !== undefined)
    const mark = async (text: string) => {
      await write(made.name, text)
      const { rows } = await server.sql(
        made.name,
        `select pg_current_wal_insert_lsn()::text as lsn,
          to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as time`,
      )
      return rows[0] as { readonly lsn: string; readonly time: string }
    }
    const one = await mark('one')
    const two = await mark('two')
    await mark('three')
    const { window_start_lsn: begin } = await history()
    const foretold = await post(`${made.name}/restore`, { lsn: two.lsn, dry_run: true })
    expect(foretold).toMatchObject({ lsn: two.lsn, lost: { sessions: 0 } })
    expect(foretold.lost.transactions).toBeGreaterThan(0)
    expect(foretold.lost.wal_bytes).toBeGreaterThan(0)

    await server.write('POST', `${made.name}/restore`, { lsn: two.lsn })
    expect(await texts(made.name)).toEqual(['a', 'one', 'two'])
    // History belongs to the volume: that of the new one begins anew.
    await eventually('history has begun anew', async () => {
      const now = await history()
      return now !== undefined && now.window_start_lsn !== begin
    })
    const early = await refusal(server, 'POST', `${made.name}/restore`, { time: one.time })
    expect(early.text).toContain('past')
    // A position of the log as it was before the restore, on a timeline that is another one now.
    const other = await refusal(server, 'POST', `${made.name}/restore`, { lsn: one.lsn })
    expect(other.text).toContain((await history()).window_start_lsn)
    await mark('four')
    const four = await mark('five')
    await mark('six')
    await server.write('POST', `${made.name}/restore`, { time: four.time })
    expect(await texts(made.name)).toEqual(['a', 'five', 'four', 'one', 'two'])
    const kept = (await previous(made.name)).map(({ name }) => name)
    expect(kept).toHaveLength(2)
    for (const name of kept) {
      if (name !== kept[1]) await restore(made.name, name)
    }
    expect(await texts(made.name)).toEqual(['a', 'one', 'three', 'two'])
    const ahead = await refusal(server, 'POST', `${made.name}/restore`, {
      time: '2100-01-01T00:00:00Z',
    })
    expect(ahead.code).toBe('INVALID_PARAMETER_VALUE')
    await forgetPrevious(made.name)
    await purge(made.name)
    await nothingIsLeft(server)
  })

  test('makes read-only endpoints anew', async () => {
    const made = await branch('read')
    await server.write('POST', `${made.name}/endpoints?endpoint_id=reader`, {
      spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' },
    })
    await write(made.name, 'mine')
    expect(await texts(made.name, 'reader')).toContain('mine')
    await reset(made.name)
    expect(await texts(made.name, 'reader')).toEqual(await texts(production))
    await write(made.name, 'after')
    expect(await texts(made.name, 'reader')).toContain('after')
    await nothingIsLeft(server)
    await forgetPrevious(made.name)
    await purge(made.name)
  })

  test('leaves the children of the branch as they are', async () => {
    const made = await branch('parent')
    await write(made.name, 'mine')
    const child = await branch('child', { source_branch: made.name })
    await reset(made.name)
    expect(await texts(child.name)).toContain('mine')
    expect(await texts(made.name)).not.toContain('mine')
    await reset(child.name)
    expect(await texts(child.name)).not.toContain('mine')
    for (const name of [child.name, made.name]) {
      await forgetPrevious(name)
      await purge(name)
    }
  })

  test('is undone when the new volume does not start, and the old state goes on', async () => {
    const made = await branch('broken')
    await write(made.name, 'mine')
    const endpoint = `${made.name}/endpoints/primary`
    await server.stop()
    await server.launch({ LAKELET_FAILPOINTS: 'replace-volume.verify:started=error' })
    await expect(reset(made.name)).rejects.toThrow('INTERNAL')
    expect((await get(made.name)).status).toMatchObject({ current_state: 'READY' })
    expect((await get(made.name)).status.pending_state).toBeUndefined()
    expect(await texts(made.name)).toEqual(['a', 'mine'])
    expect(await previous(made.name)).toEqual([])
    await nothingIsLeft(server)
    await server.stop()
    // After the exchange, and before anybody could have written: it is taken back.
    await server.launch()
    await texts(made.name)
    await server.stop()
    await server.launch({ LAKELET_FAILPOINTS: 'compute.start.spawned=error@3' })
    await texts(made.name)
    await expect(reset(made.name)).rejects.toThrow(/COMPUTE|compute|INTERNAL|TEMPORARILY/)
    expect(await texts(made.name)).toEqual(['a', 'mine'])
    await nothingIsLeft(server)
    await server.stop()
    await server.launch()
    expect((await get(endpoint)).status.current_state).toBe('IDLE')
    await purge(made.name)
  })
})

describe('refused is', () => {
  beforeAll(async () => {
    server = await TestServer.start()
    await server.sql(production, "create table kept (text text); insert into kept values ('a')")
  })
  afterAll(async () => {
    await server?.dispose()
  })

  const refused = async (path: string, body: object, code: string, says: RegExp) => {
    for (const dry of [{}, { dry_run: true }]) {
      const answer = await refusal(server, 'POST', path, { ...body, ...dry })
      expect([answer.code, answer.text]).toEqual([code, expect.stringMatching(says)])
    }
  }

  test('what has no source, is protected, disabled or not ready', async () => {
    await refused(`${production}/reset`, {}, 'BAD_REQUEST', /has no source branch/)
    await refused(`${store}/branches/absent/reset`, {}, 'NOT_FOUND', /branch/)
    const made = await branch('kept', { no_expiry: true, ttl: undefined })
    await server.write('PATCH', `${made.name}?update_mask=spec.is_protected`, {
      spec: { is_protected: true },
    })
    await refused(`${made.name}/reset`, {}, 'BAD_REQUEST', /cannot reset protected branch/)
    await refused(
      `${made.name}/restore`,
      { time: '2026-01-01T00:00:00Z' },
      'BAD_REQUEST',
      /cannot restore/,
    )
    await server.write('PATCH', `${made.name}?update_mask=spec.is_protected`, {
      spec: { is_protected: false },
    })
    const disable = (disabled: boolean) =>
      server.write('PATCH', `${made.name}/endpoints/primary?update_mask=spec.disabled`, {
        spec: { disabled },
      })
    await disable(true)
    await refused(`${made.name}/reset`, {}, 'INVALID_STATE', /endpoint is disabled/)
    await disable(false)
    await purge(made.name)
  })

  test('a restore to what is no snapshot of the branch, to two things, or to none', async () => {
    const made = await branch('dev')
    await server.write('POST', `${store}/snapshots?snapshot_id=of-production`, {
      spec: { source_branch: production, ttl: '1h' },
    })
    const to = (body: object, code: string, says: RegExp) =>
      refused(`${made.name}/restore`, body, code, says)
    const wrong = 'INVALID_PARAMETER_VALUE'
    await to({}, wrong, /Exactly one of snapshot, time and lsn.*sets none/)
    await to({ snapshot: 'a', lsn: '0/1' }, wrong, /sets snapshot and lsn/)
    await to({ snapshot: 'of-production' }, wrong, /is not of branch 'dev' but of 'production'/)
    await to({ snapshot: 'absent' }, 'NOT_FOUND', /snapshot/)
    await to({ snapshot: 'projects/other/snapshots/x' }, wrong, /another project/)
    await to({ snapshot: 'NOT AN ID' }, wrong, /snapshot/)
    await to({ lsn: '0/0/0' }, wrong, /log position/)
    await to({ time: 'yesterday' }, wrong, /RFC 3339/)
    await server.write('DELETE', `${store}/snapshots/of-production`)
    await purge(made.name)
  })

  test('a second one while the first runs, and a restore while a branch is made from it', async () => {
    const made = await branch('busy')
    await server.stop()
    await server.launch({
      LAKELET_FAILPOINTS:
        'reset-branch.clone:before=sleep:2000,create-branch.clone:before=sleep:2000',
    })
    const first = await post(`${made.name}/reset`)
    expect((await get(made.name)).status).toMatchObject({
      current_state: 'READY',
      pending_state: 'RESETTING',
    })
    await refused(`${made.name}/reset`, {}, 'INVALID_STATE', /is being reset or restored/)
    await refused(`${made.name}/restore`, { snapshot: 'x' }, 'INVALID_STATE', /is being reset/)
    await server.follow(first.name)
    const [kept] = await previous(made.name)
    const child = await post(`${store}/branches?branch_id=child`, {
      spec: { ttl: '1h', source_branch: made.name },
    })
    const says = /while branches are made from it: child/
    await refused(`${made.name}/restore`, { snapshot: kept?.name }, 'INVALID_STATE', says)
    await server.follow(child.name)
    await purge(`${store}/branches/child`)
    await forgetPrevious(made.name)
    await purge(made.name)
    await server.stop()
    await server.launch()
  })

  test('nothing that a delete overtakes: the branch goes, and nothing is left of the reset', async () => {
    const made = await branch('gone')
    await server.stop()
    await server.launch({ LAKELET_FAILPOINTS: 'reset-branch.verify:before=sleep:1500' })
    const first = await post(`${made.name}/reset`)
    await eventually('the new volume is there', async () =>
      (await openOperations(server)).some(({ step }) => step === 'clone'),
    )
    await purge(made.name)
    await expect(server.follow(first.name)).rejects.toThrow('branch')
    await nothingIsLeft(server)
    expect(await previous(made.name)).toEqual([])
    await server.stop()
    await server.launch()
  })

  test('who may not: CAN_BRANCH resets own branches that end, and restores none', async () => {
    const token = await server.identity('brancher@example.com', 'CAN_BRANCH')
    const mine = await server.write(
      'POST',
      `${store}/branches?branch_id=mine`,
      { spec: { ttl: '1h' } },
      token,
    )
    await server.write('POST', `${mine.name}/reset`, {}, token)
    const other = await branch('other')
    for (const path of [`${other.name}/reset`, `${mine.name}/restore`]) {
      for (const body of [{ snapshot: 'x' }, { snapshot: 'x', dry_run: true }]) {
        const { status } = await server.api('POST', `/api/2.0/postgres/${path}`, body, { token })
        expect(status, path).toBe(403)
      }
    }
    const outsider = await server.identity('nobody@example.com', undefined)
    const { status } = await server.api(
      'POST',
      `/api/2.0/postgres/${mine.name}/reset`,
      {},
      { token: outsider },
    )
    expect(status).toBe(404)
    await forgetPrevious(mine.name)
    for (const name of [mine.name, other.name]) await purge(name)
  })
})
