/**
 * The server is killed while a branch is made from a snapshot that is being deleted, and between what a
 * schedule does.
 */
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'
const production = `${store}/branches/production`
const snapshots = `${store}/snapshots`
const spec = { spec: { source_branch: production, no_expiry: true } }

beforeAll(async () => {
  server = await TestServer.start()
  await server.sql(
    production,
    'create table kept (n int primary key); insert into kept select generate_series(1, 1000)',
  )
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
})
afterAll(async () => {
  await server?.dispose()
})

/** A request that a kill may cut off. */
const attempt = (method: string, path: string, body?: unknown) =>
  server.api(method, `/api/2.0/postgres/${path}`, body).catch(() => undefined)

/** Launches until the server stays up: what it resumes may kill it once more at the same place. */
async function launchTwice(failpoint: string): Promise<void> {
  await server.launchOnly({ LAKELET_FAILPOINTS: `${failpoint}=kill` })
  await eventually(`${failpoint}: up or killed again`, () => server.isGone || server.isUp)
  if (server.isGone) await server.launch()
}

/** Nothing is at work: an operation that is accepted now is the only one. */
async function settled(what: string): Promise<void> {
  await eventually(`${what}: settled`, async () => {
    if (server.isGone) await server.launch()
    const rows = await catalog(
      "select 1 from operations where state in ('pending', 'running', 'undoing')",
    ).catch(() => [1])
    return rows.length === 0
  })
}

async function catalog(text: string) {
  const client = new pg.Client({
    host: join(server.stateDir, 'run/catalog'),
    user: 'cloud_admin',
    database: 'lakelet',
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

describe('the server killed', () => {
  test('while a branch is made from a snapshot whose delete waits', async () => {
    await server.stop()
    await server.launch()
    await server.write('POST', `${snapshots}?snapshot_id=left`, spec)
    for (const name of ['create-branch.clone:before', 'create-branch.clone:after']) {
      const id = name.replace(/[^a-z]/g, '-')
      await server.stop()
      await server.launch({ LAKELET_FAILPOINTS: `storage.clone:before=sleep:800,${name}=kill` })
      const made = attempt('POST', `${store}/branches?branch_id=${id}`, {
        spec: { ttl: '1h', source_snapshot: `${snapshots}/left` },
      })
      await made
      await attempt('DELETE', `${snapshots}/left`)
      await eventually(`${name}: killed`, () => server.isGone)
      await launchTwice(name)
      await settled(name)
      const branch = `${store}/branches/${id}`
      const reply = await attempt('GET', branch)
      if (reply?.status === 200) {
        const { rows } = await server.sql(branch, 'select count(*)::int as n from kept')
        expect(rows[0].n).toBe(1000)
        await server.write('DELETE', `${branch}?purge=true`)
      }
      await nothingHalfMade(server)
      if ((await attempt('GET', `${snapshots}/left`))?.status !== 200) {
        await server.write('POST', `${snapshots}?snapshot_id=left`, spec)
      }
    }
    await server.write('DELETE', `${snapshots}/left`)
  }, 120_000)

  test('where a schedule has one due: it is taken once', async () => {
    const schedule = `${production}/snapshot-schedule`
    await server.api('PATCH', `/api/2.0/postgres/${schedule}?update_mask=schedule`, {
      schedule: [{ retention: '86400s', daily_schedule: { hour: 3 } }],
    })
    for (const name of ['create-snapshot.take:before', 'create-snapshot.record:after']) {
      await server.kill()
      await catalog("update snapshot_schedules set next_time = now() - interval '2 days'")
      await server.launchOnly({ LAKELET_FAILPOINTS: `${name}=kill` })
      await eventually(`${name}: killed`, () => server.isGone)
      await launchTwice(name)
      await settled(name)
      const { body } = await server.api('GET', `/api/2.0/postgres/${snapshots}`)
      expect(body.snapshots).toHaveLength(1)
      for (const made of body.snapshots) await server.write('DELETE', made.name)
      await nothingHalfMade(server)
    }
  }, 120_000)
})
