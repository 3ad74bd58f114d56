/** Rights through groups, and what happens to live sessions and roles when rights are taken away. */
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const scim = '/api/2.0/preview/scim/v2'
const permissions = '/api/2.0/permissions/database-projects/store'
const store = 'projects/store'
const production = `${store}/branches/production`

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(async () => {
  await server?.dispose()
})

const ok = async (method: string, path: string, body?: unknown) => {
  const answer = await server.api(method, path, body)
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
const idOf = async (userName: string): Promise<string> =>
  (await ok('GET', `${scim}/Users?filter=userName eq "${userName}"`)).Resources[0].id
const patchUser = async (userName: string, path: string, value: unknown) =>
  ok('PATCH', `${scim}/Users/${await idOf(userName)}`, {
    Operations: [{ op: 'replace', path, value }],
  })
/** Only the owner keeps something. */
const clear = () => ok('PUT', permissions, { access_control_list: [] })
const grant = (userName: string, level: string) =>
  ok('PATCH', permissions, {
    access_control_list: [{ user_name: userName, permission_level: level }],
  })

/** A login that notes how its session ended. */
async function session(user: string, token: string, branch = production, credential?: string) {
  const client = await server.connect(branch, {
    token,
    user,
    ...(credential === undefined ? {} : { credential }),
  })
  const errors: { code?: string; message: string }[] = []
  client.on('error', (error) => errors.push(error))
  return { client, errors, isOver: () => errors.length > 0 }
}

const soon = 5000
const isManager = async (role: string, branch = production) => {
  const { rows } = await server.sql(
    branch,
    `select pg_has_role('${role}', 'databricks_owner', 'MEMBER') as is, rolcreaterole as may
     from pg_roles where rolname = '${role}'`,
  )
  return rows[0].is || rows[0].may
}

describe('a live session ends, with its reason, within seconds', () => {
  test('when its identity is deactivated, which also ends its tokens and logins', async () => {
    const user = 'off@example.com'
    const token = await server.identity(user, 'CAN_MANAGE')
    const credential = await server.credential(production, token)
    const { client, errors, isOver } = await session(user, token)
    await client.query('create table off_made (n int)')
    await patchUser(user, 'active', false)
    expect((await server.api('GET', `${scim}/Me`, undefined, { token })).status).toBe(401)
    const login = server.connect(production, { credential, user })
    await expect(login).rejects.toMatchObject({ code: '28P01' })
    await eventually('the session ends', isOver, soon)
    expect(errors[0]).toMatchObject({
      code: '57P01',
      message: expect.stringMatching(/rights on this branch have been taken away/),
    })
    await eventually('the role is no manager', async () => !(await isManager(user)), soon)
    await server.sql(production, 'drop table off_made') // the owner still can

    await patchUser(user, 'active', true)
    const again = await session(user, token)
    await again.client.query('create table off_made (n int); drop table off_made')
    await again.client.end()
  })

  test('when it is deleted, in the middle of a query', async () => {
    const user = 'gone@example.com'
    const token = await server.identity(user, 'CAN_MANAGE')
    const { client, isOver, errors } = await session(user, token)
    const query = client.query('select pg_sleep(60)').then(
      () => 'finished',
      (error: pg.DatabaseError) => error.code,
    )
    await delay(300)
    expect((await server.api('DELETE', `${scim}/Users/${await idOf(user)}`)).status).toBe(204)
    expect(await query).toMatch(/^57(014|P01)$/) // canceled, or ended before that was said
    await eventually('the session ends', isOver, soon)
    expect(errors[0]?.code).toBe('57P01')
  })

  test('when its permission is lowered or taken, and no other does', async () => {
    const user = 'lowered@example.com'
    const token = await server.identity(user, 'CAN_MANAGE')
    const stays = 'stays@example.com'
    const other = await session(stays, await server.identity(stays, 'CAN_MANAGE'))
    const first = await session(user, token)
    await grant(user, 'CAN_USE')
    await eventually('the manager ends', first.isOver, soon)
    await eventually('the role is no manager', async () => !(await isManager(user)), soon)
    // The role is there, so it may log in: with what SQL granted to it.
    const member = await session(user, token)
    await expect(member.client.query('create table not_mine (n int)')).rejects.toMatchObject({
      code: '42501',
    })
    await grant(user, 'CAN_MANAGE') // more is no reason to end
    await delay(1000)
    expect(member.isOver()).toBe(false)
    await ok('PUT', permissions, {
      access_control_list: [{ user_name: stays, permission_level: 'CAN_MANAGE' }],
    })
    await eventually('the member ends', member.isOver, soon)
    const login = server.connect(production, { token, user })
    await expect(login).rejects.toThrow()
    expect((await other.client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await other.client.end()
  })

  test('when it leaves the group that let it in', async () => {
    const user = 'grouped@example.com'
    const token = await server.identity(user, undefined)
    const id = await idOf(user)
    const inner = await ok('POST', `${scim}/Groups`, {
      displayName: 'inner',
      members: [{ value: id }],
    })
    await ok('POST', `${scim}/Groups`, { displayName: 'outer', members: [{ value: inner.id }] })
    const see = async () =>
      (await server.api('GET', `/api/2.0/postgres/${store}`, undefined, { token })).status
    expect(await see()).toBe(404)
    await ok('PATCH', permissions, {
      access_control_list: [{ group_name: 'outer', permission_level: 'CAN_MANAGE' }],
    })
    expect(await see()).toBe(200)
    const own = await session(user, token)
    const credential = await server.credential(production, token, { group_name: 'inner' })
    const asGroup = await session('inner', token, production, credential)
    await asGroup.client.query('create table of_inner (n int)')
    await own.client.query('drop table of_inner')
    await ok('PATCH', `${scim}/Groups/${inner.id}`, {
      Operations: [{ op: 'remove', path: `members[value eq "${id}"]` }],
    })
    expect(await see()).toBe(404)
    await eventually('its own session ends', own.isOver, soon)
    await eventually("the group's session ends", asGroup.isOver, soon)
    await eventually('its role is no manager', async () => !(await isManager(user)), soon)
    expect(await isManager('inner')).toBe(true) // the group still is
  })

  test('on a branch of its own as well, when the project is closed to it', async () => {
    const user = 'brancher@example.com'
    const token = await server.identity(user, 'CAN_BRANCH')
    const spec = { spec: { ttl: '3600s' } }
    const branch = await server.write('POST', `${store}/branches?branch_id=its-own`, spec, token)
    const { isOver } = await session(user, token, branch.name)
    await clear()
    await eventually('the session ends', isOver, soon)
    const credentials = await server.api(
      'POST',
      '/api/2.0/postgres/credentials',
      { endpoint: `${branch.name}/endpoints/primary` },
      { token },
    )
    expect(credentials.status).toBe(404)
    await eventually('no manager there', async () => !(await isManager(user, branch.name)), soon)
    await server.write('DELETE', `${branch.name}?purge=true`)
  })

  test('when a read-only credential opened it', async () => {
    const user = 'reader@example.com'
    const token = await server.identity(user, 'CAN_MANAGE')
    const credential = await server.credential(production, token, {
      claims: [{ permission_set: 'READ_ONLY' }],
    })
    const { client, isOver } = await session(user, token, production, credential)
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await clear()
    await eventually('the session ends', isOver, soon)
  })
})

describe('permissions', () => {
  test('name users, service principals and groups, and show who inherits', async () => {
    await clear()
    const bot = await ok('POST', `${scim}/ServicePrincipals`, { displayName: 'bot' })
    await ok('POST', `${scim}/Groups`, { displayName: 'crew' })
    await server.identity('Named@example.com', undefined)
    const list = await ok('PUT', permissions, {
      access_control_list: [
        { user_name: 'named@EXAMPLE.com', permission_level: 'CAN_USE' }, // Terraform lowers names
        { service_principal_name: bot.applicationId, permission_level: 'CAN_BRANCH' },
        { group_name: 'crew', permission_level: 'CAN_MANAGE' },
        { group_name: 'users', permission_level: 'CAN_USE' },
      ],
    })
    const shown = list.access_control_list.map(
      // biome-ignore lint/suspicious/noExplicitAny: as clients read it
      ({ user_name, service_principal_name, group_name, all_permissions }: any) => [
        user_name ?? service_principal_name ?? group_name,
        all_permissions[0].permission_level,
        all_permissions[0].inherited,
      ],
    )
    expect(shown).toEqual(
      expect.arrayContaining([
        ['Named@example.com', 'CAN_USE', false],
        [bot.applicationId, 'CAN_BRANCH', false],
        ['crew', 'CAN_MANAGE', false],
        ['users', 'CAN_USE', false],
        ['admins', 'CAN_MANAGE', true],
      ]),
    )
    expect(shown.length).toBe(5)
    const everybody = await server.identity('anybody@example.com', undefined)
    const seen = await server.api('GET', `/api/2.0/postgres/${store}`, undefined, {
      token: everybody,
    })
    expect(seen.status).toBe(200) // through the group of all
    const levels = await ok('GET', `${permissions}/permissionLevels`)
    expect(levels.permission_levels.length).toBe(3)
    for (const wrong of [
      { group_name: 'named@example.com' },
      { user_name: 'crew' },
      { group_name: 'nobody' },
    ]) {
      const { status } = await server.api('PATCH', permissions, {
        access_control_list: [{ ...wrong, permission_level: 'CAN_USE' }],
      })
      expect(status, JSON.stringify(wrong)).toBe(404)
    }
    await clear()
  })
})

test('a branch that slept through it takes the rights away when it wakes', async () => {
  const user = 'sleeper@example.com'
  const token = await server.identity(user, 'CAN_MANAGE')
  const branch = await server.write('POST', `${store}/branches?branch_id=sleeper`, {
    spec: { ttl: '3600s' },
  })
  await server.sql(branch.name, 'select 1', { token })
  expect(await isManager(user, branch.name)).toBe(true)
  const disabled = async (value: boolean) =>
    server.write('PATCH', `${branch.name}/endpoints/primary?update_mask=spec.disabled`, {
      spec: { disabled: value },
    })
  await disabled(true)
  await ok('DELETE', `${scim}/Users/${await idOf(user)}`)
  await disabled(false)
  await eventually('no manager any more', async () => !(await isManager(user, branch.name)), 10_000)
  await server.write('DELETE', `${branch.name}?purge=true`)
})
