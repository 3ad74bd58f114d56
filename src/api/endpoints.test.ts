import { describe, expect, test } from 'vitest'
import { seconds } from '../lib/time.ts'
import { recordedApi } from './recording-actions.fixture.ts'

const endpoints = '/api/2.0/postgres/projects/app/branches/dev/endpoints'
const branch = { project: 'app', branch: 'dev' }
const { inputsOf, refusalOf, send } = recordedApi()

describe('creating an endpoint', () => {
  test('reads every field', async () => {
    const spec = {
      endpoint_type: 'ENDPOINT_TYPE_READ_ONLY',
      autoscaling_limit_min_cu: 0.5,
      autoscaling_limit_max_cu: 2,
      suspend_timeout_duration: '300s',
      disabled: false,
      group: { min: 1, max: 1 },
      settings: { pg_settings: { max_connections: '50', 'pg_stat_statements.max': '100' } },
    }
    const read = {
      branch,
      endpointId: 'reader',
      type: 'ENDPOINT_TYPE_READ_ONLY',
      spec: {
        minCu: 0.5,
        maxCu: 2,
        suspension: { kind: 'after', timeout: seconds(300) },
        isDisabled: false,
        pgSettings: { max_connections: '50', 'pg_stat_statements.max': '100' },
      },
      replaceExisting: true,
    }
    const path = `${endpoints}?endpoint_id=reader&replace_existing=true`
    expect(await inputsOf('POST', path, { spec })).toEqual([read])
    expect(await inputsOf('POST', path, { endpoint: { spec } })).toEqual([read])
  })

  test.each([
    [{}, `Field 'spec' is required, expected non-default value (not "")!`],
    [{ spec: {} }, `Field 'spec.endpoint_type' is required, expected non-default value (not "")!`],
    [
      { spec: { endpoint_type: 'ENDPOINT_TYPE_UNSPECIFIED' } },
      'must be one of ENDPOINT_TYPE_READ_WRITE, ENDPOINT_TYPE_READ_ONLY',
    ],
    [{ spec: { endpoint_type: 1 } }, "'spec.endpoint_type'"],
    [
      { spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY', group: { min: 2, max: 2 } } },
      'served by one compute on one machine',
    ],
    [
      {
        spec: {
          endpoint_type: 'ENDPOINT_TYPE_READ_ONLY',
          group: { enable_readable_secondaries: true },
        },
      },
      'there are no secondaries',
    ],
    [
      { spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY', disabled: 'no' } },
      "Field 'spec.disabled' is not valid: it must be true or false.",
    ],
  ])('refuses %j', async (body, said) => {
    const refusal = await refusalOf('POST', `${endpoints}?endpoint_id=reader`, body)
    expect(refusal).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    expect(refusal.message).toContain(said)
  })

  test('asks for an id', async () => {
    const { message } = await refusalOf('POST', endpoints, { spec: {} })
    expect(message).toBe(`Field 'endpoint_id' is required, expected non-default value (not "")!`)
  })
})

describe('updating an endpoint', () => {
  const path = { ...branch, endpoint: 'primary' }

  test.each([
    ['spec.autoscaling_limit_max_cu', { autoscaling_limit_max_cu: 4 }, { maxCu: 4 }],
    ['spec.disabled', { disabled: true, autoscaling_limit_max_cu: 4 }, { isDisabled: true }],
    ['spec.suspension', { no_suspension: true }, { suspension: { kind: 'never' } }],
    [
      'spec.no_suspension',
      { suspend_timeout_duration: '60s' },
      { suspension: { kind: 'after', timeout: seconds(60) } },
    ],
    ['spec.settings', { settings: { pg_settings: {} } }, { pgSettings: {} }],
    ['spec.group', { group: { min: 1, max: 1 } }, {}],
    [
      'spec',
      { endpoint_type: 'ENDPOINT_TYPE_READ_WRITE', autoscaling_limit_min_cu: 1 },
      { minCu: 1 },
    ],
  ])('with mask %s', async (mask, spec, read) => {
    expect(await inputsOf('PATCH', `${endpoints}/primary?update_mask=${mask}`, { spec })).toEqual([
      path,
      read,
    ])
  })

  test.each([
    ['spec.endpoint_type', { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' }, 'cannot be changed'],
    ['spec.group.min', { group: { min: 3 } }, 'one compute'],
    ['spec.settings.pg_settings.work_mem', { settings: {} }, 'Unknown field path'],
  ])('refuses mask %s', async (mask, spec, said) => {
    const request = `${endpoints}/primary?update_mask=${mask}`
    expect((await refusalOf('PATCH', request, { spec })).message).toContain(said)
  })
})

describe('the other verbs of an endpoint', () => {
  test('are passed on with their path', async () => {
    const path = { ...branch, endpoint: 'primary' }
    expect(await inputsOf('GET', `${endpoints}/primary`)).toEqual([path])
    expect(await inputsOf('DELETE', `${endpoints}/primary`)).toEqual([path])
    expect(await inputsOf('GET', `${endpoints}?page_token=t`)).toEqual([
      branch,
      { size: 100, token: 't' },
    ])
    expect((await send('GET', endpoints)).json).toEqual({ endpoints: [] })
  })
})
