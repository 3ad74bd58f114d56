/** Many at once: of one id one wins and the others hear why; of many writes on a branch none is lost. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Reply, TestServer } from '../fixtures/server.ts'
import {
  ask,
  empty,
  expectRefusal,
  notFound,
  production,
  type Refusal,
  store,
} from './contract/shapes.ts'

import { anyCall } from './model/calls.ts'
import { send } from './model/send.ts'

let server: TestServer
let owner: string
const place = mkdtempSync(join(tmpdir(), 'lakelet-backups-'))
const noEnd = { spec: { no_expiry: true } }

beforeAll(async () => {
  server = await TestServer.start()
  owner = (await ask(server).read(`${production}/roles`)).roles[0].name
})
afterAll(async () => {
  await server?.dispose()
  rmSync(place, { recursive: true, force: true })
})

const exists = (message: string): Refusal => ({ status: 409, code: 'ALREADY_EXISTS', message })
const taken = (message: string): Refusal => ({ status: 400, code: 'BAD_REQUEST', message })

describe('eight creates of one id at once: one wins', () => {
  test.each<[string, string, string, () => object, Refusal]>([
    [
      'project',
      'projects',
      'projects',
      () => ({}),
      exists('project with such id already exists in the workspace'),
    ],
    [
      'branch',
      `${store}/branches`,
      'branches',
      () => ({ spec: { ttl: '3600s' } }),
      exists('branch with such id already exists'),
    ],
    [
      'endpoint',
      `${production}/endpoints`,
      'endpoints',
      () => ({ spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' } }),
      exists('endpoint with such id already exists'),
    ],
    [
      'role',
      `${production}/roles`,
      'roles',
      () => ({ spec: { postgres_role: 'contested' } }),
      taken('role with that name already exists'),
    ],
    [
      'database',
      `${production}/databases`,
      'databases',
      () => ({ spec: { postgres_database: 'contested', role: owner } }),
      taken('database with that name already exists'),
    ],
  ])('%s', async (kind, collection, key, body, refusal) => {
    const { post, read } = ask(server)
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => post(`${collection}?${kind}_id=contested`, body())),
    )
    const [won, ...others] = replies.filter(({ status }) => status === 200)
    expect(others).toEqual([])
    for (const reply of replies) if (reply !== won) expectRefusal(reply, refusal)
    const made = await server.follow(won?.body.name)
    expect(await read(made.name)).toMatchObject({ name: made.name, create_time: made.create_time })
    const listed = (await read(collection))[key].filter(
      (one: Reply['body']) => one.name === made.name,
    )
    expect(listed).toHaveLength(1)
    const purge = ['project', 'branch'].includes(kind) ? '?purge=true' : ''
    expect(await server.write('DELETE', `${made.name}${purge}`)).toEqual(empty)
  })
})

describe('on one branch', () => {
  const busy = `${store}/branches/busy`

  beforeAll(async () => {
    await server.write('POST', `${store}/branches?branch_id=busy`, { spec: { no_expiry: true } })
  })

  test('fifty writes at once are queued, none is lost, and every operation ends', async () => {
    const { post, patch, read } = ask(server)
    const turns = Array.from({ length: 10 }, (_, n) => n)
    const seconds = (n: number): string => `${600 + n}s`
    const sent = turns.flatMap((n) => [
      post(`${busy}/roles?role_id=role-${n}`, { spec: { postgres_role: `role-${n}` } }),
      post(`${busy}/databases?database_id=db-${n}`, {
        spec: { postgres_database: `db_${n}`, role: owner.replace(production, busy) },
      }),
      patch(`${busy}/endpoints/primary?update_mask=spec.suspension`, {
        spec: { suspend_timeout_duration: seconds(n) },
      }),
      patch(`${busy}?update_mask=spec.is_protected`, { spec: { is_protected: n % 2 === 0 } }),
      patch(`${busy}/roles/${owner.split('/').at(-1)}?update_mask=spec.attributes.bypassrls`, {
        spec: { attributes: { bypassrls: n % 2 === 0 } },
      }),
    ])
    expect(sent).toHaveLength(50)
    const accepted = await Promise.all(sent)
    for (const { status, body } of accepted)
      expect([status, body.error_code]).toEqual([200, undefined])
    const names = accepted.map(({ body }) => body.name)
    expect(new Set(names).size).toBe(50)
    const ended = await Promise.all(names.map((name) => server.follow(name)))

    const ids = (kind: 'roles' | 'databases', one: string) => async () =>
      (await read(`${busy}/${kind}?page_size=1000`))[kind].map((it: Reply['body']) => it[one])
    const made = (prefix: string) => turns.map((n) => `${prefix}-${n}`)
    expect(await ids('roles', 'role_id')()).toEqual(expect.arrayContaining(made('role')))
    expect(await ids('databases', 'database_id')()).toEqual(expect.arrayContaining(made('db')))
    // What was accepted last holds: the latest time of all that was said of the endpoint.
    const said = ended.filter(({ endpoint_id }) => endpoint_id === 'primary')
    expect(said).toHaveLength(10)
    const { status, update_time } = await read(`${busy}/endpoints/primary`)
    expect(turns.map(seconds)).toContain(status.suspend_timeout_duration)
    const times = said.map((one) => Date.parse(one.update_time))
    expect(Date.parse(update_time)).toBe(Math.max(...times))
    expect((await read(busy)).status).toMatchObject({ current_state: 'READY' })
    expect((await read(busy)).status).not.toHaveProperty('pending_state')
    for (const name of names) expect((await read(name)).done).toBe(true)
  }, 120_000)

  test('a delete right behind a create and an update waits for them', async () => {
    const { post, patch, remove, get } = ask(server)
    const reader = `${busy}/endpoints/reader`
    const started = [
      await post(`${busy}/endpoints?endpoint_id=reader`, {
        spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' },
      }),
      await patch(`${reader}?update_mask=spec.suspension`, { spec: { no_suspension: true } }),
      await remove(reader),
    ]
    expect(started.map(({ status }) => status)).toEqual([200, 200, 200])
    expectRefusal(await get(reader), notFound('endpoint'))
    const [, , last] = await Promise.all(started.map(({ body }) => over(body.name)))
    expect(last.response).toEqual(empty)
    expectRefusal(await get(reader), notFound('endpoint'))
  })
})

test.each([
  ['made', async (name: string) => [`${store}/branches?branch_id=${name}`, noEnd] as const],
  [
    'restored from a backup',
    async (name: string) => {
      await server.write('POST', `${production}/backups`, { to: place })
      return ['backups/restore', { from: place, into: `${store}/branches/${name}` }] as const
    },
  ],
])('a branch deleted and undeleted while it is %s is READY when it answers', async (how, make) => {
  const { post, get, remove, read } = ask(server)
  const id = `wavering-${how.length}`
  const name = `${store}/branches/${id}`
  const [path, body] = await make(id)
  const started = [await post(path, body), await remove(name), await post(`${name}/undelete`)]
  expect(started.map(({ status }) => status)).toEqual([200, 200, 200])
  for (let { status } = await read(name); status.current_state !== 'READY'; ) {
    expect(status).toMatchObject({ current_state: 'INIT', pending_state: 'READY' })
    status = (await read(name)).status
  }
  expect((await get(`${name}/roles`)).status).toBe(200)
  for (const reply of started) await over(reply.body.name)
  expect((await read(name)).status).toMatchObject({ current_state: 'READY' })
  expect((await server.sql(name, 'select 1 as one')).rows).toEqual([{ one: 1 }])
  await server.write('DELETE', `${name}?purge=true`)
})

/** However it ends: what is deleted meanwhile may fail to be made. */
async function over(name: string): Promise<Reply['body']> {
  for (;;) {
    const operation = await ask(server).read(name)
    if (operation.done) return operation
  }
}

test('a hundred and twenty random calls at once: every operation ends, and nothing is half made', async () => {
  const seed = Number(process.env.LAKELET_TEST_SEED ?? Math.floor(Math.random() * 2 ** 31))
  const { post, read } = ask(server)
  await server.follow((await post('projects?project_id=crowd-p')).body.name)
  for (const id of ['a', 'b']) {
    await server.write('POST', `projects/crowd-p/branches?branch_id=${id}`, {
      spec: { no_expiry: true },
    })
  }
  // Without the project there would be little to see.
  const calls = fc
    .sample(anyCall, { seed, numRuns: 160 })
    .filter(({ do: verb }) => verb !== 'delete-project')
    .slice(0, 120)
  const replies = await Promise.all(calls.map((call) => send(server, 'crowd', call)))
  for (const [index, { status, body }] of replies.entries()) {
    const told = `seed ${seed}: ${JSON.stringify(calls[index])}: ${JSON.stringify(body)}`
    expect([200, 400, 404, 409], told).toContain(status)
  }
  const accepted = replies.filter(({ status }) => status === 200)
  const ended = await Promise.all(accepted.map(({ body }) => over(body.name)))
  console.info(`seed ${seed}: ${accepted.length} calls accepted`)
  for (const { error } of ended) expect(error?.error_code ?? 'ok').not.toBe('INTERNAL_ERROR')

  const { projects } = await read('projects?show_deleted=true')
  for (const { name, delete_time } of projects as readonly Reply['body'][]) {
    if (!name.startsWith('projects/crowd-')) continue
    if (delete_time !== undefined) await server.write('POST', `${name}/undelete`)
    for (const branch of (await read(`${name}/branches`)).branches) {
      expect(branch.status.current_state, `seed ${seed}`).toBe('READY')
      expect(branch.status).not.toHaveProperty('pending_state')
      for (const endpoint of (await read(`${branch.name}/endpoints`)).endpoints) {
        expect(endpoint.status.current_state).toMatch(/^(ACTIVE|IDLE)$/)
        if (endpoint.status.disabled) continue
        const of = { endpoint: endpoint.endpoint_id }
        expect((await server.sql(branch.name, 'select 1 as one', of)).rows).toEqual([{ one: 1 }])
      }
    }
  }
}, 180_000)
