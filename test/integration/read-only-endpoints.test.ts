/** Read-only endpoints from outside: made, used, asleep, behind, deleted; and what they never do. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
let project: string
const store = 'projects/store'
const production = `${store}/branches/production`

beforeAll(async () => {
  server = await TestServer.start()
  project = (await server.api('GET', `/api/2.0/postgres/${store}`)).body.uid
  await server.sql(production, 'create table kept (n int primary key)')
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
})
afterAll(async () => {
  await server?.dispose()
})

const get = async (name: string) => (await server.api('GET', `/api/2.0/postgres/${name}`)).body
const stateOf = async (name: string) => (await get(name)).status.current_state
const makeReader = (branch: string, id: string, spec: object = {}) =>
  server.write('POST', `${branch}/endpoints?endpoint_id=${id}`, {
    spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY', ...spec },
  })
const makeBranch = (id: string) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h' } })
const dropBranch = (id: string) =>
  server.write('DELETE', `${store}/branches/${id}?purge=true&allow_missing=true`)
const read = async (branch: string, text: string, endpoint = 'reader') =>
  (await server.sql(branch, text, { endpoint })).rows
/** Sleep of an endpoint without waiting a minute for it: disabled, and allowed again. */
const sleep = async (endpoint: string) => {
  for (const disabled of [true, false]) {
    await server.write('PATCH', `${endpoint}?update_mask=spec.disabled`, { spec: { disabled } })
  }
  expect(await stateOf(endpoint)).toBe('IDLE')
}

describe('a read-only endpoint', () => {
  test('contract 1.10, row 5: is made with its own size and host, and echoes them', async () => {
    const reader = await makeReader(production, 'reader', {
      autoscaling_limit_min_cu: 0.5,
      autoscaling_limit_max_cu: 2,
      suspend_timeout_duration: '300s',
      group: { min: 1, max: 1 },
    })
    expect(reader).toMatchObject({
      name: `${production}/endpoints/reader`,
      endpoint_id: 'reader',
      parent: production,
      status: {
        endpoint_type: 'ENDPOINT_TYPE_READ_ONLY',
        current_state: 'ACTIVE',
        disabled: false,
        autoscaling_limit_min_cu: 0.5,
        autoscaling_limit_max_cu: 2,
        suspend_timeout_duration: '300s',
        group: { min: 1, max: 1, enable_readable_secondaries: false },
      },
    })
    expect(reader.status).not.toHaveProperty('pending_state') // row 16
    const { hosts } = reader.status
    expect(hosts).toEqual({ host: hosts.host, read_only_host: hosts.host })
    expect(hosts.host).not.toBe((await get(`${production}/endpoints/primary`)).status.hosts.host)
    const { endpoints } = await get(`${production}/endpoints`)
    expect(endpoints.map((e: { endpoint_id: string }) => e.endpoint_id)).toEqual([
      'primary',
      'reader',
    ])
    expect(endpoints[1]).toEqual(await get(`${production}/endpoints/reader`))
  })

  test('sees every commit made before a session began, and takes no writes', async () => {
    for (let n = 1; n <= 5; n += 1) {
      await server.sql(production, `insert into kept values (${n})`)
      expect(await read(production, 'select max(n) as n from kept')).toEqual([{ n }])
    }
    const client = await server.connect(production, { endpoint: 'reader' })
    for (const statement of [
      'insert into kept values (0)',
      'create table t (n int)',
      'create role r',
      'set transaction_read_only = off',
    ]) {
      await expect(client.query(statement), statement).rejects.toThrow(/read-only|recovery/)
    }
    expect((await client.query('show in_hot_standby')).rows).toEqual([{ in_hot_standby: 'on' }])
    expect((await client.query('show shared_buffers')).rows).toEqual([{ shared_buffers: '128MB' }])
    await server.sql(production, 'insert into kept values (6)')
    await eventually('a session that stays sees it too', async () => {
      const { rows } = await client.query('select max(n) as n from kept')
      return rows[0].n === 6
    })
    await client.end()
  })

  test('takes a token for itself alone, and its own is no key to the read-write one', async () => {
    const readerToken = await server.credential(production, server.token, {
      endpoint: `${production}/endpoints/reader`,
    })
    const primaryToken = await server.credential(production)
    await expect(server.connect(production, { credential: readerToken })).rejects.toThrow(
      'the token belongs to another endpoint',
    )
    await expect(
      server.connect(production, { endpoint: 'reader', credential: primaryToken }),
    ).rejects.toThrow('the token belongs to another endpoint')
  })

  test('lets in an identity that the branch never met: its role is made where writes go', async () => {
    const token = await server.identity('late@example.com', 'CAN_MANAGE')
    const rows = await server.sql(production, 'select current_user as me', {
      endpoint: 'reader',
      token,
    })
    expect(rows.rows).toEqual([{ me: 'late@example.com' }])
    const narrowed = await server.credential(production, server.token, {
      endpoint: `${production}/endpoints/reader`,
      claims: [{ permission_set: 'READ_ONLY', resources: [{ table_name: 'public.kept' }] }],
    })
    const client = await server.connect(production, { endpoint: 'reader', credential: narrowed })
    expect((await client.query('select count(*)::int as n from kept')).rows).toEqual([{ n: 6 }])
    await client.end()
  })

  test('lets in roles with a password, the moment that they are made', async () => {
    await server.write('PATCH', `${store}?update_mask=spec.enable_pg_native_login`, {
      spec: { enable_pg_native_login: true },
    })
    await server.sql(production, "create role app login password 'app'")
    const login = (credential: string) =>
      server.connect(production, { endpoint: 'reader', user: 'app', credential })
    await (await login('app')).end()
    await server.sql(production, "alter role app password 'changed'")
    await expect(login('app')).rejects.toThrow('password authentication failed')
    await (await login('changed')).end()
    await sleep(`${production}/endpoints/primary`)
    await (await login('changed')).end()
    await server.sql(production, 'drop role app')
    await expect(login('changed')).rejects.toThrow('password authentication failed')
  })

  test('is refused a second time, replaced when asked, and of the other type never', async () => {
    const before = await get(`${production}/endpoints/reader`)
    const post = (query: string, spec: object) =>
      server.api('POST', `/api/2.0/postgres/${production}/endpoints?${query}`, { spec })
    const type = { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' }
    expect(await post('endpoint_id=reader', type)).toMatchObject({
      status: 409,
      body: { error_code: 'ALREADY_EXISTS', message: 'endpoint with such id already exists' },
    })
    expect(
      await post('endpoint_id=reader&replace_existing=true', {
        endpoint_type: 'ENDPOINT_TYPE_READ_WRITE',
      }),
    ).toMatchObject({ status: 400, body: { message: /spec\.endpoint_type.*cannot be changed/ } })
    const after = await server.write(
      'POST',
      `${production}/endpoints?endpoint_id=reader&replace_existing=true`,
      { spec: { ...type, autoscaling_limit_max_cu: 1, suspend_timeout_duration: '600s' } },
    )
    expect(after).toMatchObject({ uid: before.uid, create_time: before.create_time })
    expect(after.status).toMatchObject({
      autoscaling_limit_max_cu: 1,
      suspend_timeout_duration: '600s',
      hosts: before.status.hosts,
    })
    expect(await read(production, 'show shared_buffers')).toEqual([{ shared_buffers: '64MB' }])
  })

  test('whose settings Postgres refuses is not made, and leaves no trace', async () => {
    await expect(
      makeReader(production, 'broken', { settings: { pg_settings: { shared_buffers: 'many' } } }),
    ).rejects.toThrow(/cannot start: .*shared_buffers/)
    expect(
      (await server.api('GET', `/api/2.0/postgres/${production}/endpoints/broken`)).status,
    ).toBe(404)
    // An update is taken back.
    await expect(
      server.write(
        'PATCH',
        `${production}/endpoints/reader?update_mask=spec.settings.pg_settings`,
        {
          spec: { settings: { pg_settings: { work_mem: 'much' } } },
        },
      ),
    ).rejects.toThrow(/cannot start: .*work_mem/)
    expect((await get(`${production}/endpoints/reader`)).status.settings).toEqual({})
    expect(await read(production, 'select 1 as n')).toEqual([{ n: 1 }])
  })
})

describe('asleep', () => {
  test('a writer is not woken by a reader that knows everything already', async () => {
    const primary = `${production}/endpoints/primary`
    expect(await read(production, 'select count(*)::int as n from kept')).toEqual([{ n: 6 }])
    await sleep(primary)
    expect(await read(production, 'select count(*)::int as n from kept')).toEqual([{ n: 6 }])
    await sleep(`${production}/endpoints/reader`)
    expect(await read(production, 'select count(*)::int as n from kept')).toEqual([{ n: 6 }])
    expect(await stateOf(primary)).toBe('IDLE')
    // And its own sessions go on when it wakes.
    const client = await server.connect(production, { endpoint: 'reader' })
    await server.sql(production, 'insert into kept values (7)')
    await eventually('an open session follows', async () => {
      const { rows } = await client.query('select count(*)::int as n from kept')
      return rows[0].n === 7
    })
    await client.end()
  })

  test('a reader that missed something catches up, from a writer that it wakes for that', async () => {
    const [primary, reader] = ['primary', 'reader'].map((id) => `${production}/endpoints/${id}`)
    await sleep(reader ?? '')
    await server.sql(production, 'insert into kept values (8)')
    await sleep(primary ?? '')
    expect(await read(production, 'select count(*)::int as n from kept')).toEqual([{ n: 8 }])
    expect(await stateOf(primary ?? '')).toBe('ACTIVE')
  })

  test('a reader whose log is gone is made anew', async () => {
    const reader = `${production}/endpoints/reader`
    await sleep(reader)
    await server.sql(production, 'insert into kept select generate_series(9, 120000)')
    await server.sql(production, 'delete from kept where n > 8')
    await sleep(`${production}/endpoints/primary`)
    // As history that gave way: of a stopped cluster the last segments are enough.
    const { uid } = (await server.api('GET', `/api/2.0/postgres/${production}`)).body
    const live = join(server.stateDir, 'wal', project, uid, 'live')
    const segments = readdirSync(live).filter((name) => /^[0-9A-F]{24}$/.test(name))
    for (const name of segments.sort().slice(0, -2)) rmSync(join(live, name))
    await server.sql(production, 'insert into kept values (9)')
    expect(await read(production, 'select count(*)::int as n from kept')).toEqual([{ n: 9 }])
    expect(server.log).toMatch(/"standing":"lost"/)
  })

  test('a writer that is disabled stays so; its reader still knows everything', async () => {
    const [primary, reader] = ['primary', 'reader'].map((id) => `${production}/endpoints/${id}`)
    await sleep(reader ?? '')
    await server.sql(production, 'insert into kept values (10)')
    await server.write('PATCH', `${primary}?update_mask=spec.disabled`, {
      spec: { disabled: true },
    })
    expect(await read(production, 'select count(*)::int as n from kept')).toEqual([{ n: 10 }])
    expect(await stateOf(primary ?? '')).toBe('IDLE')
    await server.write('PATCH', `${primary}?update_mask=spec.disabled`, {
      spec: { disabled: false },
    })
    await server.write('PATCH', `${reader}?update_mask=spec.disabled`, { spec: { disabled: true } })
    await expect(read(production, 'select 1')).rejects.toThrow('endpoint is disabled')
    await server.write('PATCH', `${reader}?update_mask=spec.disabled`, {
      spec: { disabled: false },
    })
    expect(await read(production, 'select 1 as n')).toEqual([{ n: 1 }])
  })
})

describe('a branch with readers', () => {
  test('has several, each its own; its larger writer takes them along', async () => {
    const branch = await makeBranch('several')
    await makeReader(branch.name, 'one', {
      autoscaling_limit_max_cu: 0.5,
      autoscaling_limit_min_cu: 0.5,
    })
    await makeReader(branch.name, 'two')
    const client = await server.connect(branch.name, { endpoint: 'one' })
    client.on('error', () => undefined)
    await server.write(
      'PATCH',
      `${branch.name}/endpoints/primary?update_mask=spec.autoscaling_limit_max_cu`,
      {
        spec: { autoscaling_limit_max_cu: 4 },
      },
    )
    await server.sql(branch.name, 'create table grown (n int); insert into grown values (1)')
    for (const id of ['one', 'two']) {
      expect(await read(branch.name, 'select n from grown', id)).toEqual([{ n: 1 }])
    }
    await client.end().catch(() => undefined)
  })

  test('is branched from without them, and without anything of theirs', async () => {
    const child = await server.write('POST', `${store}/branches?branch_id=child`, {
      spec: { ttl: '1h', source_branch: `${store}/branches/several` },
    })
    const { endpoints } = await get(`${child.name}/endpoints`)
    expect(endpoints).toHaveLength(1)
    const { rows } = await server.sql(
      child.name,
      `select pg_is_in_recovery() as standby, (select count(*)::int from pg_replication_slots) as slots,
         (select count(*)::int from pg_stat_replication) as senders, (select n from grown) as n`,
    )
    expect(rows).toEqual([{ standby: false, slots: 0, senders: 0, n: 1 }])
    await dropBranch('child')
  })

  test('brings them back by an undelete, and takes them along when it goes', async () => {
    const name = `${store}/branches/several`
    const before = await get(`${name}/endpoints/one`)
    const volumes = () => readdirSync(join(server.stateDir, 'pool', project))
    expect(volumes()).toContain(before.uid)
    await server.write('DELETE', name)
    await eventually(
      'a deleted branch keeps no volume of a reader',
      () => !volumes().includes(before.uid),
    )
    await server.write('POST', `${name}/undelete`, {})
    expect(await get(`${name}/endpoints/one`)).toMatchObject({ uid: before.uid })
    expect(await read(name, 'select n from grown', 'one')).toEqual([{ n: 1 }])
    await dropBranch('several')
    await eventually('nothing is left of it', () => {
      const left = [...volumes(), ...readdirSync(join(server.stateDir, 'run'))]
      return (
        !left.includes(before.uid) && !existsSync(join(server.stateDir, 'log', `${before.uid}.log`))
      )
    })
  })

  test('that ends by itself takes them along too', async () => {
    const branch = await server.write('POST', `${store}/branches?branch_id=brief`, {
      spec: { ttl: '6s' },
    })
    const reader = await makeReader(branch.name, 'reader')
    await eventually('it is gone', async () => {
      return !readdirSync(join(server.stateDir, 'pool', project)).includes(reader.uid)
    })
    expect((await server.api('GET', `/api/2.0/postgres/${reader.name}`)).status).toBe(404)
  })

  test('has eight at most, and says so', async () => {
    const branch = await makeBranch('crowd')
    const spec = { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY', disabled: true }
    for (let n = 1; n <= 8; n += 1) {
      await server.write('POST', `${branch.name}/endpoints?endpoint_id=r${n}`, { spec })
    }
    const ninth = await server.api(
      'POST',
      `/api/2.0/postgres/${branch.name}/endpoints?endpoint_id=r9`,
      {
        spec,
      },
    )
    expect(ninth).toMatchObject({
      status: 400,
      body: { error_code: 'QUOTA_EXCEEDED', message: /has 8 read-only endpoints.*Delete one/ },
    })
    await dropBranch('crowd')
  })
})

describe('deleted', () => {
  test('an endpoint is gone at once, ends its sessions, and its id is free', async () => {
    const before = await get(`${production}/endpoints/reader`)
    const client = await server.connect(production, { endpoint: 'reader' })
    const ended = new Promise<string>((resolve) => {
      client.on('error', (error: Error & { code?: string }) => resolve(error.code ?? ''))
    })
    const response = await server.write('DELETE', before.name)
    expect(response).toEqual({ '@type': 'type.googleapis.com/google.protobuf.Empty' })
    expect(await ended).toBe('57P01')
    expect((await server.api('GET', `/api/2.0/postgres/${before.name}`)).status).toBe(404)
    expect((await server.api('DELETE', `/api/2.0/postgres/${before.name}`)).status).toBe(404)
    const again = await makeReader(production, 'reader')
    expect(again.uid).not.toBe(before.uid)
    expect(await read(production, 'select count(*)::int as n from kept')).toEqual([{ n: 10 }])
    expect(readdirSync(join(server.stateDir, 'pool', project))).not.toContain(before.uid)
  })
})

describe('the sleep of a writer', () => {
  test('is not put off by a reader at work, and its reader sleeps by its own timeout', async () => {
    const branch = await makeBranch('idle')
    const [primary, reader] = ['primary', 'reader'].map((id) => `${branch.name}/endpoints/${id}`)
    await makeReader(branch.name, 'reader', { suspend_timeout_duration: '604800s' })
    await server.write('PATCH', `${primary}?update_mask=spec.suspension`, {
      spec: { suspend_timeout_duration: '60s' },
    })
    const client = await server.connect(branch.name, { endpoint: 'reader' })
    await eventually(
      'the writer sleeps while its reader works',
      async () => {
        await client.query('select count(*) from pg_class')
        return (await stateOf(primary ?? '')) === 'IDLE'
      },
      120_000,
    )
    expect(await stateOf(reader ?? '')).toBe('ACTIVE')
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    await client.end()
    const { compute_instances } = await get(`${primary}/compute-instances`)
    expect(compute_instances[0]).toMatchObject({ current_state: 'IDLE', role: 'READ_WRITE' })
    expect(compute_instances[0]).toHaveProperty('suspend_time')
    await dropBranch('idle')
  }, 150_000)
})
