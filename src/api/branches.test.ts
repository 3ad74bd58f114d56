import { describe, expect, test } from 'vitest'
import { epochMicros, epochMs, hours, millis } from '../lib/time.ts'
import { recordedApi } from './recording-actions.fixture.ts'

const branches = '/api/2.0/postgres/projects/app/branches'
const { inputsOf, refusalOf, send } = recordedApi()

const create = async (body: unknown, query = '') =>
  (await inputsOf('POST', `${branches}?branch_id=dev${query}`, body))[0]

const sixHours = { expiration: { kind: 'ttl', ttl: hours(6) } }

describe('creating a branch', () => {
  test.each([
    ['the contract', { spec: { ttl: '21600s' } }, sixHours],
    ['a fraction', { spec: { ttl: '0.5s' } }, { expiration: { kind: 'ttl', ttl: millis(500) } }],
    ['the object', { spec: { ttl: { seconds: 21_600 } } }, sixHours],
    ['the object in digits', { spec: { ttl: { seconds: '21600', nanos: 0 } } }, sixHours],
    ['a bare number', { spec: { ttl: 21_600 } }, sixHours],
    ['a human form', { spec: { ttl: '6h' } }, sixHours],
    ['720h', { spec: { ttl: '720h' } }, { expiration: { kind: 'ttl', ttl: hours(720) } }],
    [
      'an end',
      { spec: { expire_time: '2030-01-01T00:00:00Z' } },
      { expiration: { kind: 'at', time: epochMs(Date.UTC(2030, 0, 1)) } },
    ],
    ['no end', { spec: { no_expiry: true } }, { expiration: { kind: 'never' } }],
    ['no end in camelCase', { spec: { noExpiry: true } }, { expiration: { kind: 'never' } }],
    ['nothing, for the action to refuse', { spec: {} }, {}],
    ['nothing at all', {}, {}],
    [
      'null beside the contract',
      { spec: { ttl: '6h', expire_time: null, no_expiry: null } },
      sixHours,
    ],
    ['a wrapper', { branch: { spec: { ttl: '6h' } } }, sixHours],
    ['unknown fields', { spec: { ttl: '6h', color: 'red' }, x: 1 }, sixHours],
    [
      'output fields',
      { name: 'x', uid: 'y', status: { current_state: 'READY' }, spec: { ttl: '6h' } },
      sixHours,
    ],
    [
      'protection',
      { spec: { no_expiry: true, is_protected: true } },
      { expiration: { kind: 'never' }, isProtected: true },
    ],
    [
      'a source',
      { spec: { ttl: '6h', source_branch: 'projects/app/branches/production' } },
      { ...sixHours, source: 'projects/app/branches/production' },
    ],
    [
      'a bare source',
      { spec: { ttl: '6h', source_branch: 'production' } },
      { ...sixHours, source: 'production' },
    ],
    ['an empty source', { spec: { ttl: '6h', source_branch: '' } }, sixHours],
    [
      'the body that started it all',
      { spec: { source_branch_id: 'production', ttl: { seconds: 21_600 } } },
      { ...sixHours, source: 'production' },
    ],
    [
      'a position',
      { spec: { ttl: '6h', source_branch_lsn: '0/16B3748' } },
      { ...sixHours, sourceLsn: 0x16b3748n },
    ],
    [
      'a moment',
      { spec: { ttl: '6h', source_branch_time: '2026-11-23T08:00:00.123456Z' } },
      {
        ...sixHours,
        sourceTime: epochMicros(BigInt(Date.UTC(2026, 10, 23, 8)) * 1000n + 123_456n),
      },
    ],
  ])('with %s', async (_, body, spec) => {
    expect(await create(body)).toEqual({
      project: 'app',
      branchId: 'dev',
      spec,
      replaceExisting: false,
    })
  })

  test('may replace the one that is there', async () => {
    expect(await create({ spec: { ttl: '6h' } }, '&replace_existing=true')).toMatchObject({
      replaceExisting: true,
    })
  })

  test.each([
    [{ ttl: '6 hours' }, 'The expiration is not valid'],
    [{ ttl: 0 }, 'not above 0'],
    [{ ttl: '-1s' }, 'not above 0'],
    [{ ttl: [] }, 'The expiration is not valid'],
    [{ no_expiry: false }, 'no_expiry: false'],
    [{ expire_time: 'tomorrow' }, 'not a time'],
    [{ ttl: '6h', no_expiry: true }, 'this request sets ttl and no_expiry'],
    [{ ttl: '6h', expire_time: '2030-01-01T00:00:00Z' }, 'ttl and expire_time'],
    [{ ttl: '6h', is_protected: 'yes' }, "'spec.is_protected'"],
    [{ ttl: '6h', source_branch: 'projects/app' }, 'is not a resource name'],
    [{ ttl: '6h', source_branch: 'Production' }, 'must match pattern'],
    [{ ttl: '6h', source_branch: 7 }, "'spec.source_branch'"],
    [{ ttl: '6h', source_branch_lsn: 'G/1' }, "'spec.source_branch_lsn'"],
    [{ ttl: '6h', source_branch_time: 'yesterday' }, "'spec.source_branch_time'"],
    [
      { ttl: '6h', source_branch_lsn: '0/1', source_branch_time: '2026-01-01T00:00:00Z' },
      'Only one of source_branch_time and source_branch_lsn',
    ],
  ])('refuses %j', async (spec, said) => {
    const refusal = await refusalOf('POST', `${branches}?branch_id=dev`, { spec })
    expect(refusal).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    expect(refusal.message).toContain(said)
  })

  test.each(['', 'Dev', 'a'.repeat(64), 'a'.repeat(10_000), '..', 'a/b', 'a%00', '%F0%9F%A6%86'])(
    'refuses the id %j',
    async (id) => {
      expect(
        await refusalOf('POST', `${branches}?branch_id=${id}`, { spec: { ttl: '6h' } }),
      ).toMatchObject({ status: 400, code: 'INVALID_PARAMETER_VALUE' })
    },
  )
})

describe('updating a branch', () => {
  test.each([
    ['spec.is_protected', { is_protected: false, no_expiry: true }, { isProtected: false }],
    ['spec.expiration', { ttl: '6h' }, sixHours],
    ['spec.ttl', { ttl: '6h', is_protected: true }, sixHours],
    ['spec.ttl,spec.no_expiry', { no_expiry: true }, { expiration: { kind: 'never' } }],
    ['spec', { is_protected: true, source_branch: 'x' }, { isProtected: true }],
    ['', { ttl: '6h', is_protected: true }, { ...sixHours, isProtected: true }],
  ])('with mask %j and %j', async (mask, spec, read) => {
    const body = { name: 'projects/app/branches/dev', parent: 'projects/app', spec }
    expect(await inputsOf('PATCH', `${branches}/dev?update_mask=${mask}`, body)).toEqual([
      { project: 'app', branch: 'dev' },
      read,
    ])
  })

  test.each([
    ['spec.expiration', {}, "update_mask names 'spec.expiration'"],
    ['spec.expiration', { ttl: '6h', no_expiry: true }, 'ttl and no_expiry'],
    ['spec.source_branch', { source_branch: 'x' }, 'cannot be changed'],
    ['spec.status', {}, 'Unknown field path in update_mask'],
  ])('refuses mask %j with %j', async (mask, spec, said) => {
    const { message } = await refusalOf('PATCH', `${branches}/dev?update_mask=${mask}`, { spec })
    expect(message).toContain(said)
  })
})

describe('the other verbs of a branch', () => {
  const path = { project: 'app', branch: 'dev' }

  test('are passed on with their path', async () => {
    expect(await inputsOf('GET', `${branches}/dev`)).toEqual([path])
    expect(await inputsOf('POST', `${branches}/dev/undelete`, {})).toEqual([path])
    expect(await inputsOf('DELETE', `${branches}/dev`)).toEqual([
      path,
      { purge: false, allowMissing: false },
    ])
    expect(await inputsOf('DELETE', `${branches}/dev?purge=true&allow_missing=true`)).toEqual([
      path,
      { purge: true, allowMissing: true },
    ])
    expect(await inputsOf('GET', `${branches}?show_deleted=true&page_size=2`)).toEqual([
      { project: 'app' },
      { size: 2, token: undefined, showDeleted: true },
    ])
  })

  test('list an empty project as an empty list', async () => {
    expect((await send('GET', branches)).json).toEqual({ branches: [] })
  })
})

describe('operations', () => {
  test.each([
    ['projects/app', 'a-b-c'],
    ['projects/app/branches/dev', '8c1f'],
    ['projects/app/branches/dev/endpoints/primary', 'AbC+d/e=='],
    ['projects/operations/branches/operations', 'x'],
  ])('of %s are polled by an id that reaches to the end', async (resource, id) => {
    expect(await inputsOf('GET', `/api/2.0/postgres/${resource}/operations/${id}`)).toEqual([
      resource,
      id,
    ])
  })

  test('with an id that no server made are not found', async () => {
    for (const id of ['%00', '%F0%9F%A6%86', 'x'.repeat(201)]) {
      const refusal = await refusalOf('GET', `${branches}/dev/operations/${id}`)
      expect(refusal).toMatchObject({ status: 404, code: 'NOT_FOUND' })
    }
  })
})
