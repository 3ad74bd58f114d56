/**
 * The server is killed while it takes bases, removes them, removes WAL, and recovers a point. After a restart
 * nothing is left over, and every point of the window can be had.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { catalogRows, superuserRows } from '../fixtures/catalog-rows.ts'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { nothingIsLeft } from '../fixtures/nothing-left.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
let server: TestServer

beforeAll(async () => {
  server = await TestServer.start()
  await begun(`${store}/branches/production`) // what is taken from now on is what a test made
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
})
afterAll(async () => {
  await server?.dispose()
})

const get = async (path: string) => (await server.api('GET', `/api/2.0/postgres/${path}`)).body
const attempt = (method: string, path: string, body?: unknown) =>
  server.api(method, `/api/2.0/postgres/${path}`, body).catch(() => undefined)
const make = (id: string, spec: object = {}) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h', ...spec } })
const basesOf = (uid: string) =>
  catalogRows(server, `select uid, state from bases where branch_uid = '${uid}'`)
const begun = (of: string) =>
  eventually(`${of} has history`, async () => {
    return (await get(of).catch(() => undefined))?.status?.history !== undefined
  })

async function point(of: string, n: number): Promise<string> {
  await server.sql(of, `insert into kept values (${n})`)
  const { rows } = await server.sql(of, 'select pg_current_wal_insert_lsn()::text as lsn')
  return rows[0].lsn
}

/** A point between two writes can be had. */
async function isReachable(of: string, id: string): Promise<void> {
  const lsn = await point(of, 1)
  await point(of, 2)
  const made = await make(id, { source_branch: of, source_branch_lsn: lsn })
  const { rows } = await server.sql(made.name, 'select n from kept')
  expect(rows).toEqual([{ n: 1 }])
  await server.write('DELETE', `${made.name}?purge=true`)
}

/** Dies once more at the same place, if it comes by there; then it is let live. */
async function launchTwice(armed: string): Promise<void> {
  await server.launchOnly({ LAKELET_FAILPOINTS: `${armed}=kill` })
  await eventually(`${armed}: up or killed again`, () => server.isGone || server.isUp)
  if (!server.isGone) await server.kill()
  await server.launch()
}

describe('the server killed', () => {
  test.each(['take-base.inserted', 'take-base.cloned', 'take-base.published'])(
    'while it takes a base, at %s',
    async (name) => {
      const id = name.replace(/[^a-z]/g, '-')
      await server.kill()
      await server.launch({ LAKELET_FAILPOINTS: `history/${name}=kill` })
      await attempt('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h' } })
      await eventually(`${name}: killed`, () => server.isGone)
      await launchTwice(`history/${name}`)
      const branch = `${store}/branches/${id}`
      await eventually(
        'it is made',
        async () => (await get(branch)).status?.current_state === 'READY',
      )
      await begun(branch)
      await server.sql(branch, 'create table kept (n int)')
      await isReachable(branch, `of-${id}`)
      const { uid } = await get(branch)
      expect(await basesOf(uid)).toMatchObject([{ state: 'READY' }])
      await server.write('DELETE', `${branch}?purge=true`)
      await nothingHalfMade(server)
      await nothingIsLeft(server)
    },
    120_000,
  )

  test.each(['place-at.found', 'place-at.published'])(
    'while it recovers a point, at %s',
    async (name) => {
      const id = name.replace(/[^a-z]/g, '-')
      const source = await make(`source-${id}`)
      await begun(source.name)
      await server.sql(source.name, 'create table kept (n int)')
      const lsn = await point(source.name, 1)
      await point(source.name, 2)
      await server.kill()
      await server.launch({ LAKELET_FAILPOINTS: `${name}=kill` })
      await attempt('POST', `${store}/branches?branch_id=${id}`, {
        spec: { ttl: '1h', source_branch: source.name, source_branch_lsn: lsn },
      })
      await eventually(`${name}: killed`, () => server.isGone)
      await launchTwice(name)
      const branch = `${store}/branches/${id}`
      await eventually(
        'it is made',
        async () => (await get(branch)).status?.current_state === 'READY',
      )
      expect((await server.sql(branch, 'select n from kept')).rows).toEqual([{ n: 1 }])
      await server.write('DELETE', `${branch}?purge=true`)
      await server.write('DELETE', `${source.name}?purge=true`)
      await nothingIsLeft(server)
    },
    120_000,
  )

  test.each(['erase-base.retired', 'erase-base.erased'])(
    'while a base goes with its branch, at %s',
    async (name) => {
      const source = await make('going')
      await begun(source.name)
      await server.kill()
      await server.launch({ LAKELET_FAILPOINTS: `${name}=kill` })
      await attempt('DELETE', `${source.name}?purge=true`)
      await eventually(`${name}: killed`, () => server.isGone)
      await launchTwice(name)
      await eventually('it is gone', async () => (await basesOf(source.uid)).length === 0)
      await nothingHalfMade(server)
      await nothingIsLeft(server)
    },
    120_000,
  )

  test('while history is let go of, at each place', async () => {
    const source = await make('aging')
    const { uid, name: branch } = source
    await begun(branch)
    await server.sql(branch, 'create table kept (n int)')
    const endpoint = (await get(`${branch}/endpoints/primary`)).uid
    const socket = join(server.stateDir, 'run', endpoint)
    const live = join(server.stateDir, 'wal', (await get(store)).uid, uid, 'live')
    const segments = () => readdirSync(live).filter((name) => /^[0-9A-F]{24}$/.test(name)).length
    const short = { LAKELET_HISTORY_RETENTION: '1s' }
    for (const name of [
      'erase-base.retired',
      'erase-base.erased',
      'storage.remove-wal:before',
      'storage.remove-wal:after',
    ]) {
      const first = (await get(branch)).status.history.window_start_lsn
      await server.kill()
      await server.launch({ ...short, LAKELET_FAILPOINTS: `history/${name}=kill` })
      await server.sql(branch, 'select 1')
      // More than one base's worth, in segments that a checkpoint leaves behind.
      await superuserRows(
        socket,
        `select count(pg_logical_emit_message(false, 'filler', repeat('x', 1000000)))
         from generate_series(1, 300)`,
      )
      await superuserRows(socket, 'checkpoint')
      const most = segments()
      await eventually(
        `${name}: killed, or done`,
        async () => {
          if (server.isGone) return true
          const seen = await get(branch).catch(() => undefined) // killed just then
          return segments() < most - 20 && seen?.status?.history?.window_start_lsn !== first
        },
        60_000,
      )
      if (!server.isGone) await server.kill()
      await server.launch(short)
      await eventually(
        'the window has moved on, and its WAL is gone',
        async () =>
          (await get(branch)).status.history?.window_start_lsn !== first && segments() < most - 20,
        60_000,
      )
      expect((await basesOf(uid)).every(({ state }) => state === 'READY')).toBe(true)
      const early = await attempt('POST', `${store}/branches?branch_id=never`, {
        spec: { ttl: '1h', source_branch: branch, source_branch_lsn: first },
      })
      expect(early?.status).toBe(400)
      expect(early?.body.message).toContain('begins at')
      await server.sql(branch, 'truncate kept')
      await isReachable(branch, 'of-aging')
    }
    await server.write('DELETE', `${branch}?purge=true`)
    await nothingHalfMade(server)
    await nothingIsLeft(server)
  }, 480_000)
})
