/**
 * Roles and databases of a branch over the API, against a real server: names of tests cite the section
 * or row of docs/reference/api.md that they hold it to.
 */
import type pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually, type Reply, TestServer } from '../fixtures/server.ts'
import {
  api,
  ask,
  empty,
  expectOperation,
  expectRefusal,
  keysOf,
  managedByParent,
  notFound,
  production,
  store,
  timestamp,
} from './contract/shapes.ts'

let server: TestServer
let owner: string
let ownerId: string
const limit = 40

beforeAll(async () => {
  server = await TestServer.start({
    env: { LAKELET_MAX_ROLES_PER_BRANCH: String(limit), LAKELET_MAX_DATABASES_PER_BRANCH: '12' },
  })
  owner = (await server.api('GET', '/api/2.0/preview/scim/v2/Me')).body.userName
  ownerId = (owner.split('@')[0] ?? '').toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.log.slice(-4000))
})
afterAll(async () => {
  await server?.dispose()
})

const { get, post, patch, remove, read } = {
  get: (name: string) => ask(server).get(name),
  post: (name: string, body?: unknown) => ask(server).post(name, body),
  patch: (name: string, body: unknown) => ask(server).patch(name, body),
  remove: (name: string) => ask(server).remove(name),
  read: (name: string) => ask(server).read(name),
}
const branch = async (id: string, extra: object = {}): Promise<string> => {
  await server.write('POST', `${store}/branches?branch_id=${id}`, {
    spec: { ttl: '1h', ...extra },
  })
  return `${store}/branches/${id}`
}
const createRole = (parent: string, id: string, spec: object = {}) =>
  server.write('POST', `${parent}/roles?role_id=${id}`, { spec: { postgres_role: id, ...spec } })
const createDatabase = (parent: string, id: string, spec: object = {}) =>
  server.write('POST', `${parent}/databases?database_id=${id}`, {
    spec: { postgres_database: id, role: `${parent}/roles/${ownerId}`, ...spec },
  })
const idsOf = async (parent: string, kind: 'roles' | 'databases'): Promise<readonly string[]> =>
  (await read(`${parent}/${kind}?page_size=1000`))[kind].map((item: { name: string }) =>
    item.name.split('/').at(-1),
  )
/** The error of an operation that fails. */
async function failure(started: Reply): Promise<{ error_code: string; message: string }> {
  expect(started.status, JSON.stringify(started.body)).toBe(200)
  let error: { error_code: string; message: string } | undefined
  await eventually('the operation is over', async () => {
    const { body } = await get(started.body.name)
    error = body.error
    return body.done
  })
  if (error === undefined) throw new Error('the operation did not fail')
  return error
}
const taken = (kind: 'role' | 'database') => ({
  status: 400,
  code: 'BAD_REQUEST',
  message: `${kind} with that name already exists`,
})
const invalid = (message: string | RegExp) => ({
  status: 400,
  code: 'INVALID_PARAMETER_VALUE',
  message,
})

describe('what every branch brings', () => {
  test('contract 1.13: the owner role, named by the login of who made the branch', async () => {
    const role = await read(`${production}/roles/${ownerId}`)
    expect(keysOf(role)).toEqual([
      'create_time',
      'name',
      'parent',
      'role_id',
      'status',
      'update_time',
    ])
    expect(role).toMatchObject({
      name: `${production}/roles/${ownerId}`,
      role_id: ownerId,
      parent: production,
      create_time: expect.stringMatching(timestamp),
      status: {
        role_id: ownerId,
        postgres_role: owner,
        identity_type: 'USER',
        auth_method: 'LAKEBASE_OAUTH_V1',
        membership_roles: ['DATABRICKS_SUPERUSER'],
        attributes: { createdb: true, createrole: true, bypassrls: true },
      },
    })
    expect((await read(`${production}/roles`)).roles).toEqual([role])
  })

  test('contract 1.13: the database databricks-postgres', async () => {
    const database = await read(`${production}/databases/databricks-postgres`)
    expect(database).toMatchObject({
      name: `${production}/databases/databricks-postgres`,
      database_id: 'databricks-postgres',
      parent: production,
      status: {
        database_id: 'databricks-postgres',
        postgres_database: 'databricks_postgres',
        role: `${production}/roles/${ownerId}`,
      },
    })
    // Neither templates nor the database that the server works in.
    expect((await read(`${production}/databases`)).databases).toEqual([database])
  })

  test('contract 1.13, row 19: a branch has the roles and databases of its source, by their ids', async () => {
    const parent = await branch('parent', { no_expiry: true, ttl: undefined })
    await createRole(parent, 'app', { postgres_role: 'App Role' })
    await createDatabase(parent, 'shop', { role: `${parent}/roles/app` })
    await server.sql(parent, 'create role made_in_sql')
    await server.sql(parent, 'create database "Made in SQL"')
    expect(await idsOf(parent, 'roles')).toContain('made-in-sql') // from now on it has its id and time
    expect(await idsOf(parent, 'databases')).toContain('made-in-sql')
    await server.write('POST', `${store}/branches?branch_id=child`, {
      spec: { ttl: '1h', source_branch: parent },
    })
    const child = `${store}/branches/child`
    for (const kind of ['roles', 'databases'] as const) {
      const [there, here] = [await read(`${parent}/${kind}`), await read(`${child}/${kind}`)]
      expect(JSON.stringify(here).replaceAll('/branches/child', '/branches/parent')).toBe(
        JSON.stringify(there),
      )
    }
    expect(await idsOf(child, 'roles')).toEqual(['app', 'made-in-sql', ownerId].sort())
    expectRefusal(
      await post(`${child}/roles?role_id=app`, { spec: { postgres_role: 'App Role' } }),
      taken('role'),
    )
    // Adopted, its name, id and time stay.
    const inherited = await read(`${child}/roles/app`)
    const adopted = await server.write('POST', `${child}/roles?role_id=app&replace_existing=true`, {
      spec: { postgres_role: 'App Role', attributes: { createdb: true } },
    })
    expect(adopted).toMatchObject({
      name: inherited.name,
      create_time: inherited.create_time,
      status: { attributes: { createdb: true, createrole: false, bypassrls: false } },
    })
    expect((await read(`${parent}/roles/app`)).status.attributes.createdb).toBe(false)
    await server.write('DELETE', child)
    await server.write('DELETE', parent)
  })

  test('a branch made by another identity has a role of that one too', async () => {
    const token = await server.identity('Maker.Two@example.com', 'CAN_BRANCH')
    await server.write('POST', `${store}/branches?branch_id=theirs`, { spec: { ttl: '1h' } }, token)
    const { body } = await server.api('GET', `${api}/${store}/branches/theirs/roles`, undefined, {
      token,
    })
    expect(body.roles.map((role: { role_id: string }) => role.role_id).sort()).toEqual(
      ['maker-two', ownerId].sort(),
    )
    await server.write('DELETE', `${store}/branches/theirs`)
  })
})

describe('roles', () => {
  let dev: string
  beforeAll(async () => {
    dev = await branch('roles')
  })

  test('row 6: a plain role logs in by password, and three attributes are said explicitly', async () => {
    const started = await post(`${dev}/roles?role_id=plain`, { spec: { postgres_role: 'plain' } })
    const name = expectOperation(started, `${dev}/roles/plain`, 'Role')
    const role = await server.follow(name)
    expect(role).toEqual({
      name: `${dev}/roles/plain`,
      role_id: 'plain',
      parent: dev,
      create_time: expect.stringMatching(timestamp),
      update_time: expect.stringMatching(timestamp),
      status: {
        role_id: 'plain',
        postgres_role: 'plain',
        identity_type: 'IDENTITY_TYPE_UNSPECIFIED',
        auth_method: 'PG_PASSWORD_SCRAM_SHA_256',
        attributes: { createdb: false, createrole: false, bypassrls: false },
      },
    })
    expect(await read(`${dev}/roles/plain`)).toEqual(role)
  })

  test.each([
    [{}, 'PG_PASSWORD_SCRAM_SHA_256'],
    [{ identity_type: 'IDENTITY_TYPE_UNSPECIFIED' }, 'PG_PASSWORD_SCRAM_SHA_256'],
    [{ auth_method: 'NO_LOGIN' }, 'NO_LOGIN'],
    [{ identity_type: 'USER' }, 'LAKEBASE_OAUTH_V1'],
    [{ identity_type: 'SERVICE_PRINCIPAL' }, 'LAKEBASE_OAUTH_V1'],
    [{ identity_type: 'GROUP', auth_method: 'LAKEBASE_OAUTH_V1' }, 'LAKEBASE_OAUTH_V1'],
    [{ identity_type: 'GROUP', auth_method: 'NO_LOGIN' }, 'NO_LOGIN'],
  ])('contract 1.11: %o logs in by %s', async (spec, auth) => {
    const role = await createRole(dev, 'kinds', spec)
    expect(role.status.auth_method).toBe(auth)
    expect(role.status.identity_type).toBe(
      'identity_type' in spec ? spec.identity_type : 'IDENTITY_TYPE_UNSPECIFIED',
    )
    await server.write('DELETE', `${dev}/roles/kinds`)
    expectRefusal(await get(`${dev}/roles/kinds`), notFound('role'))
  })

  test.each([
    [{ identity_type: 'USER', auth_method: 'PG_PASSWORD_SCRAM_SHA_256' }, /do not go together/],
    [{ auth_method: 'LAKEBASE_OAUTH_V1' }, /do not go together/],
    [{ identity_type: 'ROBOT' }, /one of IDENTITY_TYPE_UNSPECIFIED, USER/],
    [{ membership_roles: ['SUPERUSER'] }, /one of DATABRICKS_SUPERUSER/],
    [{ membership_roles: 'DATABRICKS_SUPERUSER' }, /must be a list/],
    [{ attributes: { createdb: 'yes' } }, /must be true or false/],
    [{ postgres_role: 7 }, /must be a string/],
    [{ postgres_role: '' }, /^Field 'role.spec.postgres_role' is required/],
    [{ postgres_role: null }, /^Field 'role.spec.postgres_role' is required/],
    [{ postgres_role: 'pg_mine' }, /reserved/],
    [{ postgres_role: 'databricks_superuser' }, /reserved/],
    [{ postgres_role: 'PUBLIC' }, /reserved/],
    [{ postgres_role: 'two\nlines' }, /control character/],
    [{ postgres_role: 'x'.repeat(64) }, /at most 63 bytes/],
    [{ postgres_role: 'é'.repeat(32) }, /at most 63 bytes/],
  ])('%o is refused at once', async (spec, message) => {
    expectRefusal(
      await post(`${dev}/roles?role_id=refused`, { spec: { postgres_role: 'refused', ...spec } }),
      invalid(message),
    )
  })

  test('contract 1.4: ids are checked first, and chosen when there is none', async () => {
    for (const id of ['Upper', '1st', 'ends-', 'a_b', 'x'.repeat(64)]) {
      expectRefusal(
        await post(`projects/absent/branches/b/roles?role_id=${id}`, { spec: 7 }),
        invalid(`Field role_id must match pattern ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$, got '${id}'.`),
      )
    }
    const made: string[] = []
    for (const [name, id] of [
      ['My "App"\\ é', 'my--app'],
      ['my__app', /^my--app-[0-9a-f]{8}$/],
      ['x'.repeat(63), 'x'.repeat(63)],
    ] as const) {
      const role = await server.write('POST', `${dev}/roles`, { spec: { postgres_role: name } })
      expect(role.status.postgres_role).toBe(name)
      expect(role.role_id).toEqual(typeof id === 'string' ? id : expect.stringMatching(id))
      made.push(role.name)
    }
    for (const name of made) await server.write('DELETE', name)
  })

  test('rows 9, 10, contract 11.3: parents, then existence, then body, then limits', async () => {
    const body = { spec: { postgres_role: 'plain' } }
    expectRefusal(await post('projects/absent/branches/b/roles', {}), notFound('project'))
    expectRefusal(await post(`${store}/branches/absent/roles`, { spec: 7 }), notFound('branch'))
    expectRefusal(await get(`${store}/branches/absent/roles`), notFound('branch'))
    expectRefusal(await get(`${dev}/roles/absent`), notFound('role'))
    expectRefusal(await patch(`${dev}/roles/absent?update_mask=spec.x`, {}), notFound('role'))
    expectRefusal(await remove(`${dev}/roles/absent`), notFound('role'))
    expectRefusal(await post(`${dev}/roles?role_id=plain`, {}), taken('role'))
    const twin = await post(`${dev}/roles?role_id=other-id`, body)
    expectRefusal(twin, taken('role'))
    expect(JSON.stringify(twin.body.details)).toContain("has the id 'plain'")
  })

  test('rows 13, 14, contract 1.6: a mask changes its leaves alone, and takes no others', async () => {
    await createRole(dev, 'masked', {
      attributes: { createdb: true, createrole: true },
      membership_roles: ['DATABRICKS_SUPERUSER'],
    })
    const update = (mask: string, spec: object) =>
      server.write('PATCH', `${dev}/roles/masked?update_mask=${mask}`, { spec })
    const after = await update('spec.attributes.createdb', {
      postgres_role: 'masked',
      attributes: { createdb: false, createrole: false, bypassrls: true },
      membership_roles: [],
    })
    expect(after.status).toMatchObject({
      attributes: { createdb: false, createrole: true, bypassrls: false },
      membership_roles: ['DATABRICKS_SUPERUSER'],
    })
    expect(
      (await update('spec.membership_roles', { membership_roles: [] })).status,
    ).not.toHaveProperty('membership_roles')
    // Terraform masks `spec` and sends what is set; another postgres_role then changes nothing.
    const wide = await update('spec', {
      postgres_role: 'other',
      attributes: { bypassrls: true },
      membership_roles: ['DATABRICKS_SUPERUSER'],
    })
    expect(wide.status).toMatchObject({
      postgres_role: 'masked',
      attributes: { createdb: false, createrole: true, bypassrls: true },
      membership_roles: ['DATABRICKS_SUPERUSER'],
    })
    for (const path of ['postgres_role', 'auth_method', 'identity_type', 'attributes.login']) {
      expectRefusal(
        await patch(`${dev}/roles/masked?update_mask=spec.${path}`, {
          spec: { postgres_role: 'x', auth_method: 'NO_LOGIN', identity_type: 'USER' },
        }),
        invalid('Unknown field path in update_mask'),
      )
    }
    expectRefusal(
      await patch(`${dev}/roles/masked?update_mask=spec.attributes.createdb`, { spec: {} }),
      invalid(/does not hold it/),
    )
    expect((await update('', {})).status).toEqual(wide.status)
  })

  test('row 20: replace_existing replaces all of it; what is fixed at birth stays', async () => {
    const replace = (spec: object) =>
      post(`${dev}/roles?role_id=masked&replace_existing=true`, { spec })
    const replaced = await server.follow((await replace({ postgres_role: 'masked' })).body.name)
    expect(replaced.status).toEqual({
      role_id: 'masked',
      postgres_role: 'masked',
      identity_type: 'IDENTITY_TYPE_UNSPECIFIED',
      auth_method: 'PG_PASSWORD_SCRAM_SHA_256',
      attributes: { createdb: false, createrole: false, bypassrls: false },
    })
    for (const spec of [
      { postgres_role: 'other' },
      { identity_type: 'USER' },
      { auth_method: 'NO_LOGIN' },
    ]) {
      expectRefusal(await replace(spec), invalid(/cannot be changed after creation/))
    }
    // On an id that is free it creates.
    const made = await server.write('POST', `${dev}/roles?role_id=fresh&replace_existing=true`, {
      spec: { postgres_role: 'fresh' },
    })
    expect(made.role_id).toBe('fresh')
  })

  test('contract 1.5: pages, in the order of ids', async () => {
    const all = await idsOf(dev, 'roles')
    expect(all).toEqual([...all].sort())
    const seen: string[] = []
    let token = ''
    do {
      const page = await read(`${dev}/roles?page_size=2&page_token=${token}`)
      expect(page.roles.length).toBeLessThanOrEqual(2)
      seen.push(...page.roles.map((role: { role_id: string }) => role.role_id))
      token = page.next_page_token ?? ''
    } while (token !== '')
    expect(seen).toEqual(all)
    expectRefusal(await get(`${dev}/roles?page_token=x`), invalid(/page_token/))
    expectRefusal(await get(`${dev}/roles?page_size=-1`), invalid(/negative/))
    const { next_page_token: other } = await read(`${dev}/roles?page_size=1`)
    expectRefusal(await get(`${dev}/databases?page_token=${other}`), invalid(/page_token/))
  })

  test('contract 4.4: what SQL makes is there, renamed under its id, and gone when dropped', async () => {
    await server.sql(dev, 'create extension if not exists databricks_auth')
    await server.sql(dev, `select databricks_create_role('Zoe.K@example.com', 'USER')`)
    await server.sql(dev, `select databricks_create_role('team', 'GROUP')`)
    expect((await read(`${dev}/roles/zoe-k`)).status).toMatchObject({
      postgres_role: 'Zoe.K@example.com',
      identity_type: 'USER',
      auth_method: 'LAKEBASE_OAUTH_V1',
    })
    expect((await read(`${dev}/roles/team`)).status.identity_type).toBe('GROUP')
    await server.sql(dev, 'alter role team rename to crew')
    expect((await read(`${dev}/roles/team`)).status.postgres_role).toBe('crew')
    await server.sql(dev, 'drop role crew')
    expectRefusal(await get(`${dev}/roles/team`), notFound('role'))
    // By the API as well.
    await server.write('DELETE', `${dev}/roles/zoe-k`)
    expect((await server.sql(dev, `select from pg_roles where rolname like 'Zoe%'`)).rowCount).toBe(
      0,
    )
  })

  test('of creates of one id at the same time one wins; different ones are all made', async () => {
    const same = await Promise.all(
      Array.from({ length: 8 }, () =>
        post(`${dev}/roles?role_id=race`, { spec: { postgres_role: 'race' } }),
      ),
    )
    const won = same.filter(({ status }) => status === 200)
    expect(won).toHaveLength(1)
    for (const reply of same) if (reply.status !== 200) expectRefusal(reply, taken('role'))
    await server.follow(won[0]?.body.name)
    const ids = Array.from({ length: 12 }, (_, n) => `many-${n}`)
    await Promise.all(ids.map((id) => createRole(dev, id)))
    expect(await idsOf(dev, 'roles')).toEqual(expect.arrayContaining(ids))
    // Deleted and made again at once: in the order in which they were accepted.
    const [first, second] = [
      await remove(`${dev}/roles/many-0`),
      await post(`${dev}/roles?role_id=many-0`, { spec: { postgres_role: 'again' } }),
    ]
    await server.follow(first.body.name)
    expect((await server.follow(second.body.name)).status.postgres_role).toBe('again')
    await Promise.all(ids.map((id) => server.write('DELETE', `${dev}/roles/${id}`)))
  }, 60_000)

  test('contract 3.8: the limit of roles, a setting', async () => {
    const missing = limit - (await idsOf(dev, 'roles')).length
    await server.sql(
      dev,
      Array.from({ length: missing }, (_, n) => `create role filler_${n}`).join(';'),
    )
    expectRefusal(await post(`${dev}/roles?role_id=one-more`, { spec: { postgres_role: 'one' } }), {
      status: 400,
      code: 'QUOTA_EXCEEDED',
      message: /limit of 40 is reached.*--max-roles-per-branch/,
    })
    await server.sql(
      dev,
      Array.from({ length: missing }, (_, n) => `drop role filler_${n}`).join(';'),
    )
  })

  test('contract 4.3: a password that is shown once opens, while native login is on', async () => {
    await createRole(dev, 'with-password', { postgres_role: 'with password' })
    expect(JSON.stringify(await read(`${dev}/roles/with-password`))).not.toMatch(/SCRAM-SHA-256\$/)
    const { body, headers } = await post(`${dev}/roles/with-password/renew-password`)
    expect(body).toEqual({
      postgres_role: 'with password',
      password: expect.stringMatching(/^\S{32}$/),
    })
    expect(headers.get('cache-control')).toBe('no-store')
    const logIn = (credential: string) => server.connect(dev, { user: 'with password', credential })
    await expect(logIn(body.password)).rejects.toThrow('native postgres login is disabled')
    await server.write('PATCH', `${store}?update_mask=spec.enable_pg_native_login`, {
      spec: { enable_pg_native_login: true },
    })
    const client = await logIn(body.password)
    expect((await client.query('select current_user::text as me')).rows).toEqual([
      { me: 'with password' },
    ])
    const ended = new Promise((resolve) => client.on('error', resolve))
    await expect(logIn('wrong')).rejects.toThrow('password authentication failed')
    await server.sql(dev, `alter role "with password" password 'chosen'`)
    await (await logIn('chosen')).end()
    expect(server.log).not.toContain(body.password)
    expectRefusal(await post(`${dev}/roles/${ownerId}/renew-password`), {
      status: 400,
      code: 'BAD_REQUEST',
      message: /does not log in by password/,
    })
    await server.write('DELETE', `${dev}/roles/with-password`)
    await ended
    await server.write('PATCH', `${store}?update_mask=spec.enable_pg_native_login`, {
      spec: { enable_pg_native_login: false },
    })
  })

  test('contract 4.5: a role that owns something is deleted with an heir only', async () => {
    await createRole(dev, 'leaving')
    await createDatabase(dev, 'left', { role: `${dev}/roles/leaving` })
    await createRole(dev, 'heir')
    await server.sql(dev, 'create schema theirs authorization leaving')
    const refusal = await remove(`${dev}/roles/leaving`)
    expectRefusal(refusal, {
      status: 400,
      code: 'BAD_REQUEST',
      message:
        "cannot delete role 'leaving': it owns the database left, 1 object in the database databricks_postgres. Name a role in reassign_owned_to that owns all of it from then on.",
    })
    expectRefusal(await remove(`${dev}/roles/leaving?reassign_owned_to=${dev}/roles/nobody`), {
      status: 404,
      code: 'NOT_FOUND',
      message: /^role not found; role_id:"nobody" \[TraceId: /,
    })
    expectRefusal(
      await remove(`${dev}/roles/leaving?reassign_owned_to=${production}/roles/${ownerId}`),
      invalid(/must name a role of the same branch/),
    )
    expectRefusal(
      await remove(`${dev}/roles/leaving?reassign_owned_to=leaving`),
      invalid(/names the role that is to be deleted/),
    )
    const started = await remove(`${dev}/roles/leaving?reassign_owned_to=${dev}/roles/heir`)
    expect(await server.follow(started.body.name)).toEqual(empty)
    expect((await read(`${dev}/databases/left`)).status.role).toBe(`${dev}/roles/heir`)
    expect(
      (
        await server.sql(
          dev,
          `select nspowner::regrole::text as o from pg_namespace where nspname = 'theirs'`,
        )
      ).rows,
    ).toEqual([{ o: 'heir' }])
    // The heir is a manager: from then on it is everybody's.
    await server.write('DELETE', `${dev}/roles/heir?reassign_owned_to=${ownerId}`)
    expect((await read(`${dev}/databases/left`)).status.role).toBe(`${dev}/roles/${ownerId}`)
    await server.sql(dev, 'drop schema theirs')
    await server.write('DELETE', `${dev}/databases/left`)
  })

  test('contract 7.4: the owner role goes with its branch', async () => {
    const refusal = await remove(`${dev}/roles/${ownerId}`)
    expectRefusal(refusal, {
      status: 400,
      code: 'BAD_REQUEST',
      message: new RegExp(
        `^cannot delete owner role '${ownerId}' of the branch: it owns the database`,
      ),
    })
    expect(refusal.body.details).toContainEqual(managedByParent)
  })
})

describe('databases', () => {
  let dev: string
  beforeAll(async () => {
    dev = await branch('databases')
    await createRole(dev, 'app')
  })

  test('row 7: a database says its id, its name in Postgres and the full name of its owner', async () => {
    const started = await post(`${dev}/databases?database_id=my-database`, {
      spec: { postgres_database: 'app_db', role: `${dev}/roles/app` },
    })
    const name = expectOperation(started, `${dev}/databases/my-database`, 'Database')
    const database = await server.follow(name)
    expect(database).toEqual({
      name: `${dev}/databases/my-database`,
      database_id: 'my-database',
      parent: dev,
      create_time: expect.stringMatching(timestamp),
      update_time: expect.stringMatching(timestamp),
      status: {
        database_id: 'my-database',
        postgres_database: 'app_db',
        role: `${dev}/roles/app`,
      },
    })
    expect(await read(`${dev}/databases/my-database`)).toEqual(database)
    expect(await idsOf(dev, 'databases')).toEqual(['databricks-postgres', 'my-database'])
  })

  test('row 8: a bad id is refused with the pattern', async () => {
    expectRefusal(
      await post(`${dev}/databases?database_id=Invalid_DB_ID`, {}),
      invalid(
        "Field database_id must match pattern ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$, got 'Invalid_DB_ID'.",
      ),
    )
  })

  test('rows 9, 12: an owner that is not there, and none', async () => {
    const create = (spec: object) =>
      post(`${dev}/databases?database_id=refused`, {
        spec: { postgres_database: 'refused', ...spec },
      })
    expectRefusal(await create({ role: `${dev}/roles/does-not-exist` }), {
      status: 404,
      code: 'NOT_FOUND',
      message: /^role not found; role_id:"does-not-exist" \[TraceId: [0-9a-f]{32}\]$/,
    })
    for (const spec of [{}, { role: '' }, { role: null }]) {
      expectRefusal(
        await create(spec),
        invalid(`Field 'database.spec.role' is required, expected non-default value (not "")!`),
      )
    }
    expectRefusal(
      await create({ role: `${production}/roles/${ownerId}` }),
      invalid(/must name a role of the same branch/),
    )
    expectRefusal(
      await post(`${dev}/databases`, { spec: { role: `${dev}/roles/app` } }),
      invalid(/^Field 'database.spec.postgres_database' is required/),
    )
    for (const name of ['postgres', 'template1', 'x'.repeat(64), 'a\u0007b']) {
      expectRefusal(
        await create({ postgres_database: name, role: 'app' }),
        invalid(/^Field 'spec.postgres_database' is not valid/),
      )
    }
    expectRefusal(await get(`${dev}/databases/absent`), notFound('database'))
    expectRefusal(await patch(`${dev}/databases/absent`, {}), notFound('database'))
    expectRefusal(await remove(`${dev}/databases/absent`), notFound('database'))
    expectRefusal(await get('projects/absent/branches/b/databases'), notFound('project'))
  })

  test('row 11: a taken id, and a taken name', async () => {
    const spec = { postgres_database: 'app_db', role: `${dev}/roles/app` }
    expectRefusal(
      await post(`${dev}/databases?database_id=my-database`, { spec }),
      taken('database'),
    )
    expectRefusal(await post(`${dev}/databases?database_id=another`, { spec }), taken('database'))
  })

  test('replace_existing keeps the owner that is left out', async () => {
    const replace = (spec: object) =>
      server.write('POST', `${dev}/databases?database_id=my-database&replace_existing=true`, {
        spec,
      })
    expect((await replace({ postgres_database: 'app_db' })).status.role).toBe(`${dev}/roles/app`)
    expect((await replace({ role: `${dev}/roles/${ownerId}` })).status).toMatchObject({
      postgres_database: 'app_db',
      role: `${dev}/roles/${ownerId}`,
    })
    const adopted = await server.write(
      'POST',
      `${dev}/databases?database_id=databricks-postgres&replace_existing=true`,
      { spec: { postgres_database: 'databricks_postgres' } },
    )
    expect(adopted.status.role).toBe(`${dev}/roles/${ownerId}`)
  })

  test('an update renames, with sessions connected, and gives it to another owner', async () => {
    const update = (mask: string, spec: object) =>
      server.write('PATCH', `${dev}/databases/my-database?update_mask=${mask}`, { spec })
    const idle = await server.connect(dev, { database: 'app_db' })
    const ended = new Promise((resolve) => idle.on('error', resolve))
    const renamed = await update('spec.postgres_database', {
      postgres_database: `New "Name" é`,
      role: `${dev}/roles/app`,
    })
    await ended
    expect(renamed.status).toMatchObject({
      database_id: 'my-database',
      postgres_database: `New "Name" é`,
      role: `${dev}/roles/${ownerId}`,
    })
    const client = await server.connect(dev, { database: `New "Name" é` })
    await client.query('create table mine (n int)')
    await client.end()
    expect((await update('spec.role', { role: `${dev}/roles/app` })).status.role).toBe(
      `${dev}/roles/app`,
    )
    expect((await update('spec', { postgres_database: 'app_db' })).status).toMatchObject({
      postgres_database: 'app_db',
      role: `${dev}/roles/app`,
    })
    expectRefusal(
      await patch(`${dev}/databases/my-database?update_mask=spec.postgres_database`, {
        spec: { postgres_database: 'databricks_postgres' },
      }),
      taken('database'),
    )
    expectRefusal(
      await patch(`${dev}/databases/my-database?update_mask=spec.role`, {
        spec: { role: 'nobody' },
      }),
      { status: 404, code: 'NOT_FOUND', message: /^role not found/ },
    )
    expectRefusal(
      await patch(`${dev}/databases/my-database?update_mask=spec.owner`, { spec: {} }),
      invalid('Unknown field path in update_mask'),
    )
  })

  test('shared ownership holds in it: another manager changes what one made, on a fork too', async () => {
    const token = await server.identity('second@example.com', 'CAN_MANAGE')
    await createDatabase(dev, 'shared')
    await server.sql(dev, 'create database "by sql"')
    for (const database of ['shared', 'by sql', 'app_db']) {
      const one = await server.connect(dev, { database })
      await one.query('create table t (n int)')
      await one.end()
      const two = await server.connect(dev, { database, token })
      await two.query('alter table t add m int; drop table t; create table u (n int)')
      await two.end()
    }
    await server.write('POST', `${store}/branches?branch_id=fork`, {
      spec: { ttl: '1h', source_branch: dev },
    })
    const fork = `${store}/branches/fork`
    expect(await idsOf(fork, 'databases')).toEqual(await idsOf(dev, 'databases'))
    const three = await server.connect(fork, { database: 'shared' })
    await three.query('drop table u')
    await three.end()
    expect((await read(`${fork}/databases/by-sql`)).status).toMatchObject({
      postgres_database: 'by sql',
      role: `${fork}/roles/${ownerId}`,
    })
    await server.write('DELETE', fork)
  }, 60_000)

  test('a delete ends its sessions', async () => {
    const idle = await server.connect(dev, { database: 'shared' })
    const ended = new Promise((resolve) => idle.on('error', resolve))
    expect(await server.write('DELETE', `${dev}/databases/shared`)).toEqual(empty)
    await ended
    expectRefusal(await get(`${dev}/databases/shared`), notFound('database'))
    await expect(server.connect(dev, { database: 'shared' })).rejects.toThrow('does not exist')
  })

  test('what fails later fails in the operation, and holds nothing up', async () => {
    const client = await server.connect(dev, { database: 'by sql' })
    await client.query('create table p (n int)')
    // The role is dropped by SQL between the answer and the work: the queue is held by a slow one.
    await createRole(dev, 'vanishing')
    const queued = Array.from({ length: 3 }, (_, n) =>
      post(`${dev}/databases?database_id=slow-${n}`, {
        spec: { postgres_database: `slow_${n}`, role: `${dev}/roles/${ownerId}` },
      }),
    )
    const doomed = await post(`${dev}/databases?database_id=doomed`, {
      spec: { postgres_database: 'doomed', role: `${dev}/roles/vanishing` },
    })
    await client.query('drop role vanishing')
    await client.end()
    const error = await failure(doomed)
    expect(error).toMatchObject({
      error_code: 'NOT_FOUND',
      message: 'role not found; role_id:"vanishing"',
    })
    for (const reply of await Promise.all(queued)) await server.follow(reply.body.name)
    expect(await idsOf(dev, 'databases')).not.toContain('doomed')
    expect(
      (await server.sql(dev, `select from pg_database where datname ~ 'draft|doomed'`)).rowCount,
    ).toBe(0)
    await createDatabase(dev, 'doomed')
  }, 60_000)

  test('contract 3.8: the limit of databases, a setting', async () => {
    const have = (await idsOf(dev, 'databases')).length
    await Promise.all(
      Array.from({ length: 12 - have }, (_, n) => createDatabase(dev, `filler-${n}`)),
    )
    expectRefusal(
      await post(`${dev}/databases`, { spec: { postgres_database: 'more', role: ownerId } }),
      { status: 400, code: 'QUOTA_EXCEEDED', message: /limit of 12 is reached/ },
    )
  }, 60_000)
})

describe('who may', () => {
  const as = (token: string) => ({
    call: (method: string, name: string, body?: unknown) =>
      server.api(method, `${api}/${name}`, body, { token }),
    write: (method: string, name: string, body?: unknown) =>
      server.write(method, name, body, token),
  })

  test('contract 4.6: CAN_USE makes roles and databases, but gives nobody rights', async () => {
    const dev = await branch('used')
    const user = as(await server.identity('user@example.com', 'CAN_USE'))
    const stranger = as(await server.identity('stranger@example.com', undefined))
    const role = await user.write('POST', `${dev}/roles?role_id=user`, {
      spec: { postgres_role: 'user@example.com', identity_type: 'USER' },
    })
    expect(role.status.identity_type).toBe('USER')
    await user.write('POST', `${dev}/databases?database_id=own`, {
      spec: { postgres_database: 'own', role: role.name },
    })
    const refused = async (method: string, name: string, body?: unknown) =>
      expectRefusal(await user.call(method, name, body), {
        status: 403,
        code: 'PERMISSION_DENIED',
        message: /^user@example.com may not .*CAN_MANAGE/,
      })
    for (const spec of [
      { membership_roles: ['DATABRICKS_SUPERUSER'] },
      { attributes: { bypassrls: true } },
      { attributes: { createrole: true } },
    ]) {
      await refused('POST', `${dev}/roles`, { spec: { postgres_role: 'strong', ...spec } })
      await refused('PATCH', `${dev}/roles/user?update_mask=spec`, { spec })
    }
    await refused('DELETE', `${dev}/roles/${ownerId}`)
    await refused('POST', `${dev}/roles/${ownerId}/renew-password`)
    await refused('DELETE', `${dev}/databases/databricks-postgres`)
    await refused('PATCH', `${dev}/databases/databricks-postgres`, { spec: { role: 'user' } })
    for (const name of [`${dev}/roles`, `${dev}/databases/own`]) {
      expectRefusal(await stranger.call('GET', name), notFound('project'))
    }
    // What one made is one's own to delete.
    await user.write('DELETE', `${dev}/databases/own`)
    await user.write('DELETE', `${dev}/roles/user`)
  })

  test('what was given to an identity stays when it logs in, though it is no manager', async () => {
    const dev = await branch('given')
    const token = await server.identity('given@example.com', 'CAN_USE')
    await createRole(dev, 'given', {
      postgres_role: 'given@example.com',
      identity_type: 'USER',
      attributes: { createdb: true },
      membership_roles: ['DATABRICKS_SUPERUSER'],
    })
    await server.sql(dev, 'create table secret (n int); insert into secret values (7)')
    const client = await server.connect(dev, { token })
    expect((await client.query('select n from secret')).rows).toEqual([{ n: 7 }])
    await client.query('create database "of given"')
    await client.end()
    expect((await read(`${dev}/roles/given`)).status).toMatchObject({
      membership_roles: ['DATABRICKS_SUPERUSER'],
      attributes: { createdb: true, createrole: false, bypassrls: false },
    })
    expect((await read(`${dev}/databases/of-given`)).status.role).toBe(`${dev}/roles/given`)
  })
})

test('a list wakes a compute that sleeps', async () => {
  const dev = await branch('asleep')
  await createRole(dev, 'app')
  const endpoint = `${dev}/endpoints/primary`
  await server.write('PATCH', `${endpoint}?update_mask=spec.disabled`, { spec: { disabled: true } })
  expectRefusal(await get(`${dev}/roles`), {
    status: 400,
    code: 'INVALID_STATE',
    message: /endpoint is disabled/,
  })
  await server.write('PATCH', `${endpoint}?update_mask=spec.disabled`, {
    spec: { disabled: false },
  })
  expect((await read(endpoint)).status.current_state).toBe('IDLE')
  expect(await idsOf(dev, 'roles')).toContain('app')
  expect((await read(endpoint)).status.current_state).toBe('ACTIVE')
})

test('operations on one branch are polled below their resource, also when it is gone', async () => {
  const dev = await branch('polled')
  const made = await post(`${dev}/roles?role_id=short`, { spec: { postgres_role: 'short' } })
  await server.follow(made.body.name)
  const deleted = await remove(`${dev}/roles/short`)
  const name = expectOperation(deleted, `${dev}/roles/short`, 'Role')
  expect(await server.follow(name)).toEqual(empty)
  expect((await read(name)).response).toEqual(empty)
  expectRefusal(await get(name.replace('/roles/short', '/roles/other')), notFound('operation'))
})

test('a client library of Postgres sees no trace of ours in the catalogs that it lists', async () => {
  const client: pg.Client = await server.connect(production)
  const { rows } = await client.query('select * from pg_seclabels')
  await client.end()
  expect(rows).toEqual([])
})
