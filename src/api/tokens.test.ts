import { describe, expect, test } from 'vitest'
import { seconds } from '../lib/time.ts'
import { recordedApi } from './recording-actions.fixture.ts'

const own = '/api/2.0/token/create'
const other = '/api/2.0/token-management/on-behalf-of/tokens'
const { inputsOf, refusalOf, send } = recordedApi()

describe('personal access tokens', () => {
  test('are shown once, with their times', async () => {
    const { json } = await send('POST', own, { comment: 'laptop', lifetime_seconds: 60 })
    expect(json).toEqual({
      token_value: 'dapi-secret',
      token_info: {
        token_id: 'token-1',
        creation_time: 1_800_000_000_000,
        expiry_time: 1_800_000_060_000,
        comment: 'laptop',
      },
    })
  })

  test('without a lifetime have no end', async () => {
    expect(await inputsOf('POST', own)).toEqual([{ comment: '' }])
    expect((await send('POST', own)).json).toMatchObject({ token_info: { expiry_time: -1 } })
  })

  test('are made for another identity by its login name', async () => {
    const body = { application_id: 'app-1', comment: 'ci', lifetime_seconds: '3600' }
    expect(await inputsOf('POST', other, body)).toEqual([
      { comment: 'ci', lifetime: seconds(3600), forLogin: 'app-1' },
    ])
    expect(await inputsOf('POST', other, { user_name: 'joe@example.com' })).toEqual([
      { comment: '', forLogin: 'joe@example.com' },
    ])
  })

  test.each([
    [own, { lifetime_seconds: 0 }],
    [own, { lifetime_seconds: -5 }],
    [own, { lifetime_seconds: 1e12 }],
    [own, { comment: 'x'.repeat(257) }],
    [other, {}],
    [other, { application_id: 'a', user_name: 'b' }],
  ])('%s refuses %j', async (path, body) => {
    expect(await refusalOf('POST', path, body)).toMatchObject({
      status: 400,
      code: 'INVALID_PARAMETER_VALUE',
    })
  })
})
