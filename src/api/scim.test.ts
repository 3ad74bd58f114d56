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
      groups: [{ display: 'admins', type: 'direct' }, { display: 'users' }],
    })
    expect(headers.get('x-databricks-org-id')).toBe(workspaceId)
  })

  test('names a service principal by its application id', async () => {
    const { send } = recordedApi({ authenticate: () => robot })
    const { json } = await send('GET', `${scim}/Me`)
    expect(json).toMatchObject({ userName: robot.loginName, groups: [{ display: 'users' }] })
    expect(json).not.toHaveProperty('emails')
  })
})

describe('users and service principals', () => {
  test('a user is made by its e-mail address', async () => {
    const body = { schemas: ['x'], userName: 'joe@example.com', name: { givenName: 'Joe' } }
    expect(await inputsOf('POST', `${scim}/Users`, body)).toEqual([
      {
        kind: 'USER',
        loginName: 'joe@example.com',
        displayName: 'joe@example.com',
        profile: { givenName: 'Joe' },
      },
    ])
    expect((await send('POST', `${scim}/Users`, body)).status).toBe(201)
  })

  test('what clients keep with it is kept', async () => {
    const [made] = await inputsOf('POST', `${scim}/Users`, {
      userName: 'joe@example.com',
      displayName: 'Joe',
      active: false,
      externalId: 'okta-1',
      entitlements: [{ value: 'workspace-access' }, { value: '' }, {}],
      roles: [{ value: 'r' }],
      groups: [{ value: '300', display: 'team' }],
      emails: [{ value: 'other@example.com' }],
    })
    expect(made).toEqual({
      kind: 'USER',
      loginName: 'joe@example.com',
      displayName: 'Joe',
      isActive: false,
      groups: ['300'],
      profile: { externalId: 'okta-1', entitlements: ['workspace-access'], roles: ['r'] },
    })
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

  const long = 'x'.repeat(10_000)
  test.each([
    ['Users', {}, 'userName'],
    ['Users', { userName: null }, 'userName'],
    ['Users', { userName: '' }, 'userName'],
    ['Users', { userName: 7 }, 'userName'],
    ['Users', { userName: 'joe' }, 'e-mail'],
    ['Users', { userName: 'joe @example.com' }, 'e-mail'],
    ['Users', { userName: 'jo"e@example.com' }, 'e-mail'],
    ['Users', { userName: 'joe@example.com', displayName: long }, 'displayName'],
    ['Users', { userName: 'joe@example.com', displayName: '' }, 'displayName'],
    ['Users', { userName: 'joe@example.com', active: 'yes' }, 'active'],
    ['Users', { userName: 'joe@example.com', name: 'Joe' }, 'name'],
    ['Users', { userName: 'joe@example.com', name: { givenName: long } }, 'name.givenName'],
    ['Users', { userName: 'joe@example.com', externalId: 7 }, 'externalId'],
    ['Users', { userName: 'joe@example.com', entitlements: 'all' }, 'entitlements'],
    ['Users', { userName: 'joe@example.com', entitlements: [{ value: 7 }] }, 'entitlements'],
    ['Users', { userName: 'joe@example.com', groups: [{ value: long }] }, 'groups'],
    ['ServicePrincipals', { applicationId: 'x' }, 'UUID'],
    ['ServicePrincipals', { applicationId: long }, 'UUID'],
    ['ServicePrincipals', { applicationId: '../../etc' }, 'UUID'],
    ['ServicePrincipals', { displayName: 7 }, 'displayName'],
    ['Groups', {}, 'displayName'],
    ['Groups', { displayName: '' }, 'displayName'],
    ['Groups', { displayName: ['a'] }, 'displayName'],
    ['Groups', { displayName: 'a', members: 'all' }, 'members'],
    ['Groups', { displayName: 'a', members: [{ value: { $ne: 1 } }] }, 'members'],
  ])('%s refuse %j', async (collection, body, saying) => {
    const refusal = await refusalOf('POST', `${scim}/${collection}`, body)
    expect(refusal).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    expect(refusal.message).toContain(saying)
  })

  test('are listed in pages, by the filters that clients use', async () => {
    const everyone = await send('GET', `${scim}/Users`)
    expect(everyone.json).toMatchObject({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:ListResponse'],
      totalResults: 1,
      startIndex: 1,
      itemsPerPage: 1,
      Resources: [{ userName: owner.loginName, groups: [{ display: 'admins' }, {}] }],
    })
    const found = async (path: string) =>
      ((await send('GET', scim + path)).json as { Resources: unknown[] }).Resources.length
    expect(await found('/Users?filter=userName eq "JANE.doe@example.com"')).toBe(1)
    expect(await found('/Users?filter=username EQ "nobody@example.com"')).toBe(0)
    expect(await found('/Users?filter=displayName co "doe" and active eq true')).toBe(1)
    expect(await found(`/ServicePrincipals?filter=applicationId eq "${robot.loginName}"`)).toBe(1)
    expect(await found('/ServicePrincipals?filter=id eq "200"&sortBy=x&sortOrder=y')).toBe(1)
    expect(await found('/Groups?filter=displayName eq "team"&attributes=id,members')).toBe(1)
    expect(await found('/Users?startIndex=2&count=100')).toBe(0)
    expect(await found('/Users?startIndex=1&count=0')).toBe(0)
    expect(await found('/Users?startIndex=0')).toBe(1)
    expect(await found('/Users?filter=')).toBe(1)
  })

  test.each([
    '/Users?filter=password eq "x"',
    '/Users?filter=userName eq x',
    `/Users?filter=userName eq "x'; drop table identities; --`,
    `/Users?filter=${'x'.repeat(10_000)}`,
    '/Users?startIndex=first',
    '/Users?count=x',
    '/Groups?filter=displayName eq "a" or 1=1',
  ])('%s is refused', async (path) => {
    expect(await refusalOf('GET', scim + path)).toMatchObject({
      status: 400,
      code: 'INVALID_PARAMETER_VALUE',
    })
  })

  test('refusals are read by clients of SCIM and of the service alike', async () => {
    const { json } = await send('GET', `${scim}/Users?filter=userName eq x`)
    expect(json).toMatchObject({
      schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
      status: '400',
      scimType: 'invalidFilter',
      detail: expect.stringContaining('filter'),
      error_code: 'INVALID_PARAMETER_VALUE',
      message: expect.stringContaining('filter'),
    })
    const absent = (await send('GET', `${scim}/Users/999`)).json
    expect(absent).toMatchObject({ status: '404', error_code: 'NOT_FOUND' })
    expect(absent).not.toHaveProperty('detail') // the Python SDK would print "None" before it
  })

  test('only what is asked for is shown', async () => {
    const shown = async (query: string) =>
      Object.keys((await send('GET', `${scim}/Users/100${query}`)).json as object).sort()
    expect(await shown('?attributes=userName,groups.value')).toEqual([
      'groups',
      'id',
      'schemas',
      'userName',
    ])
    expect(await shown('?excludedAttributes=groups,emails,name,entitlements')).toEqual([
      'active',
      'displayName',
      'id',
      'schemas',
      'userName',
    ])
  })

  test('are read and deleted by id, each under its own kind', async () => {
    expect((await send('GET', `${scim}/Users/${owner.uid}`)).json).toMatchObject({ id: owner.uid })
    expect((await send('GET', `${scim}/ServicePrincipals/${owner.uid}`)).status).toBe(404)
    const deleted = await send('DELETE', `${scim}/Users/${owner.uid}`)
    expect([deleted.status, deleted.text]).toEqual([204, ''])
    const path = `${scim}/ServicePrincipals/${owner.uid}`
    expect(await inputsOf('DELETE', path)).toEqual(['SERVICE_PRINCIPAL', owner.uid])
  })

  const changesOf = async (method: string, path: string, body: unknown) => {
    const { calls, send } = recordedApi()
    const answer = await send(method, scim + path, body)
    if (answer.status !== 200) throw new Error(answer.text)
    return calls.at(-1)?.input.at(-1)
  }
  const patch = (path: string, ...Operations: unknown[]) =>
    changesOf('PATCH', path, { schemas: ['x'], Operations })

  test('are changed by PUT and PATCH, and only where they differ', async () => {
    const userName = owner.loginName
    const put = (body: object) => changesOf('PUT', '/Users/100', { userName, ...body })
    expect(await put({ active: false, displayName: owner.displayName })).toEqual({
      isActive: false,
      profile: {},
    })
    expect(await put({ userName: userName.toUpperCase() })).toEqual({ profile: {} })
    const replace = { op: 'Replace', path: 'active', value: false }
    expect(await patch('/Users/100', replace)).toMatchObject({ isActive: false })
    const rename = { op: 'replace', value: { displayName: 'JD', 'name.familyName': 'Doe' } }
    expect(await patch('/Users/100', rename)).toEqual({
      displayName: 'JD',
      profile: { givenName: 'Jane Doe', familyName: 'Doe' },
    })
    const entitle = { op: 'add', path: 'entitlements', value: [{ value: 'workspace-access' }] }
    expect(await patch('/ServicePrincipals/200', entitle)).toEqual({
      profile: { entitlements: ['workspace-access'] },
    })
  })

  test('groups are told who comes and who goes', async () => {
    const add = { op: 'add', path: 'members', value: [{ value: '400' }, { value: '100' }] }
    expect(await patch('/Groups/300', add)).toEqual({ profile: {}, add: ['400'], remove: [] })
    const remove = { op: 'remove', path: 'members[value eq "100"]' }
    expect(await patch('/Groups/300', remove)).toEqual({ profile: {}, add: [], remove: ['100'] })
    const body = { displayName: 'team', members: [{ value: '200' }, { value: '500' }] }
    expect(await changesOf('PUT', '/Groups/300', body)).toEqual({
      profile: {},
      add: ['500'],
      remove: ['100'],
    })
  })

  test.each([
    ['PUT', '/Users/100', { userName: 'other@example.com' }, "'userName' cannot be changed"],
    ['PUT', '/Groups/300', { displayName: 'renamed' }, "'displayName' cannot be changed"],
    ['PUT', '/Groups/300', {}, "'displayName' is required"],
    ['PATCH', '/Users/100', {}, "'Operations' is required"],
    ['PATCH', '/Users/100', { Operations: [] }, 'at least one'],
    ['PATCH', '/Users/100', { Operations: [{ op: 'move' }] }, 'one of add, remove, replace'],
    ['PATCH', '/Users/100', { Operations: [{ op: 7 }] }, 'Operations.0.op'],
    ['PATCH', '/Users/100', { Operations: 'all' }, 'Operations'],
    [
      'PATCH',
      '/Users/100',
      { Operations: [{ op: 'replace', path: 'active', value: 'no' }] },
      "'active' is not valid",
    ],
    [
      'PATCH',
      '/Users/100',
      { Operations: [{ op: 'replace', path: 'userName', value: 'other@example.com' }] },
      "'userName' cannot be changed",
    ],
  ])('%s %s with %j is refused', async (method, path, body, saying) => {
    expect((await refusalOf(method, scim + path, body)).message).toContain(saying)
  })

  test('are at both addresses that clients use', async () => {
    const other = '/api/2.0/account/scim/v2'
    expect((await send('GET', `${other}/Users/100`)).json).toMatchObject({ id: '100' })
    expect((await send('GET', `${other}/Me`)).status).toBe(200)
  })
})
