/** Live sessions: back-pressure, ends of every kind, and `closed` exactly once for each grant. */
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { GatewayLimits } from '../../src/gateway/limits.ts'
import { millis, systemClock } from '../../src/lib/time.ts'
import { printPassword, terminate } from '../../src/wire/client-message.ts'
import { printTypedMessage } from '../../src/wire/typed-message.ts'
import {
  conninfo,
  endpoint,
  prepareRoles,
  psql,
  RawClient,
  startUnderTest,
  token,
  type UnderTest,
  user,
} from './gateway-under-test.ts'
import { type RealPostgres, startPostgres, waitFor } from './real-postgres.ts'

let postgres: RealPostgres
const running: UnderTest[] = []

beforeAll(async () => {
  postgres = await startPostgres()
  await prepareRoles(postgres)
})
afterAll(() => postgres.stop())
afterEach(async () => {
  for (const under of running.splice(0)) {
    await under.gateway.stop()
    await waitFor('each grant to be closed once', () => under.server.isEven)
    expect(under.errors).toEqual([])
    expect(under.gateway.metrics).toMatchObject({ sessions: 0, opening: 0, strangers: 0 })
  }
  await waitFor('backends to end', async () => (await backends()).length === 0)
})

async function start(limits: Partial<GatewayLimits> = {}): Promise<UnderTest> {
  const under = await startUnderTest(postgres, limits)
  running.push(under)
  return under
}

const backends = () =>
  postgres.query('select pid, state from pg_stat_activity where usename = $1', [user])

const query = (sql: string) => printTypedMessage('Q', Buffer.from(`${sql}\0`))

async function logIn(under: UnderTest): Promise<RawClient> {
  const client = await RawClient.secure(under)
  client.startup([['user', user]])
  client.socket.write(printPassword(token))
  await client.message('ready-for-query')
  return client
}

const nodePostgres = (under: UnderTest) => {
  const client = new pg.Client({
    host: '127.0.0.1',
    port: under.gateway.port,
    user,
    password: token,
    database: 'postgres',
    ssl: { rejectUnauthorized: false },
  })
  client.on('error', () => undefined)
  return client
}

describe('back-pressure', () => {
  test('a reader that stops reading holds back Postgres at a bounded amount', async () => {
    const under = await start()
    const client = await logIn(under)
    client.socket.pause()
    const before = process.memoryUsage()
    client.socket.write(query("select repeat('x', 1000) from generate_series(1, 200000)"))
    const blocked = () =>
      postgres.query("select 1 from pg_stat_activity where wait_event = 'ClientWrite'")
    await waitFor('Postgres to wait for its client', async () => (await blocked()).length > 0)
    const after = process.memoryUsage()
    const grown = after.external + after.heapUsed - before.external - before.heapUsed
    expect(grown).toBeLessThan(32 * 2 ** 20) // of 200 MB
    client.socket.destroy()
  })
})

describe('ends', () => {
  test('a goodbye ends both sides', async () => {
    const under = await start()
    const client = await logIn(under)
    client.socket.write(terminate)
    await client.closed
    await waitFor('the session to end', () => under.gateway.metrics.sessions === 0)
  })

  test('a client that only closes its half still gets its answer', async () => {
    const under = await start()
    const client = await logIn(under)
    client.socket.end(query("select pg_sleep(0.3), 'the answer'"))
    await client.closed
    // Nothing is lost: two ReadyForQuery, one of them behind the query.
    const ready = client.received.filter(({ kind }) => kind === 'ready-for-query')
    expect(ready).toHaveLength(2)
  })

  test('a client that is cut off ends its backend', async () => {
    const under = await start()
    const client = await logIn(under)
    client.reset()
    await waitFor('the backend to end', async () => (await backends()).length === 0)
  })

  test('a backend that is killed in the middle of a query ends its client', async () => {
    const under = await start()
    const client = nodePostgres(under)
    await client.connect()
    const slept = client.query('select pg_sleep(60)')
    const [backend] = await waitFor('the query to run', async () => {
      const found = await backends()
      return found[0]?.state === 'active' && found
    })
    const failed = expect(slept).rejects.toMatchObject({ code: '57P01' }) // Postgres's own words
    await postgres.query('select pg_terminate_backend($1)', [backend?.pid])
    await failed
    await client.end().catch(() => undefined)
  })

  test('endSessions tells a resting client 57P01', async () => {
    const under = await start()
    const client = await logIn(under)
    await under.gateway.endSessions(endpoint)
    expect(await client.sqlstate()).toBe('57P01')
    await client.closed
  })

  test('endSessions stops a working client and its query', async () => {
    const under = await start({ farewell: millis(500) })
    const client = nodePostgres(under)
    await client.connect()
    const slept = client.query('select pg_sleep(60)').catch((error: Error) => error)
    await waitFor('the query to run', async () => (await backends())[0]?.state === 'active')
    await under.gateway.endSessions(endpoint)
    expect(await slept).toBeInstanceOf(Error)
    await waitFor('the backend to end', async () => (await backends()).length === 0)
  })

  test('endSessions of another endpoint disturbs nobody', async () => {
    const under = await start()
    const client = nodePostgres(under)
    await client.connect()
    await under.gateway.endSessions('ep-other' as typeof endpoint)
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    await client.end()
  })

  test('an idle session and an old session are ended', async () => {
    for (const limits of [{ idle: millis(200) }, { life: millis(300) }]) {
      const under = await start(limits)
      const client = await logIn(under)
      expect(await client.sqlstate()).toBe('57P01')
      await client.closed
    }
  })

  test('drain takes no more clients and waits for those that are here', async () => {
    const under = await start()
    const client = nodePostgres(under)
    await client.connect()
    let isDrained = false
    const drained = under.gateway.drain().then(() => {
      isDrained = true
    })
    expect((await psql(conninfo(under), ['-c', 'select 1'])).stderr).toContain('Connection refused')
    expect((await client.query('select 1 as n')).rows).toEqual([{ n: 1 }])
    expect(isDrained).toBe(false)
    await client.end()
    await drained
  })

  test('stop ends sessions, strangers and those who wait for a compute', async () => {
    const under = await start({ farewell: millis(500) })
    const session = await logIn(under)
    const stranger = await RawClient.plain(under)
    let isAwake: () => void = () => undefined
    under.server.wake = () =>
      new Promise((resolve) => {
        isAwake = resolve
      })
    const waiting = await RawClient.secure(under)
    waiting.startup([['user', user]])
    waiting.socket.write(printPassword(token))
    await waitFor('the wake', () => under.gateway.metrics.opening === 1)
    await under.gateway.stop()
    await Promise.all([session.closed, stranger.closed, waiting.closed])
    expect(await session.sqlstate()).toBe('57P01')
    isAwake() // a grant for nobody: it must be closed as well
  })
})

describe('waking', () => {
  test('a hundred clients at once are all served', async () => {
    const under = await start()
    under.server.wake = () => systemClock.sleep(millis(300))
    const clients = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const client = nodePostgres(under)
        await client.connect()
        return client
      }),
    )
    const answers = await Promise.all(clients.map((client) => client.query('select 1 as n')))
    expect(answers.every(({ rows }) => (rows[0] as { n: number }).n === 1)).toBe(true)
    await Promise.all(clients.map((client) => client.end()))
  })

  test('two hundred idle sessions stay, and a query on each of them works', async () => {
    const under = await start()
    const clients: pg.Client[] = []
    for (let n = 0; n < 200; n += 20) {
      const batch = Array.from({ length: 20 }, () => nodePostgres(under))
      await Promise.all(batch.map((client) => client.connect()))
      clients.push(...batch)
    }
    expect(under.gateway.metrics.sessions).toBe(200)
    for (const client of clients) await client.query('select 1')
    await Promise.all(clients.map((client) => client.end()))
  })

  test('a socket that is not there yet is waited for', async () => {
    const under = await start()
    under.server.socketPath = join(postgres.directory, 'late.sock')
    const connected = psql(conninfo(under), ['-c', 'select 1'])
    await waitFor('the grant', () => under.server.granted === 1)
    const late = createServer((socket) => {
      const through = connect(postgres.socketPath)
      socket.pipe(through).pipe(socket)
      for (const one of [socket, through]) one.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => late.listen(under.server.socketPath, resolve))
    expect((await connected).code).toBe(0)
    late.close()
  })

  test('but not for ever', async () => {
    const under = await start({ computeLogin: millis(200) })
    under.server.socketPath = join(postgres.directory, 'never.sock')
    const { stderr } = await psql(conninfo(under), ['-c', 'select 1'])
    expect(stderr).toContain(`The compute of endpoint '${endpoint}' is still starting.`)
  })

  test('a grant that comes after the client was sent away is closed', async () => {
    const under = await start({ open: millis(100) })
    under.server.wake = () => systemClock.sleep(millis(400))
    const { stderr } = await psql(conninfo(under), ['-c', 'select 1'])
    expect(stderr).toContain('The server is not answering.')
    await waitFor('the late grant', () => under.server.granted === 1)
  })

  test('a client that leaves while its compute wakes is closed once', async () => {
    const under = await start()
    under.server.wake = () => systemClock.sleep(millis(200))
    const client = await RawClient.secure(under)
    client.startup([['user', user]])
    client.socket.write(printPassword(token))
    await waitFor('the wake', () => under.gateway.metrics.opening === 1)
    client.reset()
    await waitFor('the close', () => under.server.closedEndpoints.length === 1)
  })
})
