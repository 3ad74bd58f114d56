/**
 * The server is killed at every failpoint that an import passes, also when it fails and is undone. After a
 * restart the branch is whole, or there is no trace of it: no work directory, no sealed address, no volume.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { eventually, TestServer } from '../fixtures/server.ts'
import { type SourcePostgres, startSourcePostgres } from '../fixtures/source-postgres.ts'
import { isInstalled } from '../migrations/installed-programs.ts'

const canRun = await isInstalled('pg_dump', / 15\./)
const store = 'projects/store'
/** Nothing lies between the end of a step and the beginning of the next but its row. */
const ours = /^(import-branch\..*:(after|undo)|transfer\..*)$/

describe.skipIf(!canRun)('the server killed', () => {
  let server: TestServer
  let source: SourcePostgres
  const trace = () => join(server.stateDir, 'failpoints')

  beforeAll(async () => {
    source = await startSourcePostgres(15)
    server = await TestServer.start()
    await source.sql('create database shop')
    await source.sql(
      'create table kept (n int primary key); insert into kept select generate_series(1, 1000)',
      'shop',
    )
    await source.sql('create database odd')
    await source.sql('create extension adminpack', 'odd')
  }, 240_000)
  afterEach(({ task }) => {
    if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-6000))
  })
  afterAll(async () => {
    await source?.dispose()
    await server?.dispose()
  })

  const attempt = (method: string, path: string, body?: unknown) =>
    server.api(method, `/api/2.0/postgres/${path}`, body).catch(() => undefined)
  const begin = (id: string, database: string) =>
    attempt('POST', `${store}/import-branch?branch_id=${id}`, {
      spec: { source: source.url(database) },
    })

  async function passedBy(id: string, database: string): Promise<readonly string[]> {
    await server.stop()
    await server.launch({ LAKELET_FAILPOINT_TRACE: trace() })
    const lines = () => (existsSync(trace()) ? readFileSync(trace(), 'utf8').split('\n') : [''])
    const before = lines().length
    await begin(id, database)
    await settled()
    return lines()
      .slice(before - 1)
      .filter((name) => ours.test(name))
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

  async function settled(): Promise<void> {
    await eventually(
      'settled',
      async () => {
        if (server.isGone) await server.launch()
        const rows = await catalog(
          "select 1 from operations where state in ('pending', 'running', 'undoing')",
        ).catch(() => [1])
        return rows.length === 0
      },
      60_000,
    )
  }

  async function noTrace(): Promise<void> {
    const imports = join(server.stateDir, 'imports')
    expect(existsSync(imports) ? readdirSync(imports) : []).toEqual([])
    expect(await catalog('select * from import_sources')).toEqual([])
    await nothingHalfMade(server)
  }

  /** Killed there, started again armed (what is resumed may be killed once more), then left alone. */
  async function killedAt(name: string, id: string, database: string): Promise<void> {
    await server.kill() // computes and catalog go on and are adopted
    await server.launch({ LAKELET_FAILPOINTS: `${name}=kill` })
    await begin(id, database)
    await eventually(`${name}: killed`, () => server.isGone, 30_000)
    await server.launchOnly({ LAKELET_FAILPOINTS: `${name}=kill` })
    await eventually(`${name}: up or killed again`, () => server.isGone || server.isUp, 30_000)
    await settled()
  }

  test('at every failpoint of an import: it goes on, and is whole', async () => {
    const passed = await passedBy('probe', 'shop')
    expect(passed.length).toBeGreaterThan(10)
    await server.write('DELETE', `${store}/branches/probe?purge=true`)
    for (const [at, name] of passed.entries()) {
      const id = `killed-${at}`
      await killedAt(name, id, 'shop')
      const branch = `${store}/branches/${id}`
      expect((await attempt('GET', branch))?.body.status.current_state, name).toBe('READY')
      const { rows } = await server.sql(branch, 'select count(*)::int as n from kept', {
        database: 'shop',
      })
      expect(rows, name).toEqual([{ n: 1000 }])
      await server.write('DELETE', `${branch}?purge=true`)
      await noTrace()
    }
  }, 900_000)

  test('at every failpoint of an import that fails: no trace', async () => {
    const passed = (await passedBy('odd', 'odd')).filter((name) => name.endsWith(':undo'))
    expect(passed.length).toBeGreaterThan(5)
    for (const [at, name] of passed.entries()) {
      await killedAt(name, `odd-${at}`, 'odd')
      expect((await attempt('GET', `${store}/branches/odd-${at}`))?.status, name).toBe(404)
      await noTrace()
    }
  }, 600_000)
})
