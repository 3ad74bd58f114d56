/** What each permission lets an identity do, and what the others read; update masks over HTTP. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { refusal } from '../fixtures/refusal.ts'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'
const production = `${store}/branches/production`
const branches = `${store}/branches`

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(async () => {
  await server?.dispose()
})

const get = async (path: string, token = server.token) =>
  server.api('GET', `/api/2.0/postgres/${path}`, undefined, { token })
const make = (id: string, token = server.token, spec: object = { ttl: '1h' }) =>
  server.write('POST', `${branches}?branch_id=${id}`, { spec }, token)
const permissions = '/api/2.0/permissions/database-projects/store'

describe('an identity', () => {
  test('without a permission meets nothing, as if nothing were there', async () => {
    const token = await server.identity('stranger@example.com', undefined)
    const meets = (method: string, path: string, body?: unknown) =>
      refusal(server, method, path, body, { token })
    const never = (path: string) => path.replace('projects/store', 'projects/never-made')
    for (const [method, path, body] of [
      ['GET', store],
      ['GET', branches],
      ['GET', production],
      ['GET', `${production}/endpoints`],
      ['GET', `${production}/endpoints/primary`],
      ['POST', `${branches}?branch_id=mine`, { spec: { ttl: '1h' } }],
      ['PATCH', `${production}?update_mask=spec.is_protected`, { spec: { is_protected: true } }],
      ['DELETE', production],
      ['DELETE', store],
      ['POST', `${production}/undelete`, {}],
      ['POST', 'credentials', { endpoint: `${production}/endpoints/primary` }],
    ] as const) {
      const said = await meets(method, path, body)
      expect(said, `${method} ${path}`).toMatchObject({ status: 404, code: 'NOT_FOUND' })
      // Word for word what a project that is not there answers.
      const asBody = JSON.stringify(body) as string | undefined
      const absent = await meets(method, never(path), asBody && JSON.parse(never(asBody)))
      const plain = (text: string) => text.replace(/\[TraceId: [^\]]*\]/, '')
      expect(plain(said.text)).toBe(plain(absent.text))
    }
    const { body } = await get('projects', token)
    expect(body.projects).toEqual([])
    expect((await server.api('GET', permissions, undefined, { token })).status).toBe(404)
    const users = '/api/2.0/preview/scim/v2/Users'
    const made = await server.api('POST', users, { userName: 'x@example.com' }, { token })
    expect(made).toMatchObject({
      status: 403,
      body: { message: expect.stringMatching(/stranger@example.com may not create identities/) },
    })
  })

  test('with CAN_USE sees and asks for credentials, and reads why it may no more', async () => {
    const token = await server.identity('user@example.com', 'CAN_USE')
    for (const path of [store, branches, production, `${production}/endpoints/primary`]) {
      expect((await get(path, token)).status).toBe(200)
    }
    const lacks = async (
      method: string,
      path: string,
      body: unknown,
      act: string,
      permission: string,
    ) => {
      const said = await refusal(server, method, path, body, { token })
      expect(said).toEqual({
        status: 403,
        code: 'PERMISSION_DENIED',
        text: `user@example.com may not ${act}. Ask someone with CAN_MANAGE on the project for ${permission}.`,
      })
    }
    const spec = { ttl: '1h' }
    await lacks('POST', `${branches}?branch_id=b`, { spec }, 'create branches', 'CAN_BRANCH')
    await lacks('DELETE', production, undefined, 'delete branches', 'CAN_BRANCH')
    await lacks('POST', `${production}/undelete`, {}, 'undelete branches', 'CAN_MANAGE')
    const mask = '?update_mask=spec.is_protected'
    const body = { spec: { is_protected: true } }
    await lacks('PATCH', `${production}${mask}`, body, 'change branches', 'CAN_BRANCH')
    const name = { spec: { display_name: 'Mine' } }
    await lacks('PATCH', `${store}?update_mask=*`, name, 'change the project', 'CAN_MANAGE')
    await lacks('DELETE', store, undefined, 'delete the project', 'CAN_MANAGE')

    const credential = await server.credential(production, token)
    const [, claims = ''] = credential.split('.')
    expect(JSON.parse(Buffer.from(claims, 'base64url').toString()).scope).toBe('postgres:connect')
    const login = server.connect(production, { credential, user: 'user@example.com' })
    await expect(login).rejects.toMatchObject({ code: '28P01' }) // no role of its own in there yet
    const granted = await server.api(
      'PATCH',
      permissions,
      { access_control_list: [{ user_name: 'user@example.com', permission_level: 'CAN_MANAGE' }] },
      { token },
    )
    expect(granted.status).toBe(403)
  })

  test('with CAN_BRANCH makes branches that it may change as it likes', async () => {
    const token = await server.identity('brancher@example.com', 'CAN_BRANCH')
    const branch = await make('own', token)
    await server.sql(branch.name, 'create table own (n int)', { token })
    const login = server.connect(production, {
      token,
      user: 'brancher@example.com',
    })
    await expect(login).rejects.toMatchObject({ code: '28P01' })
    const said = await refusal(server, 'DELETE', store, undefined, { token })
    expect(said.status).toBe(403)
    await server.write('DELETE', `${branch.name}?purge=true`, undefined, token)
  })

  test('with CAN_MANAGE does all of it, and cannot lock itself out', async () => {
    const token = await server.identity('manager@example.com', 'CAN_MANAGE')
    const branch = await make('managed', token)
    await server.sql(production, 'create table managed (n int)', { token })
    await server.sql(branch.name, 'create table managed (n int)', { token })
    await server.write('DELETE', `${branch.name}?purge=true`, undefined, token)
    await server.sql(production, 'drop table managed')
    const none = await server.api('PUT', permissions, { access_control_list: [] }, { token })
    expect(none.status).toBe(200)
    expect((await get(store, token)).status).toBe(200)
    const { body } = await server.api('GET', permissions)
    expect(
      body.access_control_list.map((entry: { user_name: string }) => entry.user_name),
    ).toContain('manager@example.com')
    expect((await get(store)).status).toBe(200) // the owner administers everything
  })

  test('that nobody knows is given no permission', async () => {
    const before = (await server.api('GET', permissions)).body
    const { status, body } = await server.api('PATCH', permissions, {
      access_control_list: [
        { user_name: 'manager@example.com', permission_level: 'CAN_USE' },
        { user_name: 'unknown@example.com', permission_level: 'CAN_USE' },
      ],
    })
    expect(status).toBe(404)
    expect(body.message).toMatch(/'unknown@example.com' not found.*Create the user/)
    expect((await server.api('GET', permissions)).body).toEqual(before)
  })
})

describe('an update', () => {
  const patch = (path: string, mask: string | undefined, spec: object) =>
    server.write('PATCH', `${path}${mask === undefined ? '' : `?update_mask=${mask}`}`, { spec })

  test('changes what its mask names and the body holds, and leaves the rest', async () => {
    const branch = await make('masked')
    const soon = new Date(Date.now() + 86_400_000).toISOString()
    const moved = await patch(branch.name, 'spec.expire_time', {
      expire_time: soon,
      is_protected: true,
    })
    expect(moved.status).toMatchObject({ expire_time: soon, is_protected: false })
    const kept = await patch(branch.name, 'spec.expiration', { no_expiry: true })
    expect(kept.status.expire_time).toBeUndefined()
    const wide = await patch(branch.name, undefined, { is_protected: true })
    expect(wide.status.is_protected).toBe(true)
    const narrow = await patch(branch.name, '*', { is_protected: false })
    expect(narrow.status.is_protected).toBe(false)
    expect(narrow.status.expire_time).toBeUndefined()
    await patch(branch.name, 'spec', { ttl: '2h' })
    const { body } = await get(branch.name)
    const length = Date.parse(body.status.expire_time) - Date.parse(body.create_time)
    expect(length).toBe(7_200_000)
    await server.write('DELETE', `${branch.name}?purge=true`)
  })

  test('of an endpoint reaches Postgres, and a wrong one changes nothing', async () => {
    const branch = await make('sized')
    const endpoint = `${branch.name}/endpoints/primary`
    const show = async (setting: string) =>
      (await server.sql(branch.name, `show ${setting}`)).rows[0][setting]
    await patch(endpoint, 'spec.settings.pg_settings', {
      settings: { pg_settings: { statement_timeout: '7s' } },
    })
    expect(await show('statement_timeout')).toBe('7s')
    await patch(endpoint, 'spec.autoscaling_limit_max_cu', { autoscaling_limit_max_cu: 2 })
    expect(await show('statement_timeout')).toBe('7s')
    expect(Number(await show('max_connections'))).toBeGreaterThan(209)
    const before = (await get(endpoint)).body.status
    for (const [mask, spec, text] of [
      [
        'spec.autoscaling_limit_max_cu',
        { autoscaling_limit_max_cu: 65 },
        /at most 64 \(--max-cu\)/,
      ],
      ['spec.autoscaling_limit_min_cu', { autoscaling_limit_min_cu: 0 }, /at least 0\.5/],
      ['spec.suspend_timeout_duration', { suspend_timeout_duration: '5s' }, /60s.*604800s/],
      ['spec.endpoint_type', { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' }, /cannot be changed/],
      ['spec.hosts', { hosts: {} }, /cannot be updated\. Allowed: /],
    ] as const) {
      const said = await refusal(server, 'PATCH', `${endpoint}?update_mask=${mask}`, { spec })
      expect(said).toMatchObject({ status: 400, text: expect.stringMatching(text) })
    }
    expect((await get(endpoint)).body.status).toEqual({
      ...before,
      last_active_time: expect.any(String),
    })
    await server.write('DELETE', `${branch.name}?purge=true`)
  })

  test('with a setting that Postgres cannot start with is refused or undone', async () => {
    const branch = await make('broken')
    const endpoint = `${branch.name}/endpoints/primary`
    const sent = { spec: { settings: { pg_settings: { shared_buffers: 'a lot' } } } }
    const started = await server.api(
      'PATCH',
      `/api/2.0/postgres/${endpoint}?update_mask=spec.settings.pg_settings`,
      sent,
    )
    expect([200, 400]).toContain(started.status)
    await patch(endpoint, 'spec.settings.pg_settings', { settings: { pg_settings: {} } })
    expect((await server.sql(branch.name, 'select 1 as one')).rows).toEqual([{ one: 1 }])
    await server.write('DELETE', `${branch.name}?purge=true`)
  })

  test('of a project', async () => {
    const named = await patch(store, 'spec.display_name', { display_name: 'Shop 🐘' })
    expect(named.status.display_name).toBe('Shop 🐘')
    const wide = await patch(store, '*', { custom_tags: [{ key: 'team', value: 'a' }] })
    expect(wide.status.display_name).toBe('Shop 🐘')
    const version = await refusal(server, 'PATCH', `${store}?update_mask=spec.pg_version`, {
      spec: { pg_version: 16 },
    })
    expect(version.text).toMatch(/cannot be changed after creation/)
  })
})

test('in the end nothing is half made', async () => {
  await nothingHalfMade(server)
})
