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
    const tokenId = 'endless'
    const { send } = recordedApi({
      listAccessTokens: () => [{ tokenId, comment: '', createTime: 1 }],
    })
    const { json } = await send('GET', '/api/2.0/token/list')
    expect(json).toMatchObject({ token_infos: [{ token_id: tokenId, expiry_time: -1 }] })
  })

  test('are listed and revoked by id, never with their value', async () => {
    const mine = await send('GET', '/api/2.0/token/list')
    const info = {
      token_id: 'token-1',
      creation_time: 1_800_000_000_000,
      expiry_time: 1_800_000_060_000,
      comment: 'laptop',
    }
    expect(mine.json).toEqual({ token_infos: [info] })
    const managed = {
      ...info,
      created_by_id: 100,
      created_by_username: 'jane.doe@example.com',
      owner_id: 200,
      last_used_day: 1_799_971_200_000,
    }
    const all = (query = '') => send('GET', `/api/2.0/token-management/tokens${query}`)
    expect((await all()).json).toEqual({ token_infos: [managed] })
    expect((await all('?created_by_id=100')).json).toEqual({ token_infos: [managed] })
    expect((await all('?created_by_username=JANE.doe@example.com')).json).toEqual({
      token_infos: [managed],
    })
    expect((await all('?created_by_id=7')).json).toEqual({ token_infos: [] })
    const one = '/api/2.0/token-management/tokens/token-1'
    expect((await send('GET', one)).json).toEqual({ token_info: managed })
    expect(await inputsOf('DELETE', one)).toEqual(['token-1'])
    const revoke = '/api/2.0/token/delete'
    expect(await inputsOf('POST', revoke, { token_id: 'token-1' })).toEqual(['token-1'])
    expect((await refusalOf('POST', revoke, {})).message).toContain("'token_id' is required")
    expect((await refusalOf('POST', revoke, { token_id: 7 })).status).toBe(400)
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
    [own, { comment: 7 }],
    [own, { comment: 'a\u0007b' }],
    [own, { lifetime_seconds: 'soon' }],
    [own, { lifetime_seconds: 1.5 }],
    [other, { application_id: 'x'.repeat(10_000) }],
    [other, {}],
    [other, { application_id: 'a', user_name: 'b' }],
  ])('%s refuses %j', async (path, body) => {
    expect(await refusalOf('POST', path, body)).toMatchObject({
      status: 400,
      code: 'INVALID_PARAMETER_VALUE',
    })
  })
})
