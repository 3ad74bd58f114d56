/** The front machine: what each kind of opening leads to, whatever the bytes' split. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { type ClientAction, ClientHandshake } from './client-handshake.ts'
import { printPassword } from './client-message.ts'
import { printServerMessage } from './server-message.ts'
import { printStartPacket, type Startup } from './start-packet.ts'

const sslRequest = printStartPacket({ kind: 'ssl-request' })
const gssencRequest = printStartPacket({ kind: 'gssenc-request' })
const key = { processId: 7, secret: Buffer.from('0102030405', 'hex') }
const cancelRequest = printStartPacket({ kind: 'cancel-request', key })
const startupOf = (
  parameters: Startup['parameters'],
  { major = 3, minor = 0 }: { major?: number; minor?: number } = {},
) => printStartPacket({ kind: 'startup', startup: { major, minor, parameters } })
const startup = startupOf([
  ['user', 'ada@example.com'],
  ['database', 'app'],
])

/** Feeds the bytes one at a time and collects what the machine wants. */
const trickle = (machine: ClientHandshake, bytes: Buffer): ClientAction[] =>
  [...bytes].flatMap((byte) => machine.receive(Buffer.of(byte)))

function secured(): ClientHandshake {
  const machine = new ClientHandshake()
  machine.receive(sslRequest)
  machine.secured(undefined)
  return machine
}

describe('client handshake', () => {
  test('goes from SSLRequest over TLS and a password to the proof', () => {
    const machine = new ClientHandshake()
    expect(trickle(machine, sslRequest)).toEqual([
      { do: 'send', bytes: Buffer.from('S') },
      { do: 'secure', head: Buffer.alloc(0), isDirect: false },
    ])
    expect(machine.secured(undefined)).toEqual([])
    expect(trickle(machine, startup)).toMatchObject([{ do: 'ask' }])
    expect(machine.challenge({ kind: 'password' })).toEqual([
      { do: 'send', bytes: printServerMessage({ kind: 'authentication-cleartext-password' }) },
    ])
    expect(trickle(machine, printPassword('a token'))).toEqual([
      { do: 'admit', proof: { kind: 'password', password: 'a token' } },
    ])
    expect(machine.stage).toBe('proved')
  })

  test('answers N to GSSENCRequest and goes on', () => {
    const machine = new ClientHandshake()
    expect(machine.receive(gssencRequest)).toEqual([{ do: 'send', bytes: Buffer.from('N') }])
    expect(machine.receive(sslRequest)).toHaveLength(2)
    expect(machine.stage).toBe('securing')
  })

  test('closes when bytes follow SSLRequest in the clear', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), (stuffing) => {
        const machine = new ClientHandshake()
        const actions = machine.receive(Buffer.concat([sslRequest, stuffing]))
        expect(actions).toEqual([{ do: 'close' }])
      }),
    )
  })

  test('takes direct TLS only under the name of the protocol', () => {
    for (const [alpn, stage] of [
      ['postgresql', 'startup'],
      ['h2', 'closed'],
      [undefined, 'closed'],
    ] as const) {
      const machine = new ClientHandshake()
      const hello = Buffer.of(0x16, 3, 1, 0, 5)
      expect(machine.receive(hello)).toEqual([{ do: 'secure', head: hello, isDirect: true }])
      machine.secured(alpn)
      expect(machine.stage).toBe(stage)
    }
  })

  test('refuses a log-in without TLS', () => {
    expect(trickle(new ClientHandshake(), startup)).toEqual([
      { do: 'refuse', refusal: { reason: 'TLS_REQUIRED' } },
    ])
  })

  test('routes a cancel request, with and without TLS', () => {
    for (const machine of [new ClientHandshake(), secured()]) {
      expect(trickle(machine, cancelRequest)).toEqual([{ do: 'cancel', key }])
      expect(machine.stage).toBe('closed')
    }
  })

  test('refuses other major versions and a second negotiation', () => {
    expect(secured().receive(startupOf([], { major: 2 }))).toEqual([
      { do: 'refuse', refusal: { reason: 'PROTOCOL_UNSUPPORTED', version: '2.0' } },
    ])
    for (const again of [sslRequest, gssencRequest]) {
      expect(secured().receive(again)).toMatchObject([
        { do: 'refuse', refusal: { reason: 'PROTOCOL_VIOLATION' } },
      ])
    }
  })

  test('negotiates later minor versions and extensions down', () => {
    const machine = secured()
    const parameters = [
      ['user', 'ada'],
      ['_pq_.fancy', 'on'],
    ] as const
    const [first, second] = machine.receive(startupOf(parameters, { minor: 2 }))
    expect(first).toEqual({
      do: 'send',
      bytes: printServerMessage({
        kind: 'negotiate-protocol-version',
        version: 3 << 16,
        unrecognized: ['_pq_.fancy'],
      }),
    })
    expect(second).toEqual({
      do: 'ask',
      startup: { major: 3, minor: 0, parameters: [['user', 'ada']] },
    })
  })

  test('wants a user', () => {
    for (const parameters of [[], [['user', '']] as const]) {
      expect(secured().receive(startupOf(parameters))).toMatchObject([
        { do: 'refuse', refusal: { reason: 'PROTOCOL_VIOLATION' } },
      ])
    }
  })

  test('a client that says goodbye instead of its password is let go in silence', () => {
    const machine = secured()
    machine.receive(startup)
    machine.challenge({ kind: 'password' })
    expect(machine.receive(Buffer.from([0x58, 0, 0, 0, 4]))).toEqual([{ do: 'close' }])
  })

  test('keeps what follows the proof for the compute', () => {
    const machine = secured()
    machine.receive(startup)
    machine.challenge({ kind: 'password' })
    machine.receive(Buffer.concat([printPassword('x'), Buffer.from('early query')]))
    expect(machine.rest().toString()).toBe('early query')
  })

  test('refuses a password beyond the bound before it is here', () => {
    const machine = secured()
    machine.receive(startup)
    machine.challenge({ kind: 'password' })
    const header = Buffer.from('p\0\0\0\0')
    header.writeInt32BE(65_536 + 4, 1)
    expect(machine.receive(header)).toMatchObject([{ do: 'refuse' }])
  })

  test('any bytes at any stage are handled, and a closed machine stays silent', () => {
    const stages: readonly (() => ClientHandshake)[] = [
      () => new ClientHandshake(),
      secured,
      () => {
        const machine = secured()
        machine.receive(startup)
        machine.challenge({ kind: 'password' })
        return machine
      },
      () => {
        const machine = secured()
        machine.receive(startup)
        const empty = Buffer.alloc(32)
        machine.challenge({
          kind: 'scram',
          verifier: { iterations: 1, salt: empty, storedKey: empty, serverKey: empty },
          serverNonce: 'n',
        })
        return machine
      },
    ]
    const message = fc
      .tuple(fc.constantFrom('p', 'Q', '\0'), fc.uint8Array({ maxLength: 60 }))
      .map(([type, body]) => {
        const framed = Buffer.concat([Buffer.from(`${type}\0\0\0\0`, 'latin1'), body])
        framed.writeInt32BE(body.length + 4, 1)
        return framed
      })
    const noise = fc.oneof(fc.uint8Array(), message)
    fc.assert(
      fc.property(fc.nat(3), fc.array(noise), (which, chunks) => {
        const machine = stages[which]?.() ?? new ClientHandshake()
        for (const chunk of chunks) {
          const wasClosed = machine.stage === 'closed'
          const actions = machine.receive(chunk)
          if (wasClosed) expect(actions).toEqual([])
          if (machine.stage === 'securing') return
        }
      }),
      { numRuns: 1000 },
    )
  })
})
