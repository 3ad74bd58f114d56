/** Backups over a real server: what they hold, what they cost, and what comes back on an empty machine. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { refusal } from '../fixtures/refusal.ts'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
let places: string
const shop = 'projects/shop'
const production = `${shop}/branches/production`

beforeAll(async () => {
  places = mkdtempSync(join(tmpdir(), 'lakelet-backups-'))
  server = await TestServer.start({ env: { LAKELET_MAX_ROOT_BRANCHES_PER_PROJECT: '20' } })
  await server.write('POST', 'projects?project_id=shop', { spec: { display_name: 'The Shop' } })
  await server.sql(
    production,
    'create table kept (n int primary key); insert into kept select generate_series(1, 1000)',
  )
}, 120_000)
afterEach(({ task }) => {
  if (task.result?.state === 'fail')
    console.error(
      server.log.slice(-3000),
      execFileSync('sh', ['-c', `tail -n 25 ${server.stateDir}/log/ep*.log`], {
        encoding: 'utf8',
      }),
    )
})
afterAll(async () => {
  await server?.dispose()
  rmSync(places, { recursive: true, force: true })
})

const place = (name: string) => join(places, name)
const backUp = (to: string, more: object = {}, branch = production) =>
  server.write('POST', `${branch}/backups`, { to, ...more })
const list = async (from: string, on = server) =>
  (await on.api('GET', `/api/2.0/postgres/backups?from=${encodeURIComponent(from)}`)).body
const restore = (from: string, more: object = {}, on = server) =>
  on.write('POST', 'backups/restore', { from, ...more })
const verify = (from: string) => server.write('POST', 'backups/verify', { from })
const count = async (branch: string, on = server) =>
  (await on.sql(branch, 'select count(*)::int as n from kept')).rows[0].n

describe('a backup', () => {
  test('is a full copy first, WAL afterwards, and each point of it can be restored', async () => {
    const to = place('first')
    const full = await backUp(to)
    expect(full).toMatchObject({ sequence: 1, kind: 'FULL', full_because: 'FIRST', place: to })
    expect(full.data_bytes).toBeGreaterThan(20 * 2 ** 20)

    await server.sql(production, 'insert into kept select generate_series(1001, 1500)')
    const increment = await backUp(to)
    expect(increment).toMatchObject({ sequence: 2, kind: 'INCREMENT', data_bytes: 0 })
    expect(increment.new_bytes).toBeLessThan(12 * 2 ** 20)
    await delay(20)
    const between = new Date().toISOString()
    await delay(20)
    const { rows } = await server.sql(
      production,
      'insert into kept values (2000) returning pg_current_wal_lsn()',
    )
    expect(rows).toHaveLength(1)
    await server.sql(production, 'delete from kept where n < 500')
    await backUp(to)

    const listed = await list(to)
    expect(listed).toMatchObject({
      source_branch: production,
      backups: [{ kind: 'FULL' }, { kind: 'INCREMENT' }, { kind: 'INCREMENT' }],
      windows: [{ from_lsn: full.reached_lsn, to_lsn: listed.backups[2].reached_lsn }],
    })
    expect(await verify(to)).toMatchObject({ is_whole: true, problems: [] })

    const again = await restore(to, { into: `${shop}/branches/again` })
    expect(again.status).toMatchObject({ current_state: 'READY', default: false })
    expect(await count(again.name)).toBe(1002)
    const then = await restore(to, { into: `${shop}/branches/then`, at_time: between })
    expect(await count(then.name)).toBe(1500)
    const first = await restore(to, {
      into: `${shop}/branches/first`,
      at_lsn: full.reached_lsn,
    })
    expect(await count(first.name)).toBe(1000)
    for (const { name } of [again, then, first]) {
      await server.sql(name, 'insert into kept values (-1)')
    }
    expect(await count(production)).toBe(1002)
    await nothingHalfMade(server)
  }, 180_000)

  test('of a branch that sleeps is one of what it was, and goes on when it has woken', async () => {
    const { name } = await server.write('POST', `${shop}/branches?branch_id=sleepy`, {
      spec: { no_expiry: true },
    })
    const to = place('sleepy')
    await server.sql(name, 'insert into kept values (5000)')
    const disable = (disabled: boolean) =>
      server.write('PATCH', `${name}/endpoints/primary?update_mask=spec.disabled`, {
        spec: { disabled },
      })
    await disable(true)
    expect((await backUp(to, {}, name)).kind).toBe('FULL')
    // Nothing was written since.
    expect(await backUp(to, {}, name)).toMatchObject({ kind: 'INCREMENT' })
    await disable(false)
    await server.sql(name, 'insert into kept values (5001)')
    const awake = await backUp(to, {}, name)
    expect(awake.kind).toBe('INCREMENT')
    await server.sql(name, 'insert into kept values (5002)')
    await disable(true)
    expect((await backUp(to, {}, name)).kind).toBe('INCREMENT')
    const { windows } = await list(to)
    const late = await restore(to, { into: `${shop}/branches/late` })
    expect(await count(late.name)).toBe(1005)
    // After the last commit of a source that slept there is nothing to stop before.
    const later = await restore(to, {
      into: `${shop}/branches/later`,
      at_time: windows[0].to_time,
    })
    expect(await count(later.name)).toBe(1005)
    const middle = await restore(to, {
      into: `${shop}/branches/middle`,
      at_lsn: awake.reached_lsn,
    })
    expect(await count(middle.name)).toBe(1004)
    expect(await verify(to)).toMatchObject({ is_whole: true })
    for (const branch of [name, late.name, later.name, middle.name]) {
      await server.write('DELETE', `${branch}?purge=true`)
    }
    await nothingHalfMade(server)
  }, 180_000)

  test('is a full copy where WAL is gone or one is asked for, and stores no chunk twice', async () => {
    const to = place('again')
    await backUp(to)
    const asked = await backUp(to, { full: true })
    expect(asked).toMatchObject({ sequence: 2, kind: 'FULL', full_because: 'ASKED' })
    expect(asked.new_bytes).toBeLessThan(asked.data_bytes)
    const files = readdirSync(to, { recursive: true, withFileTypes: true })
    for (const entry of files) {
      const { mode } = statSync(join(entry.parentPath, entry.name))
      expect(mode & 0o077, entry.name).toBe(0)
    }
    expect((await list(to)).windows).toHaveLength(2)

    const { name, uid } = await server.write('POST', `${shop}/branches?branch_id=short-of-wal`, {
      spec: { ttl: '1h' },
    })
    // On a timeline that its control file does not tell of yet.
    await backUp(place('short-of-wal'), {}, name)
    const before = await count(name)
    await delay(20)
    const between = new Date().toISOString()
    await delay(20)
    await server.sql(name, 'insert into kept values (-7)')
    expect(await backUp(place('short-of-wal'), {}, name)).toMatchObject({ kind: 'INCREMENT' })
    const { name: then } = await restore(place('short-of-wal'), {
      into: `${shop}/branches/of-a-child`,
      at_time: between,
    })
    expect(await count(then)).toBe(before)
    const { body: endpoint } = await server.api(
      'GET',
      `/api/2.0/postgres/${name}/endpoints/primary`,
    )
    const { body: project } = await server.api('GET', `/api/2.0/postgres/${shop}`)
    const client = new pg.Client({
      host: join(server.stateDir, 'run', endpoint.uid),
      user: 'cloud_admin',
      database: 'postgres',
    })
    await client.connect()
    for (let times = 0; times < 3; times += 1) {
      await client.query("select pg_logical_emit_message(true, 'test', repeat('x', 5000000))")
    }
    await client.query('checkpoint')
    await client.end()
    const live = join(server.stateDir, 'wal', project.uid, uid, 'live')
    const segments = readdirSync(live).filter((file) => /^[0-9A-F]{24}$/.test(file))
    for (const file of segments.sort().slice(0, -1)) rmSync(join(live, file))
    expect(await backUp(place('short-of-wal'), {}, name)).toMatchObject({
      kind: 'FULL',
      full_because: 'WAL_GONE',
    })
    const { name: again } = await restore(place('short-of-wal'), {
      into: `${shop}/branches/no-longer-short`,
    })
    expect(await count(again)).toBe(await count(name))
  }, 120_000)
})

describe('on an empty machine', () => {
  test('project, branch, endpoints and principals come back, with shared ownership', async () => {
    const to = place('away')
    const ann = await server.identity('ann@example.com', undefined)
    const allow = (name: object, permission_level: string) =>
      server.api('PATCH', '/api/2.0/permissions/database-projects/shop', {
        access_control_list: [{ ...name, permission_level }],
      })
    await allow({ user_name: 'ann@example.com' }, 'CAN_MANAGE')
    const users = '/api/2.0/preview/scim/v2'
    const bea = await server.api('POST', `${users}/Users`, { userName: 'bea@example.com' })
    await server.api('POST', `${users}/Groups`, {
      displayName: 'crew',
      members: [{ value: bea.body.id }],
    })
    await allow({ group_name: 'crew' }, 'CAN_USE')
    await server.sql(production, 'create table of_ann (n int); insert into of_ann values (7)', {
      token: ann,
    })
    await server.write(
      'PATCH',
      `${production}/endpoints/primary?update_mask=spec.settings.pg_settings`,
      { spec: { settings: { pg_settings: { work_mem: '7MB' } } } },
    )
    await server.write('POST', `${production}/endpoints?endpoint_id=reader`, {
      spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' },
    })
    await backUp(to)
    await server.sql(production, 'insert into of_ann values (8)', { token: ann })
    await backUp(to)

    const other = await TestServer.start()
    try {
      const cli = resolve(import.meta.dirname, '../../dist/main/lakelet.js')
      const lakelet = (...args: string[]) =>
        JSON.parse(
          execFileSync(process.execPath, [cli, '--state-dir', other.stateDir, 'backup', ...args], {
            encoding: 'utf8',
            cwd: places,
          }),
        )
      expect(lakelet('verify', 'away')).toMatchObject({ is_whole: true })
      expect(lakelet('list', 'away').backups).toHaveLength(2)
      expect(lakelet('restore', 'away')).toMatchObject({
        name: production,
        status: { current_state: 'READY', default: true },
      })
      const { body: project } = await other.api('GET', `/api/2.0/postgres/${shop}`)
      expect(project.status).toMatchObject({ display_name: 'The Shop', pg_version: 17 })
      expect((await other.sql(production, 'show work_mem')).rows[0].work_mem).toBe('7MB')
      expect(await count(production, other)).toBe(await count(production))
      const read = await other.sql(production, 'select n from of_ann order by n', {
        endpoint: 'reader',
      })
      expect(read.rows).toEqual([{ n: 7 }, { n: 8 }])

      const { body: access } = await other.api('GET', '/api/2.0/permissions/database-projects/shop')
      const levels = Object.fromEntries(
        access.access_control_list.map(
          (entry: {
            user_name?: string
            group_name?: string
            all_permissions: readonly { permission_level: string }[]
          }) => [entry.user_name ?? entry.group_name, entry.all_permissions[0]?.permission_level],
        ),
      )
      expect(levels).toMatchObject({ 'ann@example.com': 'CAN_MANAGE', crew: 'CAN_USE' })
      // Her token stayed behind; a new one opens what she made, and what another made.
      const { status } = await other.api('GET', `/api/2.0/postgres/${shop}`, undefined, {
        token: ann,
      })
      expect(status).toBe(401)
      const { body: fresh } = await other.api(
        'POST',
        '/api/2.0/token-management/on-behalf-of/tokens',
        { user_name: 'ann@example.com', lifetime_seconds: 3600, comment: 'test' },
      )
      await other.sql(production, 'alter table kept add column note text; drop table of_ann', {
        token: fresh.token_value,
      })
      await other.sql(production, 'alter table kept drop column note')
      expect((await refusal(other, 'POST', 'backups/restore', { from: to })).code).toBe(
        'ALREADY_EXISTS',
      )
    } finally {
      await other.dispose()
    }
  }, 240_000)
})
