/** Read-only endpoints when something dies: a reader, its writer, the server, and all at once. */
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
let project: string
const store = 'projects/store'
const production = `${store}/branches/production`

beforeAll(async () => {
  server = await TestServer.start()
  project = (await server.api('GET', `/api/2.0/postgres/${store}`)).body.uid
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

const reader = { spec: { endpoint_type: 'ENDPOINT_TYPE_READ_ONLY' } }

const entries = (path: string): readonly string[] => {
  const directory = join(server.stateDir, path)
  // Bases come and go by themselves.
  return existsSync(directory)
    ? readdirSync(directory)
        .filter((name) => !name.startsWith('ba-'))
        .sort()
    : []
}

async function endpointsOfProduction(): Promise<
  readonly { endpoint_id: string; uid: string; status: { current_state: string } }[]
> {
  const { body } = await server.api('GET', `/api/2.0/postgres/${production}/endpoints`)
  return body.endpoints
}

/** Volumes, WAL and run directories are those of rows, and nothing else. */
async function nothingHalfMade(): Promise<void> {
  const branch = (await server.api('GET', `/api/2.0/postgres/${production}`)).body.uid
  const [writer, ...readers] = await endpointsOfProduction()
  const rows = [branch, ...readers.map(({ uid }) => uid)].sort()
  for (const place of ['pool', 'wal']) {
    await eventually(
      `${place} and rows agree`,
      () => entries(join(place, project)).join() === rows.join(),
    )
  }
  await eventually('no drafts, no trash', () =>
    ['pool/tmp', 'pool/trash', 'wal/trash'].every((path) => entries(path).length === 0),
  )
  const known = [writer, ...readers].map((endpoint) => endpoint?.uid)
  expect(entries('run').filter((name) => name.startsWith('ep-') && !known.includes(name))).toEqual(
    [],
  )
}

const rowsOf = async (endpoint: string): Promise<number> => {
  const { rows } = await server.sql(production, 'select count(*)::int as n from kept', { endpoint })
  return rows[0].n
}

describe('with a reader at work', () => {
  const postmasterOf = (uid: string): number =>
    Number(
      readFileSync(
        join(server.stateDir, 'pool', project, uid, 'volume/postmaster.pid'),
        'utf8',
      ).split('\n')[0],
    )
  const disable = (disabled: boolean, endpoint = 'primary') =>
    server.write('PATCH', `${production}/endpoints/${endpoint}?update_mask=spec.disabled`, {
      spec: { disabled },
    })
  const kill = (pid: number) => process.kill(pid, 'SIGKILL')
  let uid: string
  let branch: string
  beforeAll(async () => {
    uid = (await server.write('POST', `${production}/endpoints?endpoint_id=reader`, reader)).uid
    branch = (await server.api('GET', `/api/2.0/postgres/${production}`)).body.uid
  })

  test('the reader killed: the next login finds it, with everything committed since', async () => {
    expect(await rowsOf('reader')).toBe(1000)
    kill(postmasterOf(uid))
    await server.sql(production, 'insert into kept values (1001)')
    expect(await rowsOf('reader')).toBe(1001)
  })

  test('the writer killed: its reader goes on, and the next login wakes the writer to be sure', async () => {
    const session = await server.connect(production, { endpoint: 'reader' })
    await server.sql(production, 'insert into kept values (1002)')
    kill(postmasterOf(branch))
    expect((await session.query('select max(n) >= 1001 as has from kept')).rows).toEqual([
      { has: true },
    ])
    expect(await rowsOf('reader')).toBe(1002)
    await server.sql(production, 'insert into kept values (1003)')
    await eventually('the open session follows', async () => {
      const { rows } = await session.query('select max(n) as n from kept')
      return rows[0].n === 1003
    })
    await session.end()
  })

  test('the server killed: sessions go on, and the next server takes the reader over', async () => {
    const session = await server.connect(production, { endpoint: 'reader' })
    const before = postmasterOf(uid)
    await server.kill()
    expect((await session.query('select count(*)::int as n from kept')).rows).toEqual([{ n: 1003 }])
    await server.launch()
    expect(postmasterOf(uid)).toBe(before)
    await server.sql(production, 'insert into kept values (1004)')
    expect(await rowsOf('reader')).toBe(1004)
    await session.end()
  })

  test('its receiver stopped until its log is gone: it is made anew, without a login', async () => {
    const session = await server.connect(production, { endpoint: 'reader' })
    const ended = new Promise<string>((resolve) => {
      session.on('error', (error: Error & { code?: string }) => resolve(error.code ?? ''))
    })
    const { rows } = await session.query('select pid from pg_stat_get_wal_receiver()')
    const receiver: number = rows[0].pid
    process.kill(receiver, 'SIGSTOP')
    try {
      await server.sql(
        production,
        'create table ballast as select generate_series(1, 300000) as n; drop table ballast',
      )
      // A writer that stops waits for nobody for long. What its reader still needs goes as history that
      // gave way does: of a stopped cluster the last segments are enough.
      await disable(true)
      const live = join(server.stateDir, 'wal', project, branch, 'live')
      const segments = readdirSync(live).filter((name) => /^[0-9A-F]{24}$/.test(name))
      for (const name of segments.sort().slice(0, -2)) rmSync(join(live, name))
      await disable(false)
      await server.sql(production, 'select 1')
    } finally {
      process.kill(receiver, 'SIGCONT')
    }
    expect(await ended).toBe('57P01')
    expect(server.log).toMatch(/"standing":"lost"/)
    expect(await rowsOf('reader')).toBe(1004)
  }, 120_000)

  test('everything killed at once, as when the power goes: nothing is lost, nothing is left', async () => {
    await server.sql(production, 'insert into kept values (1005)')
    for (const pid of server.processes()) {
      try {
        kill(pid)
      } catch {
        // It ended with its parent.
      }
    }
    await server.exit()
    await server.launch()
    expect(await rowsOf('reader')).toBe(1005)
    await nothingHalfMade()
  })

  test('its volume lost: it is made anew', async () => {
    await disable(true, 'reader')
    rmSync(join(server.stateDir, 'pool', project, uid, 'volume/global/pg_control'))
    await disable(false, 'reader')
    expect(await rowsOf('reader')).toBe(1005)
    await server.write('DELETE', `${production}/endpoints/reader`)
    await nothingHalfMade()
  })
})
