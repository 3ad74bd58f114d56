import { describe, expect, test } from 'vitest'
import { owner, recordedApi, robot } from './recording-actions.fixture.ts'

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
      ],
    })
    expect(await inputsOf('GET', permissions)).toEqual(['app'])
  })

  test('are replaced by PUT and added to by PATCH', async () => {
    const body = {
      access_control_list: [
        { user_name: 'joe@example.com', permission_level: 'CAN_USE' },
        { service_principal_name: 'app-1', permission_level: 'CAN_BRANCH' },
      ],
    }
    const entries = [
      { loginName: 'joe@example.com', level: 'CAN_USE' },
      { loginName: 'app-1', level: 'CAN_BRANCH' },
    ]
    expect(await inputsOf('PUT', permissions, body)).toEqual(['app', entries, { replace: true }])
    expect(await inputsOf('PATCH', permissions, body)).toEqual(['app', entries, { replace: false }])
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
    [{ group_name: 'team', permission_level: 'CAN_USE' }, 501, 'group'],
  ])('refuse %j', async (entry, status, said) => {
    const body = { access_control_list: [entry] }
    const refusal = await refusalOf('PUT', permissions, body)
    expect(refusal.status).toBe(status)
    expect(refusal.message).toContain(said)
  })
})
