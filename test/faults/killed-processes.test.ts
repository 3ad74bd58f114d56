/**
 * Each kind of process killed without a word, one after another on one server: who was connected, what
 * was committed, and what the next client meets.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
let project: string
const store = 'projects/store'
const production = `${store}/branches/production`

beforeAll(async () => {
  server = await TestServer.start()
  project = (await server.api('GET', `/api/2.0/postgres/${store}`)).body.uid
  await server.sql(production, 'create table kept (n int primary key)')
})
afterAll(async () => {
  await server?.dispose()
})

/** Rows that were committed, and whether each is there. */
const committed: number[] = []
async function commit(client?: pg.Client): Promise<void> {
  const n = committed.length + 1
  const statement = `insert into kept values (${n})`
  await (client === undefined ? server.sql(production, statement) : client.query(statement))
  committed.push(n)
}
async function nothingLost(): Promise<void> {
  const { rows } = await server.sql(production, 'select n from kept order by n')
  expect(rows.map(({ n }) => n)).toEqual(committed)
}

const postmasterOf = (directory: string): number =>
  Number(readFileSync(join(server.stateDir, directory, 'postmaster.pid'), 'utf8').split('\n')[0])
async function volumeOf(branch: string): Promise<string> {
  const { body } = await server.api('GET', `/api/2.0/postgres/${branch}`)
  return join('pool', project, body.uid, 'volume')
}
const kill = (pid: number) => process.kill(pid, 'SIGKILL')
const gatewayPid = async (): Promise<number> =>
  (await server.api('GET', '/api/lakelet/v1/status')).body.gateway.pid

/** A login that may meet the moment in which something is being started again. */
async function comesBack(): Promise<void> {
  await eventually('logins work', async () => {
    try {
      await server.sql(production, 'select 1')
      return true
    } catch {
      return false
    }
  })
}

describe('a compute killed', () => {
  test('at its postmaster: the next connection works and nothing committed is lost', async () => {
    const session = await server.connect(production)
    await commit(session)
    const before = postmasterOf(await volumeOf(production))
    kill(before)
    await nothingLost()
    expect(postmasterOf(await volumeOf(production))).not.toBe(before)
    await expect(session.query('select 1')).rejects.toThrow()
    await commit()
  })

  test('at one backend: sessions end, the next connection works', async () => {
    const session = await server.connect(production)
    const { rows } = await session.query('select pg_backend_pid() as pid')
    await commit(session)
    kill(rows[0].pid)
    await comesBack()
    await nothingLost()
    await commit()
  })

  test('while a branch is made of it: the branch is whole or there is none', async () => {
    await server.sql(
      production,
      "create table ballast as select n, repeat('x', 200) as filler from generate_series(1, 50000) n",
    )
    const started = await server.api(
      'POST',
      `/api/2.0/postgres/${store}/branches?branch_id=meanwhile`,
      { spec: { ttl: '1h' } },
    )
    kill(postmasterOf(await volumeOf(production)))
    const branch = await server.follow(started.body.name).catch((error: unknown) => String(error))
    await nothingLost()
    if (typeof branch !== 'string') {
      const { rows } = await server.sql(branch.name, 'select count(*)::int as n from kept')
      expect(rows).toEqual([{ n: committed.length }])
      await server.write('DELETE', `${branch.name}?purge=true`)
    }
    await nothingHalfMade(server)
    await commit()
  })

  test('still lets roles with a password log in', async () => {
    await server.write('PATCH', `${store}?update_mask=spec.enable_pg_native_login`, {
      spec: { enable_pg_native_login: true },
    })
    await server.sql(production, "create role app login password 'app'")
    kill(postmasterOf(await volumeOf(production)))
    await (await server.connect(production, { credential: 'app', user: 'app' })).end()
    await server.sql(production, 'drop role app')
  })
})

describe('the gateway killed', () => {
  test('comes back by itself; sessions end, nothing else does', async () => {
    const session = await server.connect(production)
    await commit(session)
    const [gateway, postmaster] = [await gatewayPid(), postmasterOf(await volumeOf(production))]
    kill(gateway)
    await expect(session.query('select 1')).rejects.toThrow()
    await comesBack()
    expect(await gatewayPid()).not.toBe(gateway)
    expect(postmasterOf(await volumeOf(production))).toBe(postmaster)
    await commit()
    await nothingLost()
    // Endpoints made after it are listened for as well.
    const branch = await server.write('POST', `${store}/branches?branch_id=after-gateway`, {
      spec: { ttl: '1h' },
    })
    await server.sql(branch.name, 'select n from kept')
    await server.write('DELETE', `${branch.name}?purge=true`)
  })
})

describe('the catalog killed', () => {
  test('comes back by itself, with all that it knew, and sessions never notice', async () => {
    const session = await server.connect(production)
    const before = postmasterOf('catalog')
    kill(before)
    await commit(session)
    await eventually('the API answers', async () => {
      const { status } = await server.api('GET', `/api/2.0/postgres/${store}/branches`)
      return status === 200
    })
    expect(postmasterOf('catalog')).not.toBe(before)
    await commit(session)
    await session.end()
    await nothingLost()
    // Operations run, and what is announced is heard again.
    const branch = await server.write('POST', `${store}/branches?branch_id=after-catalog`, {
      spec: { ttl: '3s' },
    })
    await server.sql(branch.name, 'select 1')
    await eventually('it ends by itself', async () => {
      const { status } = await server.api('GET', `/api/2.0/postgres/${branch.name}`)
      return status === 404
    })
    await nothingHalfMade(server)
  })

  test('together with an operation: it ends one way or the other', async () => {
    const started = await server.api(
      'POST',
      `/api/2.0/postgres/${store}/branches?branch_id=cut-off`,
      { spec: { ttl: '1h' } },
    )
    kill(postmasterOf('catalog'))
    let state = ''
    await eventually(
      'the operation is over',
      async () => {
        const path = `/api/2.0/postgres/${started.body.name}`
        const reply = await server.api('GET', path).catch(() => undefined)
        state = JSON.stringify(reply?.body)
        return reply?.status === 200 && reply.body.done === true
      },
      50_000,
    ).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${state}`)
    })
    await server.write('DELETE', `${store}/branches/cut-off?purge=true&allow_missing=true`)
    await nothingHalfMade(server)
    await nothingLost()
  })
})

describe('the server killed', () => {
  test('leaves live sessions at work, and the next start takes the computes over', async () => {
    const session = await server.connect(production)
    const [gateway, postmaster] = [await gatewayPid(), postmasterOf(await volumeOf(production))]
    const catalog = postmasterOf('catalog')
    await server.kill()
    await commit(session)
    await server.launch()
    expect(await gatewayPid()).not.toBe(gateway)
    expect(postmasterOf(await volumeOf(production))).toBe(postmaster)
    expect(postmasterOf('catalog')).toBe(catalog)
    await commit(session) // still through the old gateway
    await nothingLost() // through the new one
    await session.end()
    await eventually('the old gateway has ended', () => !isAlive(gateway))
  })

  test('and then a compute that was taken over: it is missed soon and started again', async () => {
    kill(postmasterOf(await volumeOf(production)))
    await comesBack()
    await nothingLost()
    await commit()
  })

  test('and then the catalog that was taken over', async () => {
    kill(postmasterOf('catalog'))
    await eventually('the API answers', async () => {
      const { status } = await server.api('GET', `/api/2.0/postgres/${store}/branches`)
      return status === 200
    })
    await nothingLost()
  })

  test('with everything else at once, as when the power goes', async () => {
    await commit()
    const all = server.processes()
    expect(all.length).toBeGreaterThan(3)
    for (const pid of all) {
      try {
        kill(pid)
      } catch {
        // It ended with its parent.
      }
    }
    await server.exit()
    await server.launch()
    await nothingLost()
    await nothingHalfMade(server)
  })
})

describe('a second server on the same state directory', () => {
  test('refuses to start with what to do, and disturbs nobody', async () => {
    const session = await server.connect(production)
    const before = server.processes().length
    const { status, stderr } = spawnSync(
      process.execPath,
      [
        join(import.meta.dirname, '../../dist/main/lakelet.js'),
        ...['up', `--state-dir=${server.stateDir}`, '--api-port=0', '--pg-port=0'],
      ],
      { encoding: 'utf8', env: { ...process.env, LAKELET_DEBUG: '' }, timeout: 60_000 },
    )
    expect(status).toBe(1)
    expect(stderr).toMatch(/^lakelet: .*another Lakelet server.*lakelet stop.*--state-dir/)
    expect(server.processes()).toHaveLength(before)
    await commit(session)
    await session.end()
    await commit()
    await nothingLost()
    const branch = await server.write('POST', `${store}/branches?branch_id=undisturbed`, {
      spec: { ttl: '1h' },
    })
    await server.write('DELETE', `${branch.name}?purge=true`)
    await nothingHalfMade(server)
  })
})

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
