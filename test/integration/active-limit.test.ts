/** How many computes of a project may be awake at once: a setting, and a refusal that says so. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'

beforeAll(async () => {
  server = await TestServer.start({ env: { LAKELET_MAX_ACTIVE_COMPUTES: '2' } })
})
afterAll(async () => {
  await server?.dispose()
})

const create = (id: string) =>
  server.api('POST', `/api/2.0/postgres/${store}/branches?branch_id=${id}`, { spec: { ttl: '1h' } })
const disable = (id: string, disabled: boolean) =>
  server.write('PATCH', `${store}/branches/${id}/endpoints/primary?update_mask=spec.disabled`, {
    spec: { disabled },
  })
const tooMany = /2 computes of project 'store' are awake.*--max-active-computes/

test('contract 3.8: so many are awake beside those of the default branch, and no more', async () => {
  for (const id of ['one', 'two']) await server.follow((await create(id)).body.name)
  await server.sql(`${store}/branches/production`, 'select 1') // is not counted
  expect(await create('three')).toMatchObject({
    status: 400,
    body: { error_code: 'QUOTA_EXCEEDED', message: tooMany },
  })
  const reader = { spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' } }
  const second = (branch: string) =>
    server.api(
      'POST',
      `/api/2.0/postgres/${store}/branches/${branch}/endpoints?endpoint_id=r`,
      reader,
    )
  expect(await second('one')).toMatchObject({ status: 400, body: { message: tooMany } })
  await server.follow((await second('production')).body.name)

  // One that sleeps makes room, and has to wait for some itself.
  await disable('one', true)
  await disable('one', false)
  await server.follow((await create('three')).body.name)
  await expect(server.sql(`${store}/branches/one`, 'select 1')).rejects.toMatchObject({
    code: '53400',
    message: expect.stringMatching(/2 computes of project 'store' are awake/),
  })
  expect((await server.sql(`${store}/branches/two`, 'select 2 as n')).rows).toEqual([{ n: 2 }])
  await disable('two', true)
  expect((await server.sql(`${store}/branches/one`, 'select 1 as n')).rows).toEqual([{ n: 1 }])

  // Of several that want the last place at once, one gets it.
  await disable('two', false)
  await disable('one', true)
  await disable('one', false)
  const logins = ['one', 'two', 'one', 'two'].map((id) =>
    server.sql(`${store}/branches/${id}`, 'select 1').then(
      () => id,
      (error: { code?: string }) => error.code,
    ),
  )
  const answers = new Set(await Promise.all(logins))
  expect(answers.has('53400')).toBe(true)
  expect([...answers].filter((answer) => answer !== '53400')).toHaveLength(1)
})
