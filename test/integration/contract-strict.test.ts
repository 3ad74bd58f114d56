/**
 * A server told to be as strict as the service (`--contract strict`), with a default end of branches
 * and small limits: all that the settings of policy change.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestServer } from '../fixtures/server.ts'
import { ask, expectRefusal, keysOf, production, store } from './contract/shapes.ts'

const branches = `${store}/branches`
let server: TestServer

beforeAll(async () => {
  server = await TestServer.start({
    env: {
      LAKELET_CONTRACT: 'strict',
      LAKELET_MAX_PROJECTS: '2',
      LAKELET_MAX_BRANCHES_PER_PROJECT: '3',
      LAKELET_MAX_BRANCH_TTL: '2d',
    },
  })
})
afterAll(async () => {
  await server?.dispose()
})

const create = (id: string, body: object) => ask(server).post(`${branches}?branch_id=${id}`, body)
const invalid = (message: string | RegExp) => ({
  status: 400,
  code: 'INVALID_PARAMETER_VALUE',
  message,
})
const required = invalid('Expiration must be specified when creating a branch')

test('contract 10, strict: an end in another form than "<n>s" is refused as the service does', async () => {
  for (const body of [
    { spec: { ttl: { seconds: 21_600 } } }, // not seen at all
    { branch: { spec: { ttl: '21600s' } } },
    { spec: {} },
  ])
    expectRefusal(await create('form', body), required)
  for (const ttl of [21_600, '6h', '720h'])
    expectRefusal(await create('form', { spec: { ttl } }), invalid(/^The expiration is not valid/))
})

test('contract 3.1, row 30, strict: a maximum that was set is named beside the recorded text', async () => {
  const reply = await create('long', { spec: { ttl: '172801s' } })
  expectRefusal(reply, invalid(/^expiration time exceeds the maximum expiration time \[TraceId: /))
  expect(JSON.stringify(reply.body.details)).toContain('The maximum is 2 days from now.')
})

test('contract 3.3, strict: branches that end have no children, and parents do not end', async () => {
  const made = await server.write('POST', `${branches}?branch_id=ends`, {
    spec: { ttl: '3600s', source_branch_id: 'absent' }, // a field that never was: ignored
  })
  expect(made.status.source_branch).toBe(production)
  const from = `${branches}/ends`
  expectRefusal(await create('child', { spec: { no_expiry: true, source_branch: from } }), {
    status: 400,
    code: 'BAD_REQUEST',
    message: 'Branches with an expiration date cannot have child branches',
  })
  await server.write('PATCH', `${from}?update_mask=spec.expiration`, { spec: { no_expiry: true } })
  await server.write('POST', `${branches}?branch_id=child`, {
    spec: { ttl: '3600s', source_branch: from },
  })
  expectRefusal(
    await ask(server).patch(`${from}?update_mask=spec.ttl`, { spec: { ttl: '3600s' } }),
    {
      status: 400,
      code: 'BAD_REQUEST',
      message: /^A parent branch cannot have an expiration\./,
    },
  )
})

test('contract 3.7, strict: what is ours alone is not there, and ends do not move', async () => {
  for (const [method, path] of [
    ['POST', `${branches}/ends/reset`],
    ['POST', `${branches}/ends/restore`],
    ['POST', `${branches}/ends/bindings`],
    ['GET', `${store}/bindings`],
    ['GET', `${store}/ttl-policy`],
    ['GET', `${store}/webhooks`],
  ] as const) {
    const body = method === 'POST' ? {} : undefined
    expectRefusal(await server.api(method, `/api/2.0/postgres/${path}`, body), {
      status: 404,
      code: 'ENDPOINT_NOT_FOUND',
      message: `No API found for '${method} /postgres/${path}'`,
    })
  }
  const moved = { spec: { sliding_ttl: '3600s', is_held_by_sessions: true } }
  const patch = await ask(server).patch(`${branches}/child?update_mask=spec.sliding_ttl`, moved)
  expectRefusal(patch, invalid('Unknown field path in update_mask'))
  const kept = await server.api('GET', `/api/2.0/postgres/${branches}/child`)
  expect(keysOf(kept.body.status)).not.toContain('sliding_ttl')
})

test('contract 3.8: limits are the settings, and what they count is said', async () => {
  const full = (message: RegExp) => ({ status: 400, code: 'QUOTA_EXCEEDED', message })
  const branchesFull = full(
    /^branches of project store: the limit of 3 is reached\. .*--max-branches-per-project/,
  )
  expectRefusal(await create('one-more', { spec: { ttl: '60s' } }), branchesFull)
  await server.write('DELETE', `${branches}/child`)
  await server.write('POST', `${branches}?branch_id=other`, { spec: { ttl: '3600s' } })
  expectRefusal(await ask(server).post(`${branches}/child/undelete`), branchesFull)
  await server.write('POST', 'projects?project_id=second')
  expectRefusal(
    await ask(server).post('projects?project_id=third'),
    full(/^projects: the limit of 2 is reached\. .*--max-projects/),
  )
})

test('contract 10: with a default end, clients that cannot send one get it', async () => {
  await server.stop()
  await server.launch({
    LAKELET_CONTRACT: 'generous',
    LAKELET_DEFAULT_BRANCH_TTL: '6h',
    LAKELET_MAX_BRANCHES_PER_PROJECT: '20',
  })
  const made = await server.write('POST', `${branches}?branch_id=old-client`, { spec: {} })
  const length = Date.parse(made.status.expire_time) - Date.parse(made.create_time)
  expect(length).toBe(6 * 3_600_000)
  const asked = await server.write('POST', `${branches}?branch_id=asked`, {
    spec: { no_expiry: true },
  })
  expect(keysOf(asked.status)).not.toContain('expire_time')
})
