/** Real clients through the gateway over real TLS to a real Postgres. */
import { createHash, randomBytes } from 'node:crypto'
import pg from 'pg'
import postgresJs from 'postgres'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { printPassword, printSaslInitialResponse } from '../../src/wire/client-message.ts'
import { printStartPacket } from '../../src/wire/start-packet.ts'
import {
  conninfo,
  endpoint,
  host,
  ownAddress,
  prepareRoles,
  psql,
  RawClient,
  startUnderTest,
  token,
  type UnderTest,
  user,
} from './gateway-under-test.ts'
import { startPostgres, waitFor } from './real-postgres.ts'

let under: UnderTest

beforeAll(async () => {
  const postgres = await startPostgres()
  await prepareRoles(postgres)
  under = await startUnderTest(postgres)
  expect(await under.gateway.listen([ownAddress])).toEqual([])
})
afterAll(async () => {
  await under.gateway.stop()
  await under.postgres.stop()
})
afterEach(async () => {
  await waitFor('each grant to be closed once', () => under.server.isEven)
  expect(under.errors).toEqual([])
  expect(under.gateway.metrics).toMatchObject({ sessions: 0, opening: 0 })
})

const text = (output: Buffer) => output.toString().trim()

describe('psql', () => {
  test('logs in with a token over TLS', async () => {
    const { stdout, stderr } = await psql(conninfo(under), ['-c', 'select current_user'])
    expect({ stderr, answer: text(stdout) }).toEqual({ stderr: '', answer: user })
  })

  test('verifies the certificate by name', async () => {
    const info = conninfo(under, `host=${host} hostaddr=127.0.0.1 sslmode=verify-full`)
    const { stdout, stderr } = await psql(`${info} sslrootcert=${under.caFile}`, ['-c', 'select 7'])
    expect({ stderr, answer: text(stdout) }).toEqual({ stderr: '', answer: '7' })
    expect(under.server.asks.at(-1)?.hints).toEqual({
      serverName: host,
      localAddress: '127.0.0.1',
      endpointOption: undefined,
    })
  })

  test('verifies the certificate by the address of the endpoint, which is a route as well', async () => {
    const info = conninfo(under, `host=${ownAddress} sslmode=verify-full`)
    const { stdout, stderr } = await psql(`${info} sslrootcert=${under.caFile}`, ['-c', 'select 8'])
    expect({ stderr, answer: text(stdout) }).toEqual({ stderr: '', answer: '8' })
    expect(under.server.asks.at(-1)?.hints).toMatchObject({
      serverName: undefined,
      localAddress: ownAddress,
    })
  })

  test('is refused without TLS, and told what to do', async () => {
    const { stderr } = await psql(conninfo(under, 'sslmode=disable'), ['-c', 'select 1'])
    expect(stderr).toContain('FATAL:  connection is insecure')
    expect(stderr).toContain('HINT:  Connect with sslmode=require.')
  })

  test('is refused with a wrong token', async () => {
    const { stderr } = await psql(conninfo(under), ['-c', 'select 1'], { password: 'wrong' })
    expect(stderr).toContain(`FATAL:  password authentication failed for user "${user}"`)
    expect(stderr).toContain('HINT:  Use a credential of this endpoint')
  })

  test('sees the errors of Postgres as they are', async () => {
    const { stderr } = await psql(conninfo(under, 'dbname=absent'), ['-c', 'select 1'])
    expect(stderr).toContain('FATAL:  database "absent" does not exist')
  })

  test('logs in to a password role by SCRAM, and not with another password', async () => {
    const info = conninfo(under, 'user=scram_role')
    const good = await psql(info, ['-c', 'select current_user'], { password: 'pencil ünïcode' })
    expect({ stderr: good.stderr, answer: text(good.stdout) }).toEqual({
      stderr: '',
      answer: 'scram_role',
    })
    expect(under.server.requests.at(-1)?.proof).toEqual({ kind: 'scram', endpoint })
    const before = under.server.requests.length
    const bad = await psql(info, ['-c', 'select 1'], { password: 'pencil' })
    expect(bad.stderr).toContain('password authentication failed for user "scram_role"')
    expect(under.server.requests).toHaveLength(before) // nobody was asked to wake anything
    const bound = await psql(`${info} channel_binding=require`, ['-c', 'select 1'])
    expect(bound.stderr).toContain('channel binding')
  })

  test('names its endpoint in options, beside settings of its own', async () => {
    const options = `endpoint=${endpoint} -c geqo=off`
    const { stdout } = await psql(conninfo(under, `options='${options}'`), ['-c', 'show geqo'])
    expect(text(stdout)).toBe('off')
    expect(under.server.asks.at(-1)?.hints.endpointOption).toBe(endpoint)
  })

  test('may not name two endpoints', async () => {
    const info = conninfo(under, `host=${host} hostaddr=127.0.0.1 options=endpoint=ep-other`)
    const { stderr } = await psql(info, ['-c', 'select 1'])
    expect(stderr).toContain(`The host name means endpoint '${endpoint}'`)
  })

  test('cancels a query by Ctrl-C', async () => {
    const before = under.gateway.metrics.cancelsForwarded
    const running =
      "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = $1"
    const { stderr } = await psql(conninfo(under), ['-c', 'select pg_sleep(60)'], {
      onStart: (interrupt) => {
        void waitFor('the query to run', async () => {
          return (await under.postgres.query(running, ['active'])).length > 0
        }).then(interrupt)
      },
    })
    expect(stderr).toContain('canceling statement due to user request')
    expect(under.gateway.metrics.cancelsForwarded).toBe(before + 1)
  })

  test('opens replication connections', async () => {
    const info = conninfo(under, 'replication=database')
    const { stdout, stderr } = await psql(info, ['-c', 'IDENTIFY_SYSTEM'])
    expect({ stderr, isAnswered: text(stdout).endsWith('|postgres') }).toEqual({
      stderr: '',
      isAnswered: true,
    })
  })

  test('copies tens of megabytes in and out unchanged', async () => {
    const line = () => `${randomBytes(512).toString('base64')}\n`
    const rows = Buffer.from(Array.from({ length: 40_000 }, line).join(''))
    await under.postgres.query('create table copied (t text)')
    const into = await psql(conninfo(under), ['-c', 'copy copied from stdin'], { stdin: rows })
    expect(into.stderr).toBe('')
    const out = await psql(conninfo(under), ['-c', 'copy copied to stdout'])
    const md5 = (bytes: Buffer) => createHash('md5').update(bytes).digest('hex')
    expect(out.stdout.length).toBe(rows.length)
    expect(md5(out.stdout)).toBe(md5(rows))
    await under.postgres.query('drop table copied')
  })
})

describe('node-postgres', () => {
  const config = () => ({
    host: '127.0.0.1',
    port: under.gateway.port,
    user,
    password: token,
    database: 'postgres',
    ssl: { ca: under.ca, servername: host },
  })

  test('verifies and queries, by SSLRequest and by direct TLS', async () => {
    for (const more of [{}, { sslnegotiation: 'direct' as const }]) {
      const client = new pg.Client({ ...config(), ...more })
      await client.connect()
      expect((await client.query('select $1::int + 1 as n', [41])).rows).toEqual([{ n: 42 }])
      await client.end()
    }
  })

  test('reads SQLSTATE and hint of a refusal', async () => {
    const client = new pg.Client({ ...config(), password: 'wrong' })
    await expect(client.connect()).rejects.toMatchObject({
      code: '28P01',
      severity: 'FATAL',
      hint: expect.stringContaining('lakelet postgres generate-database-credential'),
    })
  })

  test('a pool of twenty opens at once', async () => {
    const pool = new pg.Pool({ ...config(), max: 20 })
    const sums = await Promise.all(
      Array.from({ length: 100 }, (_, n) => pool.query('select $1::int * 2 as n', [n])),
    )
    expect(sums.map(({ rows }) => (rows[0] as { n: number }).n)).toEqual(
      Array.from({ length: 100 }, (_, n) => n * 2),
    )
    await pool.end()
  })
})

test('postgres.js verifies and queries', async () => {
  const sql = postgresJs({
    host: '127.0.0.1',
    port: under.gateway.port,
    user,
    password: token,
    database: 'postgres',
    ssl: { ca: under.ca, servername: host },
    max: 1,
  })
  expect(await sql`select ${41}::int + 1 as n`).toEqual([{ n: 42 }])
  await sql.end()
})

describe('a client that speaks the protocol by hand', () => {
  test('is negotiated down from 3.2 and gets the default database', async () => {
    const client = await RawClient.secure(under)
    client.startup(
      [
        ['user', user],
        ['_pq_.later', '1'],
      ],
      2,
    )
    expect(await client.message('negotiate-protocol-version')).toMatchObject({
      version: 196_608,
      unrecognized: ['_pq_.later'],
    })
    await client.message('authentication-cleartext-password')
    client.socket.write(printPassword(token))
    await client.message('ready-for-query')
    expect(under.server.requests.at(-1)?.database).toBe('databricks_postgres')
    client.socket.destroy()
  })

  test('cancels inside TLS by the key it was given, and by no other', async () => {
    const session = await RawClient.secure(under)
    session.startup([['user', user]])
    session.socket.write(printPassword(token)) // early: before it was asked
    const { key } = await session.message('backend-key-data')
    await session.message('ready-for-query')
    const { granted, requests } = under.server
    const before = under.gateway.metrics

    const right = await RawClient.secure(under)
    right.socket.write(printStartPacket({ kind: 'cancel-request', key }))
    await right.closed
    const wrong = await RawClient.plain(under)
    const secret = Buffer.from(key.secret.map((byte) => byte ^ 1))
    wrong.socket.write(printStartPacket({ kind: 'cancel-request', key: { ...key, secret } }))
    await wrong.closed

    expect(await wrong.bytes(1)).toHaveLength(0)
    expect(under.gateway.metrics).toMatchObject({
      cancelsForwarded: before.cancelsForwarded + 1,
      cancelsUnknown: before.cancelsUnknown + 1,
    })
    expect(under.server).toMatchObject({ granted, requests })
    session.socket.destroy()
  })

  test('may not bind channels that were not offered', async () => {
    const client = await RawClient.secure(under)
    client.startup([['user', 'scram_role']])
    expect(await client.message('authentication-sasl')).toMatchObject({
      mechanisms: ['SCRAM-SHA-256'],
    })
    const response = Buffer.from('p=tls-server-end-point,,n=,r=abcdef')
    client.socket.write(printSaslInitialResponse({ mechanism: 'SCRAM-SHA-256', response }))
    expect(await client.sqlstate()).toBe('08P01')
  })

  test('needs the name of the protocol for direct TLS', async () => {
    const named = await RawClient.secure(under, { isDirect: true, ALPNProtocols: ['postgresql'] })
    named.startup([['user', user]])
    await named.message('authentication-cleartext-password')
    named.socket.destroy()
    const unnamed = await RawClient.secure(under, { isDirect: true }).catch(() => undefined)
    await unnamed?.closed
    expect(unnamed?.received ?? []).toEqual([])
    await expect(
      RawClient.secure(under, { isDirect: true, ALPNProtocols: ['http/1.1'] }),
    ).rejects.toThrow()
  })

  test('resumes a TLS session', async () => {
    const first = await RawClient.secure(under)
    const session = new Promise<Buffer>((resolve) => first.socket.once('session', resolve))
    first.startup([['user', user]])
    await first.message('authentication-cleartext-password')
    const second = await RawClient.secure(under, { session: await session })
    expect('isSessionReused' in second.socket).toBe(true)
    expect((second.socket as import('node:tls').TLSSocket).isSessionReused()).toBe(true)
    for (const { socket } of [first, second]) socket.destroy()
  })

  test('is refused with TLS 1.1', async () => {
    await expect(
      RawClient.secure(under, {
        minVersion: 'TLSv1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
      }),
    ).rejects.toThrow()
  })
})

test('an address is listened on only while it is wanted', async () => {
  const problems = await under.gateway.listen(['127.88.7.2', '192.0.2.1'])
  expect(problems).toEqual([
    { address: '192.0.2.1', problem: expect.stringContaining('192.0.2.1') },
  ])
  const info = conninfo(under, 'host=127.88.7.2')
  expect((await psql(info, ['-c', 'select 1'])).code).toBe(0)
  await under.gateway.unlisten(['127.88.7.2'])
  expect((await psql(info, ['-c', 'select 1'])).stderr).toContain('Connection refused')
})

test('certificates are asked for once a name', async () => {
  const before = under.server.certificates
  for (let n = 0; n < 3; n += 1) {
    const client = await RawClient.secure(under, { servername: 'ep-fresh.localhost' })
    client.socket.destroy()
  }
  expect(under.server.certificates).toBe(before + 1)
})
