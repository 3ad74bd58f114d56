import { describe, expect, test } from 'vitest'
import { owner, recordedApi, robot, workspaceId } from './recording-actions.fixture.ts'

const scim = '/api/2.0/preview/scim/v2'
const { inputsOf, refusalOf, send } = recordedApi()

describe('who am I', () => {
  test('answers with the identity and the workspace', async () => {
    const { json, headers } = await send('GET', `${scim}/Me?excludedAttributes=entitlements`)
    expect(json).toMatchObject({
      schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
      id: owner.uid,
      userName: 'jane.doe@example.com',
      displayName: 'Jane Doe',
      active: true,
      emails: [{ value: 'jane.doe@example.com', primary: true, type: 'work' }],
      groups: [{ display: 'admins' }],
    })
    expect(headers.get('x-databricks-org-id')).toBe(workspaceId)
  })

  test('names a service principal by its application id', async () => {
    const { send } = recordedApi({ authenticate: () => robot })
    const { json } = await send('GET', `${scim}/Me`)
    expect(json).toMatchObject({ userName: robot.loginName, groups: [] })
    expect(json).not.toHaveProperty('emails')
  })
})

describe('users and service principals', () => {
  test('a user is made by its e-mail address', async () => {
    const body = { schemas: ['x'], userName: 'joe@example.com', name: { givenName: 'Joe' } }
    expect(await inputsOf('POST', `${scim}/Users`, body)).toEqual([
      { kind: 'USER', loginName: 'joe@example.com', displayName: 'joe@example.com' },
    ])
    expect((await send('POST', `${scim}/Users`, body)).status).toBe(201)
  })

  test('a service principal gets an application id, or brings one', async () => {
    const [made] = await inputsOf('POST', `${scim}/ServicePrincipals`, { displayName: 'ci' })
    expect(made).toMatchObject({
      kind: 'SERVICE_PRINCIPAL',
      displayName: 'ci',
      loginName: expect.stringMatching(/^[0-9a-f]{8}-[0-9a-f-]{27}$/),
    })
    const applicationId = '0B7C1F6E-1111-4222-8333-444455556666'
    expect(await inputsOf('POST', `${scim}/ServicePrincipals`, { applicationId })).toMatchObject([
      { loginName: applicationId.toLowerCase() },
    ])
  })

  test.each([
    ['Users', {}, 'userName'],
    ['Users', { userName: 'joe' }, 'e-mail'],
    ['Users', { userName: 'joe @example.com' }, 'e-mail'],
    ['Users', { userName: `${'x'.repeat(60)}@example.com` }, '63 bytes'],
    ['Users', { userName: 'joe@example.com', active: false }, 'active'],
    ['ServicePrincipals', { applicationId: 'x' }, 'UUID'],
    ['ServicePrincipals', { displayName: 7 }, 'displayName'],
  ])('%s refuse %j', async (collection, body, said) => {
    expect((await refusalOf('POST', `${scim}/${collection}`, body)).message).toContain(said)
  })

  test('are listed in pages, by the filters that clients use', async () => {
    const everyone = await send('GET', `${scim}/Users`)
    expect(everyone.json).toMatchObject({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
      totalResults: 1,
      startIndex: 1,
      itemsPerPage: 1,
      Resources: [{ userName: owner.loginName }],
    })
    const found = async (path: string) =>
      ((await send('GET', scim + path)).json as { Resources: unknown[] }).Resources.length
    expect(await found('/Users?filter=userName eq "JANE.doe@example.com"')).toBe(1)
    expect(await found('/Users?filter=username EQ "nobody@example.com"')).toBe(0)
    expect(await found(`/ServicePrincipals?filter=applicationId eq "${robot.loginName}"`)).toBe(1)
    expect(await found('/Users?startIndex=2&count=100')).toBe(0)
    expect(await found('/Users?startIndex=1&count=0')).toBe(0)
  })

  test.each([
    '/Users?filter=displayName eq "x"',
    '/Users?filter=applicationId eq "x"',
    '/Users?filter=userName co "x"',
    '/Users?filter=userName eq "x" or userName eq "y"',
    '/Users?filter=userName eq x',
    '/Users?startIndex=-1',
    '/Users?count=x',
  ])('%s is refused', async (path) => {
    expect(await refusalOf('GET', scim + path)).toMatchObject({
      status: 400,
      code: 'INVALID_PARAMETER_VALUE',
    })
  })

  test('are read and deleted by id, each under its own kind', async () => {
    expect((await send('GET', `${scim}/Users/${owner.uid}`)).json).toMatchObject({ id: owner.uid })
    expect((await send('GET', `${scim}/ServicePrincipals/${owner.uid}`)).status).toBe(404)

    const { send: sendOther, calls } = recordedApi()
    const deleted = await sendOther('DELETE', `${scim}/Users/${owner.uid}`)
    expect([deleted.status, deleted.text]).toEqual([204, ''])
    expect(calls.map(({ verb }) => verb)).toEqual(['getIdentity', 'deleteIdentity'])
    calls.length = 0
    expect((await sendOther('DELETE', `${scim}/ServicePrincipals/${owner.uid}`)).status).toBe(404)
    expect(calls.map(({ verb }) => verb)).toEqual(['getIdentity'])
  })
})
