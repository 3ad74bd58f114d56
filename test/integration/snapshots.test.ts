/** Snapshots over a real server: what they hold, what they outlive, and how they end. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { refusal } from '../fixtures/refusal.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'
const production = `${store}/branches/production`
const snapshots = `${store}/snapshots`

beforeAll(async () => {
  server = await TestServer.start({
    env: { LAKELET_MAX_ROOT_BRANCHES_PER_PROJECT: '4', LAKELET_MAX_SNAPSHOTS_PER_PROJECT: '3' },
  })
  await server.sql(production, 'create table kept (n int); insert into kept values (1), (2), (3)')
})
afterAll(async () => {
  await server?.dispose()
})

const get = async (path: string) => (await server.api('GET', `/api/2.0/postgres/${path}`)).body
const post = (path: string, body: object) => server.api('POST', `/api/2.0/postgres/${path}`, body)
const take = (id: string, spec: object = {}) =>
  server.write('POST', `${snapshots}?snapshot_id=${id}`, {
    spec: { source_branch: production, no_expiry: true, ...spec },
  })
const remove = (name: string) => server.write('DELETE', name)
const branch = (id: string, spec: object = {}) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h', ...spec } })
const purge = (id: string) => server.write('DELETE', `${store}/branches/${id}?purge=true`)
const numbers = async (of: string) =>
  (await server.sql(of, 'select n from kept order by n')).rows.map(({ n }) => n)

/** Fills WAL and checkpoints, as a superuser (nobody who could log in from outside), until told to end. */
async function checkpointing(of: TestServer, until: () => boolean): Promise<void> {
  const endpoint = (await of.api('GET', `/api/2.0/postgres/${production}/endpoints/primary`)).body
    .uid
  const host = join(of.stateDir, 'run', endpoint)
  const client = new pg.Client({ host, user: 'cloud_admin', database: 'postgres' })
  await client.connect()
  while (!until()) {
    await client.query("select pg_logical_emit_message(true, 'test', repeat('x', 1500000))")
    await client.query('checkpoint')
    await delay(100)
  }
  await client.end()
}

describe('a snapshot', () => {
  test('has the shape of the contract', async () => {
    const made = await take('shaped')
    expect(made).toEqual({
      name: `${snapshots}/shaped`,
      snapshot_id: 'shaped',
      uid: expect.stringMatching(/^sn-[a-z]+-[a-z]+-[a-z0-9]{8}$/),
      create_time: expect.stringMatching(/Z$/),
      status: {
        source_branch: production,
        no_expiry: true,
        full_size_bytes: expect.any(Number),
        ...(made.status.diff_size_bytes === undefined
          ? {}
          : { diff_size_bytes: expect.any(Number) }),
      },
    })
    expect(made.status.full_size_bytes).toBeGreaterThan(20 * 2 ** 20)
    expect(await get(made.name)).toEqual(made)
    const started = await post(`${snapshots}?snapshot_id=second`, {
      spec: { source_branch: 'production', ttl: '7200s' },
    })
    expect(started.body).toMatchObject({
      name: expect.stringMatching(/^projects\/store\/snapshots\/second\/operations\//),
      metadata: {
        '@type': 'type.googleapis.com/databricks.postgres.v1.SnapshotOperationMetadata',
      },
    })
    const second = await server.follow(started.body.name)
    const lives = Date.parse(second.status.expire_time) - Date.parse(second.create_time)
    expect(lives).toBe(7_200_000)
    expect(second.status.no_expiry).toBeUndefined()

    const first = await get(`${snapshots}?page_size=1`)
    expect(first.snapshots.map(({ snapshot_id: id }: { snapshot_id: string }) => id)).toEqual([
      'second',
    ])
    const rest = await get(`${snapshots}?page_size=1&page_token=${first.next_page_token}`)
    expect(rest).toEqual({ snapshots: [made] })
    expect(await remove(made.name)).toEqual({
      '@type': 'type.googleapis.com/google.protobuf.Empty',
    })
    await remove(second.name)
    expect((await refusal(server, 'GET', made.name)).status).toBe(404)
    await nothingHalfMade(server)
  })

  test('holds its moment, whatever is written to branch and branches afterwards', async () => {
    const made = await take('moment')
    await server.sql(production, 'insert into kept values (4)')
    const one = await branch('from-moment', { source_snapshot: made.name })
    expect(one.status).toMatchObject({ current_state: 'READY', source_snapshot: made.name })
    expect(one.status.source_branch).toBeUndefined()
    expect(one.status.source_branch_lsn).toBeUndefined()
    expect(one.status.logical_size_bytes).toBeGreaterThan(2 ** 20)
    expect(await numbers(one.name)).toEqual([1, 2, 3])
    await server.sql(one.name, 'delete from kept')
    const two = await branch('from-moment-again', { source_snapshot: 'moment' })
    expect(await numbers(two.name)).toEqual([1, 2, 3])
    expect(await numbers(production)).toEqual([1, 2, 3, 4])
    // A branch needs its snapshot no more than a child its parent's files.
    await remove(made.name)
    expect((await get(two.name)).status.source_snapshot).toBe(made.name)
    const child = await branch('of-restored', { source_branch: two.name })
    expect(child.status.source_branch).toBe(two.name)
    expect(await numbers(child.name)).toEqual([1, 2, 3])
    await server.sql(production, 'delete from kept where n = 4')
    await purge('of-restored')
    await purge('from-moment')
    await purge('from-moment-again')
    await nothingHalfMade(server)
  })

  test('is taken of a sleeping branch, and of one under load', async () => {
    const source = await branch('worked-on')
    const client = await server.connect(source.name)
    await client.query('create table counted (n int primary key)')
    let n = 0
    let isOver = false
    const load = (async () => {
      while (!isOver) {
        n += 1
        await client.query('insert into counted values ($1)', [n])
      }
    })()
    await eventually('some load', () => n > 100)
    const before = n - 1
    const made = await take('under-load', { source_branch: source.name })
    isOver = true
    await load
    await client.end()
    const one = await branch('from-load', { source_snapshot: made.name })
    const { rows } = await server.sql(
      one.name,
      'select count(*)::int as count, max(n) as last from counted',
    )
    expect(rows[0].count).toBe(rows[0].last) // no gap
    expect(rows[0].last).toBeGreaterThanOrEqual(before)

    await server.write('PATCH', `${source.name}/endpoints/primary?update_mask=spec.disabled`, {
      spec: { disabled: true },
    })
    const asleep = await take('asleep', { source_branch: source.name })
    const two = await branch('from-asleep', { source_snapshot: asleep.name })
    expect((await server.sql(two.name, 'select max(n) as last from counted')).rows[0].last).toBe(n)
    for (const id of ['from-load', 'from-asleep', 'worked-on']) await purge(id)
    for (const { name } of [made, asleep]) await remove(name)
    await nothingHalfMade(server)
  })

  test('outlives the delete, the purge and the expiry of its branch', async () => {
    for (const end of ['delete', 'purge', 'expiry'] as const) {
      const id = `source-of-${end}`
      const source = await branch(id, { ttl: end === 'expiry' ? '8s' : '1h' })
      await server.sql(source.name, `insert into kept values (100)`)
      const made = await take(`of-${end}`, { source_branch: source.name })
      if (end === 'delete') await server.write('DELETE', source.name)
      if (end === 'purge') await purge(id)
      await eventually(
        `${id} is gone`,
        async () => (await get(source.name)).error_code !== undefined,
      )
      await server.stop() // its row and its volume are found again
      await server.launch()
      expect((await get(made.name)).status.source_branch).toBe(source.name)
      const back = await branch(`back-from-${end}`, { source_snapshot: made.name })
      expect(await numbers(back.name)).toEqual([1, 2, 3, 100])
      await purge(`back-from-${end}`)
      await remove(made.name)
      if (end === 'delete') await purge(id)
    }
    await nothingHalfMade(server)
  })

  test('ends at its time, and at the start for what fell due meanwhile', async () => {
    const short = await take('short', { no_expiry: undefined, ttl: '3s' })
    await eventually('it has expired', async () => (await get(short.name)).error_code !== undefined)
    const late = await take('late', { no_expiry: undefined, ttl: '3s' })
    await server.stop()
    await delay(3500)
    await server.launch()
    await eventually(
      'it has expired too',
      async () => (await get(late.name)).error_code !== undefined,
    )
    await nothingHalfMade(server)
  })

  test('does not hand out the passwords of a protected branch', async () => {
    const guarded = await branch('guarded', { ttl: undefined, no_expiry: true })
    await server.write('PATCH', `${store}?update_mask=spec.enable_pg_native_login`, {
      spec: { enable_pg_native_login: true },
    })
    await server.sql(guarded.name, "create role clerk login password 'as on guarded'")
    await server.write('PATCH', `${guarded.name}?update_mask=spec.is_protected`, {
      spec: { is_protected: true },
    })
    const made = await take('guarded', { source_branch: guarded.name })
    await server.write('PATCH', `${guarded.name}?update_mask=spec.is_protected`, {
      spec: { is_protected: false },
    })
    const free = await branch('unguarded', { source_snapshot: made.name })
    const login = (of: string) => server.connect(of, { user: 'clerk', credential: 'as on guarded' })
    await (await login(guarded.name)).end()
    await expect(login(free.name)).rejects.toThrow(/password authentication failed/)
    await purge('unguarded')
    await purge('guarded')
    await remove(made.name)
  })
})

describe('a snapshot that is being deleted', () => {
  test('is out of sight at once, and serves a branch that is being made from it', async () => {
    const made = await take('awaited')
    await server.stop()
    await server.launch({ LAKELET_FAILPOINTS: 'create-branch.clone:before=sleep:1500' })
    const started = await post(`${store}/branches?branch_id=from-awaited`, {
      spec: { ttl: '1h', source_snapshot: made.name },
    })
    const deleted = await server.api('DELETE', `/api/2.0/postgres/${made.name}`)
    expect(deleted.status).toBe(200)
    expect((await refusal(server, 'GET', made.name)).status).toBe(404)
    expect((await get(snapshots)).snapshots).toEqual([])
    const refused = await refusal(server, 'POST', `${store}/branches?branch_id=too-late`, {
      spec: { ttl: '1h', source_snapshot: made.name },
    })
    expect(refused).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    const again = await take('awaited') // the id is free
    expect(again.uid).not.toBe(made.uid)
    const one = await server.follow(started.body.name)
    expect(await numbers(one.name)).toEqual([1, 2, 3])
    await server.follow(deleted.body.name)
    await remove(again.name)
    await purge('from-awaited')
    await nothingHalfMade(server)
  })

  test('while it is taken waits until it is, and its branch may go meanwhile', async () => {
    await branch('hurried')
    await server.stop()
    await server.launch({ LAKELET_FAILPOINTS: 'create-snapshot.take:before=sleep:1500' })
    const started = await post(`${snapshots}?snapshot_id=hurried`, {
      spec: { source_branch: 'hurried', no_expiry: true },
    })
    expect((await refusal(server, 'GET', `${snapshots}/hurried`)).status).toBe(404) // not taken
    const refused = await refusal(server, 'POST', `${store}/branches?branch_id=early`, {
      spec: { ttl: '1h', source_snapshot: `${snapshots}/hurried` },
    })
    expect(refused).toMatchObject({ code: 'INVALID_STATE', text: /still being taken/ })
    const gone = await server.api(
      'DELETE',
      `/api/2.0/postgres/${store}/branches/hurried?purge=true`,
    )
    const deleted = await server.api('DELETE', `/api/2.0/postgres/${snapshots}/hurried`)
    const made = await server.follow(started.body.name)
    expect(made.status.full_size_bytes).toBeGreaterThan(2 ** 20)
    await server.follow(gone.body.name)
    await server.follow(deleted.body.name)
    await nothingHalfMade(server)
  })
})

describe('what is refused', () => {
  test('says why, before anything is made', async () => {
    const made = await take('there')
    const other = await server.write('POST', 'projects?project_id=other', {})
    for (const [path, spec, expected] of [
      ['snapshots?snapshot_id=', {}, /snapshot_id/],
      ['snapshots?snapshot_id=Big', {}, /must match pattern/],
      ['snapshots?snapshot_id=a', { source_branch: undefined }, /spec\.source_branch/],
      ['snapshots?snapshot_id=a', { source_branch: 'nowhere' }, /branch id not found/],
      [
        'snapshots?snapshot_id=a',
        { source_branch: `${other.name}/branches/production` },
        /same Project/,
      ],
      ['snapshots?snapshot_id=a', { ttl: '60s' }, /Only one of/],
      ['snapshots?snapshot_id=a', { no_expiry: false }, /no_expiry/],
      ['snapshots?snapshot_id=a', { no_expiry: undefined, ttl: '-1s' }, /not above 0/],
      ['snapshots?snapshot_id=a', { no_expiry: undefined, ttl: '999999999s' }, /3650 days/],
      ['snapshots?snapshot_id=a', { source_branch_lsn: '0/1' }, /history/],
      ['snapshots?snapshot_id=a', { source_branch_time: '2026-01-01T00:00:00Z' }, /history/],
      ['snapshots?snapshot_id=there', {}, /already exists/],
      ['branches?branch_id=a', { source_snapshot: 'nowhere' }, /snapshot id not found/],
      [
        'branches?branch_id=a',
        { source_snapshot: 'projects/other/snapshots/there' },
        /another project/,
      ],
      [
        'branches?branch_id=a',
        { source_snapshot: 'there', source_branch: production },
        /source_branch too/,
      ],
      ['branches?branch_id=a', { source_snapshot: 'snapshots/there' }, /not a resource name/],
    ] as const) {
      const isSnapshot = path.startsWith('snapshots')
      const body = {
        spec: { no_expiry: true, ...(isSnapshot ? { source_branch: production } : {}), ...spec },
      }
      const said = await refusal(server, 'POST', `${store}/${path}`, body)
      expect(said.text, `${path} ${JSON.stringify(spec)}`).toMatch(expected)
    }
    for (const [method, path] of [
      ['GET', `${snapshots}/nowhere`],
      ['DELETE', `${snapshots}/nowhere`],
      ['GET', 'projects/nowhere/snapshots'],
    ] as const) {
      expect(await refusal(server, method, path)).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    }
    const kept = await refusal(server, 'PATCH', `${production}?update_mask=spec.source_snapshot`, {
      spec: { source_snapshot: made.name },
    })
    expect(kept.text).toMatch(/cannot be changed/)
    const replaced = await refusal(
      server,
      'POST',
      `${store}/branches?branch_id=production&replace_existing=true`,
      { spec: { no_expiry: true, source_snapshot: made.name } },
    )
    expect(replaced.text).toMatch(/'spec\.source_snapshot' cannot be changed/)
    await server.write('DELETE', `${other.name}?purge=true`)
    await remove(made.name)
    await nothingHalfMade(server)
  })

  test('the limits name their settings', async () => {
    const made = []
    for (const id of ['one', 'two', 'three']) made.push(await take(id))
    const many = await refusal(server, 'POST', `${snapshots}?snapshot_id=four`, {
      spec: { source_branch: production, no_expiry: true },
    })
    expect(many).toMatchObject({ status: 400, code: 'QUOTA_EXCEEDED' })
    expect(many.text).toMatch(/limit of 3 .*--max-snapshots-per-project/)
    for (const id of ['a', 'b', 'c']) await branch(`root-${id}`, { source_snapshot: 'one' })
    const roots = await refusal(server, 'POST', `${store}/branches?branch_id=root-d`, {
      spec: { ttl: '1h', source_snapshot: 'one' },
    })
    expect(roots.text).toMatch(/root branches .*limit of 4 .*--max-root-branches-per-project/)
    for (const id of ['a', 'b', 'c']) await purge(`root-${id}`)
    for (const { name } of made) await remove(name)
  })

  test('each permission does what it says', async () => {
    const [user, maker] = [
      await server.identity('sees@example.com', 'CAN_USE'),
      await server.identity('makes@example.com', 'CAN_BRANCH'),
    ]
    const made = await take('owned')
    expect(
      (await server.api('GET', `/api/2.0/postgres/${made.name}`, undefined, { token: user }))
        .status,
    ).toBe(200)
    const spec = { source_branch: production }
    const create = (id: string, with_: object) =>
      [`${snapshots}?snapshot_id=${id}`, { spec: { ...spec, ...with_ } }] as const
    const meets = async (token: string, method: string, path: string, body?: object) =>
      (await refusal(server, method, path, body, { token })).status
    expect(await meets(user, 'POST', ...create('mine', { ttl: '1h' }))).toBe(403)
    expect(await meets(maker, 'POST', ...create('mine', { no_expiry: true }))).toBe(403)
    expect(await meets(maker, 'POST', ...create('mine', {}))).toBe(403) // stays, too
    expect(await meets(maker, 'DELETE', made.name)).toBe(403)
    const [path, body] = create('mine', { ttl: '1h' })
    const mine = await server.write('POST', path, body, maker)
    await server.write('DELETE', mine.name, undefined, maker)
    expect(
      await meets(maker, 'PATCH', `${production}/snapshot-schedule?update_mask=schedule`, {
        schedule: [],
      }),
    ).toBe(403)
    await remove(made.name)
  })
})

describe('where a clone needs backup mode', () => {
  test('a checkpoint that ends meanwhile takes nothing from the snapshot', async () => {
    const copies = await TestServer.start({ storage: 'copy' })
    try {
      await copies.sql(
        production,
        'create table kept (n int primary key); insert into kept select generate_series(1, 9000)',
      )
      await copies.stop()
      // Between the start of the backup and the copy of its files, which nothing recovers before it is cloned.
      await copies.launch({ LAKELET_FAILPOINTS: 'storage.clone:before=sleep:2500@1' })
      await copies.sql(production, 'select 1') // awake
      let isOver = false
      const busy = checkpointing(copies, () => isOver)
      await copies.write('POST', `${snapshots}?snapshot_id=late`, {
        spec: { source_branch: production, no_expiry: true },
      })
      isOver = true
      await busy
      await copies.sql(production, 'delete from kept')
      for (const id of ['one', 'two']) {
        const made = await copies.write('POST', `${store}/branches?branch_id=${id}`, {
          spec: { ttl: '1h', source_snapshot: 'late' },
        })
        const { rows } = await copies.sql(made.name, 'select count(*)::int as n from kept')
        expect(rows[0].n).toBe(9000)
      }
      await nothingHalfMade(copies)
    } finally {
      await copies.dispose()
    }
  }, 240_000)
})

describe('with its project', () => {
  test('a snapshot is hidden, comes back, and is purged', async () => {
    const made = await server.write('POST', 'projects?project_id=carried', {})
    const at = `${made.name}/branches/production`
    await server.sql(at, 'create table kept (n int); insert into kept values (7)')
    const snapshot = await server.write('POST', `${made.name}/snapshots?snapshot_id=kept`, {
      spec: { source_branch: at, no_expiry: true },
    })
    await server.write('DELETE', made.name)
    expect((await refusal(server, 'GET', snapshot.name)).status).toBe(404)
    await server.write('POST', `${made.name}/undelete`, {})
    expect(await get(snapshot.name)).toEqual(snapshot)
    const back = await server.write('POST', `${made.name}/branches?branch_id=back`, {
      spec: { ttl: '1h', source_snapshot: snapshot.name },
    })
    expect(await numbers(back.name)).toEqual([7])
    await server.write('DELETE', `${made.name}?purge=true`)
    expect(readdirSync(join(server.stateDir, 'pool'))).not.toContain(made.uid)
    expect(readdirSync(join(server.stateDir, 'wal'))).not.toContain(made.uid)
    await nothingHalfMade(server)
  })
})
