/** Clients that are slow, greedy, lying or mad: each costs little and none disturbs the others. */
import { connect, type Socket } from 'node:net'
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { Fault } from '../../src/domain/faults.ts'
import { millis, systemClock } from '../../src/lib/time.ts'
import { printPassword } from '../../src/wire/client-message.ts'
import { printStartPacket } from '../../src/wire/start-packet.ts'
import {
  conninfo,
  prepareRoles,
  psql,
  RawClient,
  startUnderTest,
  token,
  type UnderTest,
  user,
} from './gateway-under-test.ts'
import { startPostgres, waitFor } from './real-postgres.ts'

const strangers = 12
let under: UnderTest

beforeAll(async () => {
  const postgres = await startPostgres()
  await prepareRoles(postgres)
  under = await startUnderTest(postgres, {
    firstByte: millis(700),
    tlsHandshake: millis(700),
    startup: millis(700),
    proof: millis(700),
    strangers,
    strangersPerAddress: strangers - 2,
    failureDelay: millis(300),
  })
})
afterAll(async () => {
  await under.gateway.stop()
  await under.postgres.stop()
})
afterEach(async () => {
  await waitFor('strangers to be gone', () => under.gateway.metrics.strangers === 0)
  const { code, stderr } = await psql(conninfo(under), ['-c', 'select 1'])
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  await waitFor('each grant to be closed once', () => under.server.isEven)
  expect(under.errors).toEqual([])
})

const sslRequest = printStartPacket({ kind: 'ssl-request' })
const hello = (parameters: readonly (readonly [string, string])[] = [['user', user]]) =>
  printStartPacket({ kind: 'startup', startup: { major: 3, minor: 0, parameters } })

describe('a silent client is let go', () => {
  test('before its first byte', async () => {
    const client = await RawClient.plain(under)
    await client.closed
    expect(await client.bytes(1)).toHaveLength(0)
  })

  test('before its TLS handshake', async () => {
    const client = await RawClient.plain(under)
    client.socket.write(sslRequest)
    await client.closed
    expect((await client.bytes(1)).toString()).toBe('S')
  })

  test('before its startup packet, with a word', async () => {
    const client = await RawClient.secure(under)
    expect(await client.sqlstate()).toBe('57014')
    await client.closed
  })

  test('before its password, with a word', async () => {
    const client = await RawClient.secure(under)
    client.socket.write(hello())
    await client.message('authentication-cleartext-password')
    expect(await client.sqlstate()).toBe('57014')
    await client.closed
  })
})

describe('a client that trickles bytes gains no time', () => {
  const trickle = async (socket: Socket, bytes: Buffer) => {
    for (const byte of bytes) {
      if (socket.destroyed || !socket.writable) return
      socket.write(Buffer.of(byte))
      await systemClock.sleep(millis(60))
    }
  }

  test('in the clear', async () => {
    const client = await RawClient.plain(under)
    await trickle(client.socket, Buffer.concat([sslRequest, sslRequest]))
    await client.closed
  })

  test('inside TLS', async () => {
    const client = await RawClient.secure(under)
    await Promise.all([trickle(client.socket, hello()), client.closed])
    expect(await client.sqlstate()).toBe('57014')
    expect(under.server.asks.every((ask) => ask.user === user)).toBe(true)
  })
})

describe('lies about lengths', () => {
  test('a gigabyte of startup packet is refused at its fourth byte', async () => {
    for (const client of [await RawClient.plain(under), await RawClient.secure(under)]) {
      client.expectProtocol()
      client.socket.write(Buffer.of(0x40, 0, 0, 0))
      expect(await client.sqlstate()).toBe('08P01')
      await client.closed
    }
  })

  test('a gigabyte of password is refused at its header', async () => {
    const client = await RawClient.secure(under)
    client.socket.write(hello())
    await client.message('authentication-cleartext-password')
    client.socket.write(Buffer.from('p\x40\0\0\0', 'latin1'))
    expect(await client.sqlstate()).toBe('08P01')
  })

  test('the longest password is taken', async () => {
    const client = await RawClient.secure(under)
    client.socket.write(hello())
    client.socket.write(printPassword('x'.repeat(65_534)))
    expect(await client.sqlstate()).toBe('28P01')
    expect(under.server.requests.at(-1)?.proof).toMatchObject({ password: 'x'.repeat(65_534) })
  })
})

test('bytes behind SSLRequest end the connection without an answer', async () => {
  const client = await RawClient.plain(under)
  client.socket.write(Buffer.concat([sslRequest, hello()]))
  await client.closed
  expect(await client.bytes(1)).toHaveLength(0)
})

test('without a certificate a connection is closed, and the next one gets it', async () => {
  const { server } = under
  const real = server.certificate.bind(server)
  server.certificate = async () => {
    throw new Fault('ENDPOINT_UNNAMED')
  }
  for (const servername of ['ep-without-one.localhost', 'ep-without-two.localhost']) {
    await expect(RawClient.secure(under, { servername })).rejects.toThrow()
  }
  server.certificate = real
  const client = await RawClient.secure(under, { servername: 'ep-without-one.localhost' })
  client.socket.destroy()
})

test('GSSENCRequest is answered N, and the log-in goes on', async () => {
  const client = await RawClient.plain(under)
  client.socket.write(printStartPacket({ kind: 'gssenc-request' }))
  expect((await client.bytes(1)).toString()).toBe('N')
  client.socket.write(sslRequest)
  expect((await client.bytes(2)).toString()).toBe('NS')
  client.socket.destroy()
})

test('garbage in the clear, as TLS and inside TLS ends in a refusal or a close', async () => {
  const noise = fc.uint8Array({ minLength: 1, maxLength: 2_000 })
  const shapes = fc.constantFrom('plain', 'hello', 'after-ssl', 'inside', 'proof')
  await fc.assert(
    fc.asyncProperty(shapes, noise, async (shape, bytes) => {
      const isInside = shape === 'inside' || shape === 'proof'
      const client = isInside ? await RawClient.secure(under) : await RawClient.plain(under)
      if (shape === 'hello') client.socket.write(Buffer.of(0x16, 3, 1))
      if (shape === 'after-ssl') {
        client.socket.write(sslRequest)
        await client.bytes(1)
      }
      if (shape === 'proof') {
        client.socket.write(hello())
        await client.message('authentication-cleartext-password')
      }
      client.socket.end(bytes)
      await client.closed
    }),
    { numRuns: 60 },
  )
})

test('a client that leaves in the middle of anything leaves nothing behind', async () => {
  const script = [sslRequest, hello(), printPassword(token)]
  for (let cut = 0; cut < 3; cut += 1) {
    const client = cut === 0 ? await RawClient.plain(under) : await RawClient.secure(under)
    for (const part of script.slice(cut === 0 ? 0 : 1, cut + 1)) client.socket.write(part)
    client.reset()
    await client.closed
  }
})

describe('floods', () => {
  const openMany = async (count: number) => {
    const sockets = Array.from({ length: count }, () => connect(under.gateway.port, '127.0.0.1'))
    const received = sockets.map(async (socket) => {
      const chunks: Buffer[] = []
      socket.on('error', () => undefined)
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      await new Promise((resolve) => socket.once('close', resolve))
      return Buffer.concat(chunks).toString('latin1')
    })
    return Promise.all(received)
  }

  test('strangers beyond the bound of their address are told 53300', async () => {
    const before = under.gateway.metrics.shed
    const answers = await openMany(30)
    const told = answers.filter((answer) => answer.includes('C53300'))
    expect(told).toHaveLength(30 - (strangers - 2))
    expect(under.gateway.metrics.shed - before).toBe(told.length)
  })

  test('those who have proved themselves are no strangers', async () => {
    const sessions: RawClient[] = []
    for (let n = 0; n < strangers * 2; n += 1) {
      const client = await RawClient.secure(under)
      client.socket.write(Buffer.concat([hello(), printPassword(token)]))
      await client.message('ready-for-query')
      sessions.push(client)
    }
    expect(under.gateway.metrics.sessions).toBe(strangers * 2)
    for (const { socket } of sessions) socket.destroy()
    await waitFor('sessions to end', () => under.gateway.metrics.sessions === 0)
  })
})

test('guessing is refused each time, and the right password still gets in', async () => {
  const info = conninfo(under, 'user=guessed')
  const before = under.gateway.metrics.loginsRefused
  for (let n = 0; n < 7; n += 1) {
    const { stderr } = await psql(info, ['-c', 'select 1'], { password: 'guess' })
    expect(stderr).toContain('password authentication failed for user "guessed"')
  }
  expect(under.gateway.metrics.loginsRefused).toBe(before + 7)
  await under.postgres.query('create role guessed login')
  expect((await psql(info, ['-c', 'select 1'])).code).toBe(0)
})
