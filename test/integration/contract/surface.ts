/** What every client asks around the resources: discovery, identity, errors, telemetry, permissions. */
import { describe, expect, test } from 'vitest'
import { api, ask, expectRefusal, notFound, type ServerOf, store } from './shapes.ts'

const me = '/api/2.0/preview/scim/v2/Me'

export const surfaceContract = (server: ServerOf) =>
  describe('around the resources', () => {
    test('contract 6.1: discovery needs no token and names a numeric workspace', async () => {
      const { status, body } = await server().api(
        'GET',
        '/.well-known/databricks-config',
        undefined,
        { token: '' },
      )
      expect(status).toBe(200)
      expect(body.workspace_id).toMatch(/^\d{1,18}$/)
      expect(body.oidc_endpoint).toBe(`${server().apiUrl}/oidc`)
      // An account id, or another host type, would make SDKs take this host for an account.
      expect(Object.keys(body).sort()).toEqual(['oidc_endpoint', 'workspace_id'])
      const document = await server().api(
        'GET',
        '/oidc/.well-known/oauth-authorization-server',
        undefined,
        { token: '' },
      )
      expect(document.body).toMatchObject({
        authorization_endpoint: `${server().apiUrl}/oidc/v1/authorize`,
        token_endpoint: `${server().apiUrl}/oidc/v1/token`,
      })
    })

    test('contract 6.4: Me names the caller, and its header the same workspace', async () => {
      const config = await server().api('GET', '/.well-known/databricks-config')
      for (const path of [me, `${me}?excludedAttributes=entitlements`]) {
        const { status, body, headers } = await server().api('GET', path)
        expect(status).toBe(200)
        expect(body.id).toMatch(/^\d+$/)
        expect(body.userName).toContain('@')
        expect(body.active).toBe(true)
        expect(body.emails[0]).toMatchObject({ value: body.userName, primary: true })
        expect(headers.get('x-databricks-org-id')).toBe(config.body.workspace_id)
      }
    })

    test.each([
      ['no token', '', {}],
      ['an unknown token', 'dapi00', {}],
      ['another scheme', '', { authorization: 'Basic eDp5' }],
    ])(
      'contract 6.2, 7.2: %s is 401, before anything else is looked at',
      async (_, token, headers) => {
        for (const [method, path, body] of [
          ['GET', me, undefined],
          ['GET', `${api}/projects/absent`, undefined],
          ['POST', `${api}/projects?project_id=NOT-AN-ID`, '{'],
        ] as const) {
          const reply = await server().api(method, path, body, { token, headers })
          expectRefusal(reply, { status: 401, code: 'UNAUTHENTICATED', message: /access token/ })
          expect(reply.body.message).not.toMatch(/unauthorized|401/i)
        }
      },
    )

    test('contract 1: workspace headers and a bare question mark change nothing', async () => {
      const { status } = await server().api('GET', `${api}/${store}?`, undefined, {
        headers: {
          'x-databricks-workspace-id': '1',
          'x-databricks-org-id': '2',
          traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        },
      })
      expect(status).toBe(200)
    })

    test('contract 7.1: a trace id of the caller comes back in not-found texts', async () => {
      const { body } = await server().api('GET', `${api}/projects/absent`, undefined, {
        headers: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
      })
      expect(body.message).toBe('project id not found [TraceId: 0af7651916cd43dd8448eb211c80319c]')
    })

    test('contract 6.5: other paths are a JSON 404 in the words of the service', async () => {
      expectRefusal(await ask(server()).get('0192'), {
        status: 404,
        code: 'ENDPOINT_NOT_FOUND',
        message: "No API found for 'GET /postgres/0192'",
      })
      expectRefusal(await server().api('POST', '/nowhere', {}), {
        status: 404,
        code: 'ENDPOINT_NOT_FOUND',
        message: "No API found for 'POST /nowhere'",
      })
    })

    test('contract 6.5: telemetry is counted and the older product is empty', async () => {
      const sent = { uploadTime: 1, items: [], protoLogs: ['{}', '{}', '{}'] }
      const { status, body } = await server().api('POST', '/telemetry-ext', sent)
      expect([status, body]).toEqual([200, { errors: [], numProtoSuccess: 3 }])
      const older = await server().api('GET', '/api/2.0/database/instances')
      expect([older.status, older.body]).toEqual([200, {}])
    })

    test('contract 1.3: parents are looked for before a body is judged', async () => {
      const { post, patch } = ask(server())
      const broken = { spec: { ttl: 'soon', is_protected: 7 } }
      expectRefusal(await post('projects/absent/branches?branch_id=x', broken), notFound('project'))
      expectRefusal(await patch('projects/absent?update_mask=spec.x', {}), notFound('project'))
      expectRefusal(
        await patch(`${store}/branches/absent?update_mask=spec.x`, {}),
        notFound('branch'),
      )
      expectRefusal(
        await post(`${store}/branches/absent/endpoints?endpoint_id=x`, {}),
        notFound('branch'),
      )
      expectRefusal(
        await patch(`${store}/branches/production/endpoints/absent?update_mask=spec.x`, {}),
        notFound('endpoint'),
      )
    })

    test('contract 4.1: a credential is a string token and a string time, an hour ahead', async () => {
      const endpoint = `${store}/branches/production/endpoints/primary`
      const before = Date.now()
      for (const [extra, length] of [
        [{}, 3_600_000],
        [{ ttl: '300s' }, 300_000],
        [
          { claims: [{ permission_set: 'READ_ONLY', resources: [{ table_name: 't' }] }] },
          3_600_000,
        ],
      ] as const) {
        const { status, body } = await ask(server()).post('credentials', { endpoint, ...extra })
        expect(status).toBe(200)
        expect(Object.keys(body).sort()).toEqual(['expire_time', 'token'])
        expect(body.token.split('.')).toHaveLength(3)
        expect(body.expire_time).toMatch(/Z$/)
        const ahead = Date.parse(body.expire_time) - before
        expect(ahead).toBeGreaterThanOrEqual(length - 1000)
        expect(ahead).toBeLessThan(length + 60_000)
      }
      const { post } = ask(server())
      const of = (text: string) => ({ endpoint: text })
      expectRefusal(
        await post('credentials', of('projects/no/branches/no/endpoints/no')),
        notFound('project'),
      )
      expectRefusal(
        await post('credentials', of(`${store}/branches/no/endpoints/no`)),
        notFound('branch'),
      )
      expectRefusal(
        await post('credentials', of(`${store}/branches/production/endpoints/no`)),
        notFound('endpoint'),
      )
    })

    test('contract 6.6, row 23: permissions name the bare project id and keep the caller', async () => {
      const path = '/api/2.0/permissions/database-projects/store'
      const owner = (await server().api('GET', me)).body.userName
      await server().identity('reader@example.com', undefined)
      const added = await server().api('PATCH', path, {
        access_control_list: [{ user_name: 'reader@example.com', permission_level: 'CAN_USE' }],
      })
      expect(added.status).toBe(200)
      expect(added.body).toMatchObject({
        object_id: '/database-projects/store',
        object_type: 'database-projects',
      })
      // Administrators have it by their group, beside what the list says.
      const levels = (body: {
        access_control_list: { user_name?: string; all_permissions: object[] }[]
      }) =>
        body.access_control_list
          .filter(({ user_name }) => user_name !== undefined)
          .map((entry) => [entry.user_name, entry.all_permissions])
      const managing = [{ permission_level: 'CAN_MANAGE', inherited: false }]
      expect(levels(added.body).sort()).toEqual(
        [
          [owner, managing],
          ['reader@example.com', [{ permission_level: 'CAN_USE', inherited: false }]],
        ].sort(),
      )
      // The bundle engine replaces the whole list, with the deploying user in it.
      const replaced = await server().api('PUT', path, {
        access_control_list: [{ user_name: owner, permission_level: 'CAN_MANAGE' }],
      })
      expect(levels(replaced.body)).toEqual([[owner, managing]])
      expect(replaced.body.access_control_list[0].display_name).toEqual(expect.any(String))
      expect((await server().api('GET', path)).body).toEqual(replaced.body)
      expectRefusal(await server().api('GET', path.replace('store', 'absent')), notFound('project'))
    })

    test('contract 4.5, row 31: who has no rights in schema public makes nothing there', async () => {
      const guest = 'guest@example.com'
      const token = await server().identity(guest, 'CAN_USE')
      const production = `${store}/branches/production`
      const role = await server().write('POST', `${production}/roles?role_id=guest`, {
        spec: { postgres_role: guest, identity_type: 'USER' },
      })
      await expect(
        server().sql(production, 'create table public.mine ()', { token }),
      ).rejects.toMatchObject({ code: '42501', message: 'permission denied for schema public' })
      await server().write('DELETE', role.name)
    })
  })
