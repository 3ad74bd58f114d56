/**
 * The server is killed at every failpoint that a create and a delete of a branch pass. After a restart
 * the operation has ended in one of two ways: the branch is whole, or there is no trace of it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
let projectUid: string
const store = 'projects/store'
const trace = () => join(server.stateDir, 'failpoints')

beforeAll(async () => {
  server = await TestServer.start()
  projectUid = (await server.api('GET', `/api/2.0/postgres/${store}`)).body.uid
  await server.sql(
    `${store}/branches/production`,
    'create table kept (n int primary key); insert into kept select generate_series(1, 1000)',
  )
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
})
afterAll(async () => {
  await server?.dispose()
})

/** Names passed while `work` runs on a server that traces them. */
async function failpointsOf(work: () => Promise<unknown>): Promise<readonly string[]> {
  await server.stop()
  await server.launch({ LAKELET_FAILPOINT_TRACE: trace() })
  const before = existsSync(trace()) ? readFileSync(trace(), 'utf8').split('\n').length : 0
  await work()
  return readFileSync(trace(), 'utf8')
    .split('\n')
    .slice(Math.max(0, before - 1))
    .filter(Boolean)
}

/** A request that a kill may cut off. */
const attempt = (method: string, path: string, body?: unknown) =>
  server.api(method, `/api/2.0/postgres/${path}`, body).catch(() => undefined)

/** Directories of branches on disk and rows of branches must be the same set. */
async function nothingHalfMade(): Promise<void> {
  const { body } = await server.api(
    'GET',
    `/api/2.0/postgres/${store}/branches?show_deleted=true&page_size=1000`,
  )
  const rows = body.branches.map(({ uid }: { uid: string }) => uid).sort()
  // Bases come and go by themselves.
  const entries = (path: string) =>
    existsSync(path)
      ? readdirSync(path)
          .filter((name) => !name.startsWith('ba-'))
          .sort()
      : []
  await eventually(
    'volumes and rows agree',
    () => entries(join(server.stateDir, 'pool', projectUid)).join() === rows.join(),
  )
  await eventually(
    'WAL and rows agree',
    () => entries(join(server.stateDir, 'wal', projectUid)).join() === rows.join(),
  )
  await eventually('no drafts, no trash', () =>
    ['pool/tmp', 'pool/trash', 'wal/trash'].every(
      (path) => entries(join(server.stateDir, path)).length === 0,
    ),
  )
}

const isWhole = async (id: string): Promise<boolean> => {
  const { status, body } = await server.api('GET', `/api/2.0/postgres/${store}/branches/${id}`)
  if (status === 404) return false
  expect(body.status.current_state).toBe('READY')
  const { rows } = await server.sql(
    `${store}/branches/${id}`,
    'select count(*)::int as n from kept',
  )
  expect(rows[0].n).toBe(1000)
  return true
}

describe('the server killed', () => {
  test('at every failpoint of create and delete, twice', async () => {
    const spec = { spec: { ttl: '1h' } }
    const create = await failpointsOf(() =>
      server.write('POST', `${store}/branches?branch_id=probe`, spec),
    )
    const remove = await failpointsOf(() =>
      server.write('DELETE', `${store}/branches/probe?purge=true`),
    )
    // Those of accepting a write are not passed again by whoever resumes it: audit.test.ts kills there.
    const passed = [...new Set([...create, ...remove])].filter(
      (name) => !/^audit[.](append|commit)/.test(name),
    )
    expect(passed.filter((name) => name.startsWith('create-branch.')).length).toBeGreaterThan(6)
    expect(passed.filter((name) => name.startsWith('delete-branch.')).length).toBeGreaterThan(3)
    let n = 0
    for (const name of passed) {
      await server.kill() // computes and catalog go on and are adopted
      await server.launch({ LAKELET_FAILPOINTS: `${name}=kill` })
      n += 1
      const id = `killed-${n}`
      const posted = await attempt('POST', `${store}/branches?branch_id=${id}`, spec)
      if (posted !== undefined) expect(posted.body, name).toHaveProperty('name')
      await eventually(`${name}: killed, or the branch made`, async () => {
        if (server.isGone) return true
        const { body } = (await attempt('GET', `${store}/branches/${id}`)) ?? {}
        return body?.status?.current_state === 'READY'
      })
      if (!server.isGone) await attempt('DELETE', `${store}/branches/${id}?purge=true`)
      await eventually(`${name}: killed`, () => server.isGone)
      // Dies once more at the same place, when it resumes; then it is let live.
      await server.launchOnly({ LAKELET_FAILPOINTS: `${name}=kill` })
      await eventually(`${name}: up or killed again`, () => server.isGone || server.isUp)
      await eventually(`${name}: settled`, async () => {
        if (server.isGone) await server.launch()
        const reply = await attempt('GET', `${store}/branches?show_deleted=true`)
        return (
          reply?.body.branches.every(
            (b: { status: { current_state: string } }) => b.status.current_state === 'READY',
          ) ?? false
        )
      })
      if (await isWhole(id)) await server.write('DELETE', `${store}/branches/${id}?purge=true`)
      await nothingHalfMade()
    }
  }, 600_000)
})
