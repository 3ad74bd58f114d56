/** Clients of the Postgres port: hostile ones cost nothing, honest ones find their endpoint and wake it. */
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { seconds, systemClock } from '../../src/lib/time.ts'
import { printStartPacket } from '../../src/wire/start-packet.ts'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { TestServer } from '../fixtures/server.ts'
import { psql } from '../gateway/gateway-under-test.ts'

let server: TestServer
let owner: string
const store = 'projects/store'
const production = `${store}/branches/production`
const dev = `${store}/branches/dev`

beforeAll(async () => {
  server = await TestServer.start()
  owner = (await server.api('GET', '/api/2.0/preview/scim/v2/Me')).body.userName
  await server.write('POST', `${store}/branches?branch_id=dev`, { spec: { ttl: '1h' } })
  for (const branch of [production, dev]) {
    await server.sql(
      branch,
      `create table whereabouts (branch text); insert into whereabouts values ('${branch}')`,
    )
  }
})
afterAll(async () => {
  await server?.dispose()
})
afterEach(async () => {
  expect((await server.sql(production, 'select branch from whereabouts')).rows).toEqual([
    { branch: production },
  ])
})

const endpointOf = async (branch: string) =>
  (await server.api('GET', `/api/2.0/postgres/${branch}/endpoints/primary`)).body

const disable = (branch: string, disabled: boolean) =>
  server.write('PATCH', `${branch}/endpoints/primary?update_mask=spec.disabled`, {
    spec: { disabled },
  })
async function suspend(branch: string): Promise<void> {
  await disable(branch, true)
  await disable(branch, false)
  expect((await endpointOf(branch)).status.current_state).toBe('IDLE')
}

class Stranger {
  readonly socket: Socket
  readonly closed: Promise<void>
  #received = Buffer.alloc(0)

  constructor(host = '127.0.0.1') {
    this.socket = connect(server.pgPort, host)
    this.socket.on('error', () => undefined)
    this.socket.on('data', (bytes: Buffer) => {
      this.#received = Buffer.concat([this.#received, bytes])
    })
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()))
  }

  /** What was said until the connection was closed. */
  async lastWords(): Promise<string> {
    await this.closed
    return this.#received.toString()
  }
}

describe('a stranger', () => {
  const startup = printStartPacket({
    kind: 'startup',
    startup: { major: 3, minor: 0, parameters: [['user', 'anyone']] },
  })

  test('that is silent, or says one byte a second, is let go', async () => {
    const silent = new Stranger()
    const slow = new Stranger((await endpointOf(production)).status.hosts.host)
    const trickle = async () => {
      for (const byte of startup.subarray(0, 20)) {
        if (slow.socket.destroyed) return
        slow.socket.write(Buffer.of(byte))
        await systemClock.sleep(seconds(1))
      }
      throw new Error('twenty seconds were allowed')
    }
    await Promise.all([silent.closed, slow.closed, trickle()])
    expect(await silent.lastWords()).toBe('')
  })

  test('that claims a gigabyte of startup packet is refused at once', async () => {
    const liar = new Stranger()
    liar.socket.write(Buffer.of(0x40, 0, 0, 0))
    expect(await liar.lastWords()).toMatch(/08P01.*invalid length of startup packet/s)
  })

  test('that speaks HTTP, TLS to another protocol, or noise is let go', async () => {
    for (const bytes of [
      'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n',
      '\u0016\u0003\u0001\u0000\u0005hello',
      '\u0000\u0000\u0000\u0000',
      '\uffff'.repeat(100),
    ]) {
      const noise = new Stranger()
      noise.socket.write(bytes)
      await noise.closed
    }
  })

  test('without TLS is told to use it (row 26)', async () => {
    const plain = new Stranger()
    plain.socket.write(startup)
    expect(await plain.lastWords()).toMatch(/28000.*connection is insecure.*sslmode=require/s)
    const { code, stderr } = await psql(
      `host=127.0.0.1 port=${server.pgPort} user=${owner} sslmode=disable`,
      ['-c', 'select 1'],
      { password: await server.credential(production) },
    )
    expect(code).toBe(2)
    expect(stderr).toMatch(/connection is insecure/)
  })
})

describe('a cancel request', () => {
  const send = async (processId: number, secret: Buffer) => {
    const canceller = new Stranger()
    canceller.socket.write(printStartPacket({ kind: 'cancel-request', key: { processId, secret } }))
    expect(await canceller.lastWords()).toBe('') // Postgres says nothing either
  }

  test('with a wrong key ends nothing, with the right one its query alone', async () => {
    const [client, other] = [await server.connect(production), await server.connect(production)]
    const { processID, secretKey } = client as unknown as { processID: number; secretKey: number }
    const secret = Buffer.alloc(4)
    secret.writeInt32BE(secretKey)
    const query = client.query('select pg_sleep(30)').then(
      () => 'finished',
      (error: pg.DatabaseError) => error.code,
    )
    const otherQuery = other.query('select pg_sleep(1), 1 as one')
    let isOver = false
    void query.then(() => {
      isOver = true
    })
    const wrong = Buffer.from(secret)
    wrong.writeUInt8(wrong.readUInt8(3) ^ 1, 3)
    await send(processID, wrong)
    await send(processID + 1, secret)
    expect((await otherQuery).rows[0].one).toBe(1)
    expect(isOver).toBe(false)
    await send(processID, secret)
    expect(await query).toBe('57014')
    expect((await client.query('select 1 as one')).rows).toEqual([{ one: 1 }])
    await Promise.all([client.end(), other.end()])
    await send(processID, secret) // of a session that is over
  })
})

describe('an endpoint that sleeps', () => {
  const starts = async (branch: string) => {
    const path = join(server.stateDir, 'log', `${(await endpointOf(branch)).uid}.log`)
    if (!existsSync(path)) throw new Error(`${path} is not there`)
    return readFileSync(path, 'utf8').split('starting PostgreSQL').length - 1
  }

  test('wakes for whoever connects, with nothing lost', async () => {
    await server.sql(dev, 'create table slept (n int); insert into slept values (42)')
    await suspend(dev)
    expect((await server.sql(dev, 'select n from slept')).rows).toEqual([{ n: 42 }])
    expect((await endpointOf(dev)).status.current_state).toBe('ACTIVE')
  })

  test('is started once by fifty connections at once', async () => {
    const credential = await server.credential(dev)
    await suspend(dev)
    const before = await starts(dev)
    const clients = await Promise.all(
      Array.from({ length: 50 }, () => server.connect(dev, { credential, user: owner })),
    )
    const pids = await Promise.all(
      clients.map(async (client) => {
        const { rows } = await client.query(
          'select pg_backend_pid() as pid, pg_postmaster_start_time()::text as start',
        )
        return rows[0]
      }),
    )
    expect(new Set(pids.map(({ pid }) => pid)).size).toBe(50)
    expect(new Set(pids.map(({ start }) => start)).size).toBe(1)
    expect(await starts(dev)).toBe(before + 1)
    await Promise.all(clients.map((client) => client.end()))
  }, 60_000)

  test('says so when it may not wake, and wakes once it may', async () => {
    const credential = await server.credential(dev)
    await disable(dev, true)
    await expect(server.connect(dev, { credential })).rejects.toMatchObject({
      code: '08004',
      message: 'endpoint is disabled',
      hint: expect.stringMatching(/disabled: false/),
    })
    await disable(dev, false)
    await (await server.connect(dev, { credential })).end()
  })
})

describe('a connection finds its endpoint', () => {
  const ask = async (conninfo: string, branch: string) => {
    const { code, stdout, stderr } = await psql(
      `port=${server.pgPort} user=${owner} dbname=databricks_postgres sslrootcert=${server.stateDir}/ca.pem sslmode=verify-full ${conninfo}`,
      ['-c', 'select branch from whereabouts'],
      { password: await server.credential(branch) },
    )
    return code === 0 ? stdout.toString().trim() : stderr
  }

  test.each([production, dev])('%s by its host', async (branch) => {
    expect(await ask(`host=${(await endpointOf(branch)).status.hosts.host}`, branch)).toBe(branch)
  })

  test.each([production, dev])('%s by its name in TLS', async (branch) => {
    const { uid } = await endpointOf(branch)
    expect(await ask(`host=${uid}.localhost hostaddr=127.0.0.1`, branch)).toBe(branch)
  })

  test.each([production, dev])('%s by options on 127.0.0.1', async (branch) => {
    const { uid } = await endpointOf(branch)
    expect(await ask(`host=127.0.0.1 options=endpoint=${uid}`, branch)).toBe(branch)
    expect(
      await ask(`host=localhost options='-c search_path=public endpoint=${uid}'`, branch),
    ).toBe(branch)
  })

  test.each([production, dev])('%s by its credential alone', async (branch) => {
    expect(await ask('host=127.0.0.1', branch)).toBe(branch)
    expect(await ask('host=localhost', branch)).toBe(branch)
  })

  test('and is told when it names two', async () => {
    const { uid } = await endpointOf(production)
    const other = (await endpointOf(dev)).uid
    expect(
      await ask(`host=${uid}.localhost hostaddr=127.0.0.1 options=endpoint=${other}`, production),
    ).toMatch(/means endpoint .* asks for .*Leave out one of them/s)
    expect(await ask(`host=127.0.0.1 options=endpoint=${other}`, production)).toMatch(
      /the token belongs to another endpoint/,
    )
  })

  test('and never another one than it named, were that gone or never there', async () => {
    const branch = await server.write('POST', `${store}/branches?branch_id=gone`, {
      spec: { ttl: '1h' },
    })
    const { uid, status } = await endpointOf(branch.name)
    const credential = await server.credential(branch.name)
    await server.write('DELETE', `${branch.name}?purge=true`)
    for (const name of [uid, 'ep-never-made-00000000']) {
      for (const conninfo of [
        `host=${name}.localhost hostaddr=127.0.0.1`,
        `host=127.0.0.1 options=endpoint=${name}`,
      ]) {
        expect(await ask(conninfo, production), conninfo).toMatch(/endpoint id not found/)
      }
    }
    const gone = new pg.Client({
      host: status.hosts.host,
      port: server.pgPort,
      user: owner,
      password: credential,
      ssl: { ca: server.ca },
    })
    await expect(gone.connect()).rejects.toThrow(/ECONNREFUSED/)
  })

  test('while who only guesses learns nothing of which endpoints there are', async () => {
    const { uid } = await endpointOf(production)
    const guess = async (name: string) => {
      const { stderr } = await psql(
        `host=${name}.localhost hostaddr=127.0.0.1 port=${server.pgPort} user=guest sslmode=require`,
        ['-c', 'select 1'],
        { password: 'guess' },
      )
      return stderr.replaceAll(name, 'NAME')
    }
    expect(await guess(uid)).toMatch(/password authentication failed/)
    expect(await guess('ep-never-made-00000000')).toBe(await guess(uid))
  })

  test('but not a database that is not there, in words of Postgres', async () => {
    await expect(server.connect(production, { database: 'never_made' })).rejects.toMatchObject({
      code: '3D000',
    })
    await expect(server.connect(production, { database: 'lakelet_system' })).rejects.toThrow()
  })
})

test('in the end nothing is half made', async () => {
  await nothingHalfMade(server)
})
