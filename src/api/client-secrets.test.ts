import { describe, expect, test } from 'vitest'
import { days, hours } from '../lib/time.ts'
import { recordedApi } from './recording-actions.fixture.ts'

const proxy = '/api/2.0/accounts/servicePrincipals/200/credentials/secrets'
const account = '/api/2.0/accounts/any-account/servicePrincipals/200/credentials/secrets'
const { inputsOf, refusalOf, send } = recordedApi()

describe('secrets of a service principal', () => {
  test.each([proxy, account])('%s shows one once', async (path) => {
    expect(await inputsOf('POST', path)).toEqual(['200', {}])
    expect(await inputsOf('POST', path, { lifetime: '3600s' })).toEqual([
      '200',
      { lifetime: hours(1) },
    ])
    const listed = {
      id: 'secret-1',
      secret_hash: 'a hash that is l',
      status: 'ACTIVE',
      create_time: '2027-01-15T08:00:00.000Z',
      update_time: '2027-01-15T08:00:00.000Z',
      expire_time: '2027-01-15T08:01:00.000Z',
    }
    expect((await send('POST', path)).json).toEqual({ ...listed, secret: 'dose-secret' })
    expect((await send('GET', `${path}?page_size=10`)).json).toEqual({ secrets: [listed] })
    expect(await inputsOf('DELETE', `${path}/secret-1`)).toEqual(['200', 'secret-1'])
  })

  test.each([
    { lifetime: '1s' },
    { lifetime: `${days(731) / 1000}s` },
    { lifetime: 'for ever' },
    { lifetime: true },
    { lifetime: 'x'.repeat(10_000) },
  ])('%j is refused', async (body) => {
    expect(await refusalOf('POST', proxy, body)).toMatchObject({
      status: 400,
      code: 'INVALID_PARAMETER_VALUE',
      message: expect.stringContaining('lifetime'),
    })
  })
})
