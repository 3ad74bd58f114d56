/** The server is killed around the line of a write: afterwards both are there, or neither. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const postgres = '/api/2.0/postgres'
const users = '/api/2.0/preview/scim/v2/Users'
const store = 'projects/store'

beforeAll(async () => {
  server = await TestServer.start()
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
})
afterAll(async () => {
  await server?.dispose()
})

const told = async (query: string): Promise<readonly { result: string }[]> =>
  (await server.api('GET', `/api/lakelet/v1/audit?${query}`)).body.entries

async function killedAt(point: string, work: () => Promise<unknown>): Promise<void> {
  await server.stop()
  // The first line of a start is that of the owner's link.
  await server.launch({
    LAKELET_FAILPOINTS: point.startsWith('audit.end') ? `${point}=kill` : `${point}=kill@2`,
  })
  await work().catch(() => undefined)
  await eventually(`killed at ${point}`, () => server.isGone)
  await server.launch()
}

const exists = async (path: string) => (await server.api('GET', path)).status === 200

test.each([
  ['audit.append:before', 1],
  ['audit.append:after', 2],
])('at %s neither the write nor its line is there', async (point, n) => {
  const id = `cut-${n}`
  await killedAt(point, () =>
    server.api('POST', `${postgres}/${store}/branches?branch_id=${id}`, { spec: { ttl: '1h' } }),
  )
  expect(await exists(`${postgres}/${store}/branches/${id}`)).toBe(false)
  expect(await told(`resource=${store}/branches/${id}`)).toEqual([])

  const name = `cut-${n}@example.com`
  await killedAt(point, () => server.api('POST', users, { userName: name }))
  const { body } = await server.api(
    'GET',
    `${users}?filter=${encodeURIComponent(`userName eq "${name}"`)}`,
  )
  expect(body.Resources).toEqual([])
  expect(await told(`resource=identities/${name}`)).toEqual([])

  const tag = `cut ${n}`
  await killedAt(point, () =>
    server.api('PATCH', `${postgres}/${store}?update_mask=spec.display_name`, {
      spec: { display_name: tag },
    }),
  )
  const project = await server.api('GET', `${postgres}/${store}`)
  expect(project.body.status.display_name).not.toBe(tag)
  expect(await told('action=update-project')).toEqual([])
})

test('at the commit both are there, though nobody was answered', async () => {
  const name = 'committed@example.com'
  await killedAt('audit.commit:after', () => server.api('POST', users, { userName: name }))
  const { body } = await server.api(
    'GET',
    `${users}?filter=${encodeURIComponent(`userName eq "${name}"`)}`,
  )
  expect(body.Resources).toHaveLength(1)
  expect(await told(`resource=identities/${name}`)).toMatchObject([{ result: 'succeeded' }])
})

test.each([
  ['audit.end:before', 3],
  ['audit.end:after', 4],
])('at %s the operation resumes, and its end is told once', async (point, n) => {
  const id = `cut-${n}`
  await killedAt(point, async () => {
    await server.api('POST', `${postgres}/${store}/branches?branch_id=${id}`, {
      spec: { ttl: '1h' },
    })
    await eventually('it is killed', () => server.isGone)
  })
  await eventually(
    'the branch is made',
    async () => (await told(`resource=${store}/branches/${id}`)).length === 2,
  )
  expect(await told(`resource=${store}/branches/${id}`)).toMatchObject([
    { result: 'succeeded' },
    { result: 'accepted' },
  ])
  const { body } = await server.api('GET', `${postgres}/${store}/branches/${id}`)
  expect(body.status.current_state).toBe('READY')
})

test('after all that the chain is whole', async () => {
  const { body } = await server.api('GET', '/api/lakelet/v1/audit/verify')
  expect(body).toMatchObject({ verified: true })
})
