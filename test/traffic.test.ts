/** What compares traffic with the API document does find what is wrong. */
import { describe, expect, test } from 'vitest'
import { apiDocument } from '../src/api/create-api.ts'
import type { Exchange } from '../src/api/exchange.ts'
import { sampleBranch, sampleOperation } from '../src/api/sample-resources.fixture.ts'
import { trafficChecker } from './fixtures/check-traffic.mjs'
import { TestServer } from './fixtures/server.ts'

const checker = trafficChecker(apiDocument('0'))

const path = '/api/2.0/postgres/projects/app/branches'
const read: Exchange = {
  operationId: 'getBranch',
  method: 'GET',
  path: `${path}/dev`,
  query: {},
  body: undefined,
  status: 200,
  contentType: 'application/json',
  reply: JSON.stringify(sampleBranch),
}
const creation: Exchange = {
  ...read,
  operationId: 'createBranch',
  method: 'POST',
  path,
  query: { branch_id: 'dev', replace_existing: 'true' },
  body: { spec: { ttl: '21600s' } },
  reply: JSON.stringify(sampleOperation('Branch', sampleBranch)),
}
const refusal: Exchange = {
  ...read,
  status: 404,
  reply: JSON.stringify({ error_code: 'NOT_FOUND', message: 'no', details: [] }),
}

const problemOf = (exchange: Exchange): string => checker.check(exchange).join('\n')

describe('traffic', () => {
  test.each([
    ['a read', read],
    ['a create', creation],
    ['a refusal', refusal],
    [
      'a refusal of a bad body',
      { ...creation, status: 400, body: { spec: 7 }, reply: refusal.reply },
    ],
    ['a tolerated ttl', { ...creation, body: { spec: { ttl: { seconds: 60 } } } }],
    ['an unknown field of a request', { ...creation, body: { spec: { ttl: '60s' }, extra: 1 } }],
    ['an unknown path', { ...refusal, operationId: undefined, path: '/nonsense' }],
  ])('is as the document says: %s', (_, exchange) => {
    expect(problemOf(exchange)).toBe('')
  })

  test.each<[string, Exchange, string]>([
    [
      'a field that is not declared',
      { ...read, reply: JSON.stringify({ ...sampleBranch, spec: {} }) },
      'additional properties',
    ],
    [
      'one within the response of an operation',
      {
        ...creation,
        reply: JSON.stringify(sampleOperation('Branch', { ...sampleBranch, extra: 1 })),
      },
      'additional properties',
    ],
    [
      'a field that is missing',
      { ...read, reply: JSON.stringify({ ...sampleBranch, uid: undefined }) },
      "required property 'uid'",
    ],
    [
      'a time in another form',
      { ...read, reply: JSON.stringify({ ...sampleBranch, create_time: '2026-11-23' }) },
      '/create_time',
    ],
    [
      'an unknown state',
      {
        ...read,
        reply: JSON.stringify({
          ...sampleBranch,
          status: { ...sampleBranch.status, current_state: 'BROKEN' },
        }),
      },
      '/status/current_state',
    ],
    ['a status that is not declared', { ...read, status: 418 }, 'does not declare this status'],
    [
      'an error code that nobody knows',
      { ...refusal, reply: JSON.stringify({ error_code: 'ODD', message: '', details: [] }) },
      '/error_code',
    ],
    ['a page in place of JSON', { ...read, contentType: 'text/html' }, "'text/html'"],
    ['half an answer', { ...read, reply: '{' }, 'not JSON'],
    ['an unknown operation', { ...read, operationId: 'getNothing' }, 'does not know'],
    ['an unknown path that answers', { ...read, operationId: undefined }, 'answers 404'],
    [
      'a body that should not have been accepted',
      { ...creation, body: { spec: { no_expiry: 'yes' } } },
      'accepted body: /spec/no_expiry',
    ],
    [
      'a flag that should not have been accepted',
      { ...creation, query: { branch_id: 'dev', replace_existing: 'yes' } },
      'accepted query replace_existing',
    ],
    [
      'an id that should have been asked for',
      { ...creation, query: {} },
      'without the required query parameter branch_id',
    ],
  ])('is not: %s', (_, exchange, problem) => {
    expect(problemOf(exchange)).toContain(problem)
  })

  test('is described without the values, which may be secrets', () => {
    const reply = JSON.stringify({ token: 7, expire_time: 'secret' })
    const found = problemOf({ ...read, operationId: 'generateDatabaseCredential', reply })
    expect(found).toContain('/expire_time')
    expect(found).not.toContain('secret')
  })
})

test('a server whose exchanges are not kept fails the test that used it', async () => {
  const server = await TestServer.start({ storage: 'copy', env: { LAKELET_TRAFFIC_TRACE: '' } })
  await server.api('GET', '/api/2.0/postgres/projects')
  await expect(server.dispose()).rejects.toThrow('1 requests were answered, but 0 were kept')
})
