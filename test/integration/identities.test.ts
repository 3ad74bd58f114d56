/** Users, service principals, groups, tokens and secrets over the API of a real server. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
const scim = '/api/2.0/preview/scim/v2'
const production = 'projects/store/branches/production'

beforeAll(async () => {
  server = await TestServer.start()
})
afterAll(async () => {
  await server?.dispose()
})

type Options = { readonly token?: string }
const ok = async (method: string, path: string, body?: unknown, options: Options = {}) => {
  const answer = await server.api(method, path, body, options)
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${JSON.stringify(answer.body)}`)
  return answer.body
}
const statusOf = async (method: string, path: string, body?: unknown, options: Options = {}) =>
  (await server.api(method, path, body, options)).status
const works = async (token: string) =>
  (await statusOf('GET', `${scim}/Me`, undefined, { token })) === 200
const names = (refs: readonly { readonly display: string }[] = []) =>
  refs.map(({ display }) => display)

describe('users', () => {
  test('are made, found, changed and deleted', async () => {
    const made = await ok('POST', `${scim}/Users`, {
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      userName: 'Änne@example.com',
      displayName: 'Änne 🦜',
      entitlements: [{ value: 'workspace-access' }],
      externalId: 'okta|1',
    })
    expect(made).toMatchObject({
      id: expect.stringMatching(/^\d{5,15}$/),
      userName: 'Änne@example.com',
      displayName: 'Änne 🦜',
      active: true,
      entitlements: [{ value: 'workspace-access' }],
      externalId: 'okta|1',
      groups: [{ display: 'users' }],
    })
    const one = `${scim}/Users/${made.id}`
    expect(await ok('GET', one)).toEqual(made)
    const list = await ok('GET', `${scim}/Users?filter=userName eq "änne@EXAMPLE.com"`)
    expect(list).toMatchObject({ totalResults: 1, Resources: [{ id: made.id }] })

    const changed = await ok('PATCH', one, {
      schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'],
      Operations: [
        { op: 'replace', path: 'displayName', value: 'Anne' },
        { op: 'remove', path: 'entitlements[value eq "workspace-access"]' },
      ],
    })
    expect(changed).toMatchObject({ displayName: 'Anne', externalId: 'okta|1', active: true })
    expect(changed).not.toHaveProperty('entitlements')
    const put = await ok('PUT', one, { userName: 'Änne@example.com', displayName: 'Ann' })
    expect(put).toMatchObject({ displayName: 'Ann', active: true })
    expect(put).not.toHaveProperty('externalId')

    expect(await statusOf('DELETE', one)).toBe(204)
    expect(await statusOf('GET', one)).toBe(404)
    expect(await statusOf('DELETE', one)).toBe(404)
  })

  test('have one name each, in whatever case, and none that is reserved', async () => {
    await ok('POST', `${scim}/Users`, { userName: 'once@example.com' })
    const again = await server.api('POST', `${scim}/Users`, { userName: 'ONCE@example.com' })
    expect(again).toMatchObject({
      status: 409,
      body: {
        error_code: 'ALREADY_EXISTS',
        scimType: 'uniqueness',
        // Terraform's `force` looks for this sentence.
        message: 'User with username ONCE@example.com already exists.',
      },
    })
    const race = await Promise.all(
      Array.from({ length: 5 }, () =>
        statusOf('POST', `${scim}/Users`, { userName: 'race@example.com' }),
      ),
    )
    expect(race.sort()).toEqual([201, 409, 409, 409, 409])
    for (const userName of [
      'pg_x@example.com',
      'databricks_x@example.com',
      'lakelet_x@example.com',
    ]) {
      const { status, body } = await server.api('POST', `${scim}/Users`, { userName })
      expect([status, body.message]).toEqual([400, expect.stringContaining('reserved role name')])
    }
    for (const displayName of [
      'postgres',
      'cloud_admin',
      'public',
      'databricks_owner',
      'pg_monitor',
    ]) {
      expect(await statusOf('POST', `${scim}/Groups`, { displayName }), displayName).toBe(400)
    }
  })
})

describe('groups', () => {
  test('hold identities and groups, and never themselves', async () => {
    const ann = await ok('POST', `${scim}/Users`, { userName: 'ann@example.com' })
    const bot = await ok('POST', `${scim}/ServicePrincipals`, { displayName: 'bot' })
    const team = await ok('POST', `${scim}/Groups`, {
      displayName: 'team one',
      members: [{ value: ann.id }],
    })
    const all = await ok('POST', `${scim}/Groups`, {
      displayName: 'all teams',
      members: [{ value: team.id }],
    })
    expect(names(all.members)).toEqual(['team one'])
    const patch = (id: string, ...Operations: unknown[]) =>
      server.api('PATCH', `${scim}/Groups/${id}`, { Operations })
    const adding = (value: string) => ({ op: 'add', path: 'members', value: [{ value }] })

    // At the same time, and none is lost.
    const many = await Promise.all(
      Array.from({ length: 6 }, (_, n) =>
        ok('POST', `${scim}/ServicePrincipals`, { displayName: `bot ${n}` }),
      ),
    )
    await Promise.all([bot, ...many].map(({ id }) => patch(team.id, adding(id))))
    const { members } = await ok('GET', `${scim}/Groups/${team.id}`)
    expect(members.length).toBe(8)

    for (const cycle of [team.id, all.id]) {
      const { status, body } = await patch(team.id, adding(cycle))
      expect([status, body.message]).toEqual([400, expect.stringContaining('is the group itself')])
    }
    const nobody = await patch(team.id, adding('999'))
    expect([nobody.status, nobody.body.message]).toEqual([400, expect.stringContaining('nobody')])

    const less = await patch(team.id, { op: 'remove', path: `members[value eq "${bot.id}"]` })
    expect(names(less.body.members)).not.toContain('bot')
    const { groups } = await ok('GET', `${scim}/Users/${ann.id}`)
    expect(names(groups)).toEqual(['team one', 'users'])
    const found = await ok('GET', `${scim}/Groups?filter=displayName eq "Team One"&attributes=id`)
    expect(found.Resources).toEqual([{ id: team.id, schemas: expect.anything() }])
    const rename = { displayName: 'other', members: [] }
    expect((await server.api('PUT', `${scim}/Groups/${team.id}`, rename)).body).toMatchObject({
      error_code: 'INVALID_PARAMETER_VALUE',
      scimType: 'mutability',
    })
    expect(await statusOf('DELETE', `${scim}/Groups/${team.id}`)).toBe(204)
    expect((await ok('GET', `${scim}/Groups/${all.id}`)).members).toEqual([])
  })

  test('admins makes administrators, and always keeps one; users holds everybody', async () => {
    const { Resources: groups } = await ok('GET', `${scim}/Groups`)
    const idOf = (name: string) =>
      groups.find((group: { displayName: string }) => group.displayName === name).id
    const [admins, users] = [idOf('admins'), idOf('users')]
    const token = await server.identity('deputy@example.com', undefined)
    const me = await ok('GET', `${scim}/Me`, undefined, { token })
    expect(names(me.groups)).toEqual(['users'])
    expect(await statusOf('POST', `${scim}/Groups`, { displayName: 'g' }, { token })).toBe(403)

    const change = (op: string, id: string) =>
      server.api('PATCH', `${scim}/Groups/${admins}`, {
        Operations: [{ op, path: 'members', value: [{ value: id }] }],
      })
    await change('add', me.id)
    expect(await statusOf('POST', `${scim}/Groups`, { displayName: 'g' }, { token })).toBe(201)
    expect(
      (await server.api('GET', '/api/2.0/postgres/projects', undefined, { token })).body.projects
        .length,
    ).toBe(1)
    await change('remove', me.id)
    expect(await statusOf('POST', `${scim}/Groups`, { displayName: 'h' }, { token })).toBe(403)

    const owner = await ok('GET', `${scim}/Me`)
    expect((await change('remove', owner.id)).body.message).toContain('no active administrator')
    const off = { Operations: [{ op: 'replace', path: 'active', value: false }] }
    expect(await statusOf('PATCH', `${scim}/Users/${owner.id}`, off)).toBe(403)
    expect(await statusOf('DELETE', `${scim}/Users/${owner.id}`)).toBe(403)
    expect(await works(server.token)).toBe(true)
    expect(await statusOf('DELETE', `${scim}/Groups/${admins}`)).toBe(400)
    expect(await statusOf('DELETE', `${scim}/Groups/${users}`)).toBe(400)
    const leave = { Operations: [{ op: 'remove', path: `members[value eq "${me.id}"]` }] }
    expect(await statusOf('PATCH', `${scim}/Groups/${users}`, leave)).toBe(400)
  })
})

describe('personal access tokens', () => {
  const create = '/api/2.0/token/create'

  test('are listed without their value, and a revoked one is dead at once', async () => {
    const token = await server.identity('tokens@example.com', undefined)
    const second = await ok('POST', create, { comment: 'second', lifetime_seconds: 60 }, { token })
    expect(await works(second.token_value)).toBe(true)
    const { token_infos: mine } = await ok('GET', '/api/2.0/token/list', undefined, { token })
    expect(mine.map((info: { comment: string }) => info.comment)).toEqual(['test', 'second'])
    expect(JSON.stringify(mine)).not.toContain('dapi')
    const { token_id: id } = second.token_info

    const other = await server.identity('other@example.com', undefined)
    const revoke = (by: string) =>
      statusOf('POST', '/api/2.0/token/delete', { token_id: id }, { token: by })
    expect(await revoke(other)).toBe(404) // as if it were not there
    expect(
      await statusOf('GET', '/api/2.0/token-management/tokens', undefined, { token: other }),
    ).toBe(403)
    const managed = await ok('GET', `/api/2.0/token-management/tokens/${id}`)
    expect(managed.token_info).toMatchObject({
      created_by_username: 'tokens@example.com',
      owner_id: expect.any(Number),
      last_used_day: expect.any(Number),
    })
    expect(await revoke(token)).toBe(200)
    expect(await works(second.token_value)).toBe(false)
    expect(await revoke(token)).toBe(404)

    const [first] = mine
    expect(await statusOf('DELETE', `/api/2.0/token-management/tokens/${first.token_id}`)).toBe(200)
    expect(await works(token)).toBe(false)
  })

  test('that end are dead when they have ended', async () => {
    const { token_value: token } = await ok('POST', create, { lifetime_seconds: 1 })
    expect(await works(token)).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 1100))
    expect(await works(token)).toBe(false)
  })

  test.each([
    ['nothing', ''],
    ['a space in it', 'dapi abc'],
    ['a wrong one', 'dapi0000'],
    ['a very long one', 'x'.repeat(10_000)],
    ['unicode', encodeURIComponent('tökén')],
    ['a JWT of nobody', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.'],
  ])('%s is 401', async (_, token) => {
    expect(await statusOf('GET', `${scim}/Me`, undefined, { token })).toBe(401)
  })
})

describe('secrets of a service principal', () => {
  test('are shown once, several side by side, for administrators and itself', async () => {
    const { id, applicationId } = await ok('POST', `${scim}/ServicePrincipals`, {
      displayName: 'ci',
    })
    const secrets = `/api/2.0/accounts/servicePrincipals/${id}/credentials/secrets`
    const first = await ok('POST', secrets, {})
    expect(first).toMatchObject({
      status: 'ACTIVE',
      secret: expect.stringMatching(/^dose[0-9a-f]{64}$/),
    })
    const obo = { application_id: applicationId, lifetime_seconds: 60 }
    const { token_value: token } = await ok(
      'POST',
      '/api/2.0/token-management/on-behalf-of/tokens',
      obo,
    )
    await ok('POST', secrets, { lifetime: '3600s' }, { token }) // its own
    const listed = await ok('GET', secrets)
    expect(listed.secrets.length).toBe(2)
    expect(JSON.stringify(listed)).not.toContain(first.secret)

    const stranger = await server.identity('stranger@example.com', undefined)
    expect(await statusOf('POST', secrets, {}, { token: stranger })).toBe(403)
    expect(await statusOf('GET', secrets, undefined, { token: stranger })).toBe(403)
    for (let n = 0; n < 3; n += 1) await ok('POST', secrets, {})
    const sixth = await server.api('POST', secrets, {})
    expect(sixth.body).toMatchObject({ error_code: 'QUOTA_EXCEEDED' })
    expect(await statusOf('DELETE', `${secrets}/${first.id}`)).toBe(200)
    expect(await statusOf('DELETE', `${secrets}/${first.id}`)).toBe(404)
    const { id: user } = await ok('POST', `${scim}/Users`, { userName: 'no-secrets@example.com' })
    const ofUser = `/api/2.0/accounts/servicePrincipals/${user}/credentials/secrets`
    expect(await statusOf('POST', ofUser, {})).toBe(404)
  })
})

describe('a credential of a group', () => {
  test('runs as the role of the group, for its members alone', async () => {
    const token = await server.identity('member@example.com', undefined)
    const me = await ok('GET', `${scim}/Me`, undefined, { token })
    const group = await ok('POST', `${scim}/Groups`, {
      displayName: 'data team',
      members: [{ value: me.id }],
    })
    const asGroup = { group_name: 'data team' }
    const endpoint = `${production}/endpoints/primary`
    const ask = (by: string) =>
      server.api('POST', '/api/2.0/postgres/credentials', { endpoint, ...asGroup }, { token: by })
    expect((await ask(token)).status).toBe(404) // nobody of them may see the project
    await ok('PATCH', '/api/2.0/permissions/database-projects/store', {
      access_control_list: [{ group_name: 'data team', permission_level: 'CAN_MANAGE' }],
    })
    const credential = await server.credential(production, token, asGroup)
    const client = await server.connect(production, { token, credential, user: 'data team' })
    const { rows } = await client.query('select current_user as who')
    expect(rows).toEqual([{ who: 'data team' }])
    await client.query('create table of_the_team (n int)')
    await client.query('drop table of_the_team')
    await client.end()
    const asMember = server.connect(production, { token, credential, user: 'member@example.com' })
    await expect(asMember).rejects.toMatchObject({ code: '28000' })

    const outsider = await ask(server.token)
    expect([outsider.status, outsider.body.message]).toEqual([
      403,
      expect.stringMatching(/is not a member of a group 'data team'/),
    ])
    await ok('PATCH', `${scim}/Groups/${group.id}`, {
      Operations: [{ op: 'remove', path: 'members' }],
    })
    const late = server.connect(production, { token, credential, user: 'data team' })
    await expect(late).rejects.toMatchObject({ code: '28P01' })
  })
})
