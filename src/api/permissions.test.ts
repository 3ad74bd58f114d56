import { describe, expect, test } from 'vitest'
import { adminsGroup } from '../domain/principal.ts'
import { owner, recordedApi, robot, team } from './recording-actions.fixture.ts'

const permissions = '/api/2.0/permissions/database-projects/app'
const { inputsOf, refusalOf, send } = recordedApi()

describe("a project's permissions", () => {
  test('are shown by who and what', async () => {
    const { json } = await send('PUT', permissions, { access_control_list: [] })
    expect(json).toEqual({
      object_id: '/database-projects/app',
      object_type: 'database-projects',
      access_control_list: [
        {
          user_name: owner.loginName,
          display_name: owner.displayName,
          all_permissions: [{ permission_level: 'CAN_MANAGE', inherited: false }],
        },
        {
          service_principal_name: robot.loginName,
          display_name: robot.displayName,
          all_permissions: [{ permission_level: 'CAN_USE', inherited: false }],
        },
        {
          group_name: 'admins',
          display_name: 'admins',
          all_permissions: [
            {
              permission_level: 'CAN_MANAGE',
              inherited: true,
              inherited_from_object: ['/database-projects/'],
            },
          ],
        },
      ],
    })
    expect(await inputsOf('GET', permissions)).toEqual(['app'])
  })

  test('are replaced by PUT and added to by PATCH', async () => {
    const body = {
      access_control_list: [
        { user_name: 'joe@example.com', permission_level: 'CAN_USE' },
        { service_principal_name: 'app-1', permission_level: 'CAN_BRANCH' },
        { group_name: 'team', permission_level: 'CAN_MANAGE' },
      ],
    }
    const entries = [
      { name: 'joe@example.com', isGroup: false, level: 'CAN_USE' },
      { name: 'app-1', isGroup: false, level: 'CAN_BRANCH' },
      { name: 'team', isGroup: true, level: 'CAN_MANAGE' },
    ]
    expect(await inputsOf('PUT', permissions, body)).toEqual(['app', entries, { replace: true }])
    expect(await inputsOf('PATCH', permissions, body)).toEqual(['app', entries, { replace: false }])
  })

  test('show administrators once, also when they are named', async () => {
    const admins = { ...team, uid: adminsGroup, loginName: 'admins', displayName: 'admins' }
    const { send } = recordedApi({ getAccess: () => [{ principal: admins, level: 'CAN_USE' }] })
    const { json } = await send('GET', permissions)
    expect((json as { access_control_list: unknown }).access_control_list).toMatchObject([
      {
        group_name: 'admins',
        all_permissions: [
          { permission_level: 'CAN_USE', inherited: false },
          { permission_level: 'CAN_MANAGE', inherited: true },
        ],
      },
    ])
  })

  test('come in levels that the service knows, and one of ours', async () => {
    const { json } = await send('GET', `${permissions}/permissionLevels`)
    expect(json).toMatchObject({
      permission_levels: [
        { permission_level: 'CAN_USE', description: expect.any(String) },
        { permission_level: 'CAN_BRANCH' },
        { permission_level: 'CAN_MANAGE' },
      ],
    })
  })

  test('are not replaced by a list that is missing', async () => {
    const { message } = await refusalOf('PUT', permissions, {})
    expect(message).toContain("Field 'access_control_list' is required")
  })

  test.each([
    [{ user_name: 'a', permission_level: 'CAN_FLY' }, 400, 'must be one of CAN_USE'],
    [{ user_name: 'a' }, 400, 'permission_level'],
    [{ permission_level: 'CAN_USE' }, 400, 'user_name'],
    [{ user_name: 'a', service_principal_name: 'b', permission_level: 'CAN_USE' }, 400, 'only one'],
    [{ group_name: '', permission_level: 'CAN_USE' }, 400, '1 to 256'],
    [{ user_name: 7, permission_level: 'CAN_USE' }, 400, 'must be a string'],
    [{ user_name: 'x'.repeat(10_000), permission_level: 'CAN_USE' }, 400, '1 to 256'],
  ])('refuse %j', async (entry, status, said) => {
    const body = { access_control_list: [entry] }
    const refusal = await refusalOf('PUT', permissions, body)
    expect(refusal.status).toBe(status)
    expect(refusal.message).toContain(said)
  })
})
