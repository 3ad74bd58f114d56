import { describe, expect, test } from 'vitest'
import { seconds } from '../lib/time.ts'
import { recordedApi } from './recording-actions.fixture.ts'

const endpoints = '/api/2.0/postgres/projects/app/branches/dev/endpoints'
const branch = { project: 'app', branch: 'dev' }
const { inputsOf, refusalOf, send } = recordedApi()

/** Each field of a spec, wrong in each way that needs no limit of the server's (actions/limits.ts) to see. */
const readOnlyRefusals = (
  [
    [
      { autoscaling_limit_min_cu: 0.25 },
      "'spec.autoscaling_limit_min_cu' is not valid: it must be at least 0.5",
    ],
    [
      { autoscaling_limit_max_cu: '2' },
      "'spec.autoscaling_limit_max_cu' is not valid: it must be a number",
    ],
    [
      { no_suspension: true, suspend_timeout_duration: '300s' },
      'only one of no_suspension and suspend_timeout_duration',
    ],
    [{ no_suspension: false }, 'it may only be true'],
    [{ no_suspension: 'yes' }, "'spec.no_suspension' is not valid: it must be true or false"],
    [{ suspend_timeout_duration: 'soon' }, 'it must be a duration in seconds'],
    [{ group: { min: 1, max: 4 } }, 'Kubernetes engine'],
    [{ group: { min: 0, max: 1 } }, "'spec.group.min'"],
    [{ group: { min: '1.5' } }, 'it must be a whole number'],
    [{ group: [] }, "'spec.group' is not valid: it must be an object"],
    [{ settings: { pg_settings: ['work_mem'] } }, 'an object of setting names and values'],
    [{ settings: { pg_settings: { work_mem: 4 } } }, 'the value of work_mem must be a string'],
    [{ settings: { pg_settings: { 'work mem': '4MB' } } }, 'is not the name of a setting'],
    [{ settings: 'none' }, "'spec.settings' is not valid: it must be an object"],
  ] as const
).map(([spec, said]) => [
  { spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY', ...spec } },
  said,
]) as [object, string][]

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
    [{ spec: { endpoint_type: null } }, "Field 'spec.endpoint_type' is required"],
    ...readOnlyRefusals,
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

describe('the computes of an endpoint', () => {
  test('are read by its path, and nothing else', async () => {
    const path = { ...branch, endpoint: 'primary' }
    const instances = `${endpoints}/primary/compute-instances`
    expect(await inputsOf('GET', `${instances}?page_size=7`)).toEqual([
      path,
      { size: 7, token: undefined },
    ])
    expect((await inputsOf('GET', `${instances}/compute-a`))[1]).toBe('compute-a')
    const { json } = await send('GET', instances)
    expect(json).toEqual({ compute_instances: [expect.objectContaining({ role: 'READ_WRITE' })] })
    expect((await send('DELETE', `${instances}/compute-a`)).status).toBe(404)
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
