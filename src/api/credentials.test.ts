import { describe, expect, test } from 'vitest'
import { epochMs, seconds } from '../lib/time.ts'
import { recordedApi } from './recording-actions.fixture.ts'

const credentials = '/api/2.0/postgres/credentials'
const endpoint = 'projects/app/branches/dev/endpoints/primary'
const { inputsOf, refusalOf, send } = recordedApi()

describe('a database credential', () => {
  test('is answered as two strings', async () => {
    const { status, json, headers } = await send('POST', credentials, { endpoint })
    expect(status).toBe(200)
    expect(json).toEqual({
      token: 'header.payload.signature',
      expire_time: '2027-01-15T09:00:00.000Z',
    })
    expect(headers.get('cache-control')).toBe('no-store')
  })

  test.each([
    [{ endpoint }, { endpoint }],
    [
      { endpoint, ttl: '900s' },
      { endpoint, lifetime: seconds(900) },
    ],
    [
      { endpoint, ttl: { seconds: 900 } },
      { endpoint, lifetime: seconds(900) },
    ],
    [
      { endpoint, expire_time: '2030-01-01T00:00:00Z' },
      { endpoint, expireTime: epochMs(Date.UTC(2030, 0, 1)) },
    ],
    [{ endpoint, claims: [] }, { endpoint }],
    [
      { endpoint, claims: [{ permission_set: 'READ_ONLY' }] },
      { endpoint, narrowing: { permission: 'READ_ONLY', tables: undefined } },
    ],
    [
      {
        endpoint,
        claims: [
          { permission_set: 'READ_ONLY', resources: [{ table_name: 'a' }, { table_name: 'b' }] },
          { permissionSet: 'READ_ONLY', resources: [{ tableName: 'b' }] },
        ],
      },
      { endpoint, narrowing: { permission: 'READ_ONLY', tables: ['a', 'b'] } },
    ],
    [
      {
        endpoint,
        claims: [
          { permission_set: 'READ_ONLY', resources: [{ table_name: 'a' }] },
          { permission_set: 'READ_ONLY', resources: [] },
        ],
      },
      { endpoint, narrowing: { permission: 'READ_ONLY', tables: undefined } },
    ],
    // A branch in place of an endpoint is the action's to refuse, with its hint.
    [{ endpoint: 'projects/app/branches/dev' }, { endpoint: 'projects/app/branches/dev' }],
    [
      { endpoint, group_name: 'team' },
      { endpoint, groupName: 'team' },
    ],
  ])('%j is read', async (body, read) => {
    expect(await inputsOf('POST', credentials, body)).toEqual([read])
  })

  test.each([
    [{}, 400, `Field 'endpoint' is required`],
    [{ endpoint: '' }, 400, `Field 'endpoint' is required`],
    [{ endpoint: 7 }, 400, "'endpoint'"],
    [{ endpoint, ttl: 'soon' }, 400, "'ttl'"],
    [{ endpoint, expire_time: 'soon' }, 400, "'expire_time'"],
    [{ endpoint, ttl: '900s', expire_time: '2030-01-01T00:00:00Z' }, 400, 'ttl and expire_time'],
    [{ endpoint, claims: [{ permission_set: 'READ_WRITE' }] }, 400, 'must be one of READ_ONLY'],
    [{ endpoint, claims: [{}] }, 400, "'claims.0.permission_set' is required"],
    [{ endpoint, claims: 'READ_ONLY' }, 400, 'it must be a list'],
  ])('%j is refused', async (body, status, said) => {
    const refusal = await refusalOf('POST', credentials, body)
    expect(refusal.status).toBe(status)
    expect(refusal.message).toContain(said)
  })
})
