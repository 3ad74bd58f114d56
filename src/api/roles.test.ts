/** What reaches the actions of requests on roles and databases. */
import { describe, expect, test } from 'vitest'
import { recordedApi } from './recording-actions.fixture.ts'

const branch = '/api/2.0/postgres/projects/app/branches/dev'
const path = { project: 'app', branch: 'dev' }

describe('roles', () => {
  test('every field of a create', async () => {
    const { inputsOf } = recordedApi()
    const body = {
      spec: {
        postgres_role: 'jane@x',
        identity_type: 'USER',
        auth_method: 'LAKEBASE_OAUTH_V1',
        membership_roles: ['DATABRICKS_SUPERUSER'],
        attributes: { createdb: true, bypassrls: false },
      },
      name: 'ignored',
      parent: 'ignored',
    }
    expect(
      await inputsOf('POST', `${branch}/roles?role_id=jane&replace_existing=true`, body),
    ).toEqual([
      {
        branch: path,
        roleId: 'jane',
        spec: {
          postgresRole: 'jane@x',
          identityType: 'USER',
          authMethod: 'LAKEBASE_OAUTH_V1',
          isSuperuserMember: true,
          attributes: { createdb: true, bypassrls: false },
        },
        replaceExisting: true,
      },
    ])
    expect(await inputsOf('POST', `${branch}/roles`, {})).toEqual([
      { branch: path, roleId: undefined, spec: {}, replaceExisting: false },
    ])
    expect(
      await inputsOf('POST', `${branch}/roles?role_id=`, {
        spec: { auth_method: 'AUTH_METHOD_UNSPECIFIED' },
      }),
    ).toEqual([{ branch: path, roleId: undefined, spec: {}, replaceExisting: false }])
  })

  test('a mask takes the leaves that it names', async () => {
    const { inputsOf } = recordedApi()
    const body = {
      spec: { attributes: { createdb: false, createrole: true }, membership_roles: [] },
    }
    const one = { ...path, role: 'x' }
    const update = (mask: string) =>
      inputsOf('PATCH', `${branch}/roles/x?update_mask=${mask}`, body)
    expect(await update('spec.attributes.createdb')).toEqual([
      one,
      { attributes: { createdb: false } },
    ])
    expect(await update('spec.attributes')).toEqual([
      one,
      { attributes: { createdb: false, createrole: true } },
    ])
    expect(await update('spec.membership_roles')).toEqual([one, { isSuperuserMember: false }])
    expect(await update('spec')).toEqual([
      one,
      { attributes: { createdb: false, createrole: true }, isSuperuserMember: false },
    ])
  })

  test.each(['postgres_role', 'auth_method', 'identity_type', 'attributes.superuser'])(
    'spec.%s is no path of the mask',
    async (field) => {
      const { refusalOf } = recordedApi()
      expect(
        await refusalOf('PATCH', `${branch}/roles/x?update_mask=spec.${field}`, { spec: {} }),
      ).toMatchObject({
        code: 'INVALID_PARAMETER_VALUE',
        message: 'Unknown field path in update_mask',
      })
    },
  )

  test('a delete names the heir, and a password is shown as text', async () => {
    const { inputsOf, send } = recordedApi()
    const { json } = await send('POST', `${branch}/roles/x/renew-password`, {})
    expect(json).toEqual({ postgres_role: 'app', password: 'shown once' })
    const heir = 'projects/app/branches/dev/roles/heir'
    expect(await inputsOf('DELETE', `${branch}/roles/x?reassign_owned_to=${heir}`)).toEqual([
      { ...path, role: 'x' },
      { reassignOwnedTo: heir },
    ])
    expect(await inputsOf('DELETE', `${branch}/roles/x`)).toEqual([
      { ...path, role: 'x' },
      { reassignOwnedTo: undefined },
    ])
  })
})

describe('databases', () => {
  test('every field of a create, and of an update', async () => {
    const { inputsOf } = recordedApi()
    const spec = { postgres_database: 'app_db', role: 'projects/app/branches/dev/roles/jane' }
    const read = { postgresDatabase: 'app_db', role: spec.role }
    expect(await inputsOf('POST', `${branch}/databases?database_id=d`, { spec })).toEqual([
      { branch: path, databaseId: 'd', spec: read, replaceExisting: false },
    ])
    expect(await inputsOf('POST', `${branch}/databases`, { database: { spec } })).toEqual([
      { branch: path, databaseId: undefined, spec: read, replaceExisting: false },
    ])
    const one = { ...path, database: 'd' }
    expect(
      await inputsOf('PATCH', `${branch}/databases/d?update_mask=spec.role`, { spec }),
    ).toEqual([one, { role: spec.role }])
    expect(await inputsOf('PATCH', `${branch}/databases/d`, { spec })).toEqual([one, read])
    expect(await inputsOf('DELETE', `${branch}/databases/d`)).toEqual([one])
  })
})

test.each([
  ['roles', 'role'],
  ['databases', 'database'],
])('an id of %s is refused with its pattern, exactly', async (plural, kind) => {
  const { refusalOf } = recordedApi()
  for (const id of ['Bad', '-x', 'x-', 'a_b', 'x'.repeat(64)]) {
    const message = `Field ${kind}_id must match pattern ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$, got '${id}'.`
    for (const [method, path] of [
      ['POST', `${plural}?${kind}_id=${id}`],
      ['GET', `${plural}/${id}`],
    ] as const) {
      expect(
        await refusalOf(method, `${branch}/${path}`, method === 'POST' ? {} : undefined),
      ).toEqual({
        status: 400,
        code: 'INVALID_PARAMETER_VALUE',
        message,
      })
    }
  }
})
