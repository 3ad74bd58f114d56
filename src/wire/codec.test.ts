/** The codec: print and parse are inverse, under any split of the bytes; lies about lengths end. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ByteQueue } from './byte-queue.ts'
import {
  parsePassword,
  parseSaslInitialResponse,
  parseSaslResponse,
  printPassword,
  printSaslInitialResponse,
  printSaslResponse,
} from './client-message.ts'
import { ProtocolViolation } from './protocol-violation.ts'
import { parseServerMessage, printServerMessage, type ServerMessage } from './server-message.ts'
import { printStartPacket, type StartPacket, takeStartPacket } from './start-packet.ts'
import { takeTypedMessage } from './typed-message.ts'

const text = fc.string({ unit: 'binary', maxLength: 40 }).map((value) => value.replaceAll('\0', ''))
const word = text.filter((value) => value !== '')
const bytes = (minLength: number, maxLength: number) =>
  fc.uint8Array({ minLength, maxLength }).map((array) => Buffer.from(array))
const key = fc.record({
  processId: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
  secret: bytes(4, 256),
})

const startPacket: fc.Arbitrary<StartPacket> = fc.oneof(
  fc.constant<StartPacket>({ kind: 'ssl-request' }),
  fc.constant<StartPacket>({ kind: 'gssenc-request' }),
  key.map((value): StartPacket => ({ kind: 'cancel-request', key: value })),
  fc
    .record({
      major: fc.constant(3),
      minor: fc.nat(0xffff),
      parameters: fc.array(fc.tuple(word, text), { maxLength: 20 }),
    })
    .map((startup): StartPacket => ({ kind: 'startup', startup })),
)

const letter = fc.constantFrom('S', 'V', 'C', 'M', 'H', 'D')
const fields = fc
  .uniqueArray(fc.tuple(letter, text), { selector: ([name]) => name })
  .map((entries) => new Map(entries))
const serverMessage: fc.Arbitrary<ServerMessage> = fc.oneof(
  fc.constantFrom<ServerMessage>(
    { kind: 'authentication-ok' },
    { kind: 'authentication-cleartext-password' },
  ),
  fc.array(word).map((mechanisms): ServerMessage => ({ kind: 'authentication-sasl', mechanisms })),
  bytes(0, 99).map((data): ServerMessage => ({ kind: 'authentication-sasl-continue', data })),
  bytes(0, 99).map((data): ServerMessage => ({ kind: 'authentication-sasl-final', data })),
  bytes(0, 9).map((data): ServerMessage => ({ kind: 'authentication-other', code: 5, data })),
  fc
    .record({ version: fc.nat(), unrecognized: fc.array(word) })
    .map((value): ServerMessage => ({ kind: 'negotiate-protocol-version', ...value })),
  key.map((value): ServerMessage => ({ kind: 'backend-key-data', key: value })),
  fc
    .record({ name: word, value: text })
    .map((value): ServerMessage => ({ kind: 'parameter-status', ...value })),
  fc
    .constantFrom('I' as const, 'T' as const, 'E' as const)
    .map((status): ServerMessage => ({ kind: 'ready-for-query', status })),
  fields.map((value): ServerMessage => ({ kind: 'error-response', fields: value })),
  fields.map((value): ServerMessage => ({ kind: 'notice-response', fields: value })),
)

/** Cuts bytes at arbitrary places. */
const split = (whole: Buffer, cuts: readonly number[]): readonly Buffer[] => {
  const places = [...new Set(cuts.map((cut) => cut % (whole.length + 1)))].sort((a, b) => a - b)
  return [...places, whole.length].map((end, n) => whole.subarray(places[n - 1] ?? 0, end))
}

function takeAll<T>(pieces: readonly Buffer[], take: (queue: ByteQueue) => T | undefined): T[] {
  const queue = new ByteQueue()
  const taken: T[] = []
  for (const piece of pieces) {
    queue.push(piece)
    for (let one = take(queue); one !== undefined; one = take(queue)) taken.push(one)
  }
  expect(queue.length).toBe(0)
  return taken
}

describe('codec', () => {
  test('start packets come back as they were printed, wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(startPacket), fc.array(fc.nat()), (packets, cuts) => {
        const pieces = split(Buffer.concat(packets.map(printStartPacket)), cuts)
        expect(takeAll(pieces, takeStartPacket)).toEqual(packets)
      }),
    )
  })

  test('server messages come back as they were printed, wherever the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(serverMessage), fc.array(fc.nat()), (messages, cuts) => {
        const pieces = split(Buffer.concat(messages.map(printServerMessage)), cuts)
        const taken = takeAll(pieces, (queue) => takeTypedMessage(queue, 65_535))
        expect(taken.map(parseServerMessage)).toEqual(messages)
      }),
    )
  })

  test('authentication responses come back as they were printed', () => {
    const one = (printed: Buffer) => {
      const queue = new ByteQueue()
      queue.push(printed)
      const message = takeTypedMessage(queue, 65_535)
      if (message === undefined) throw new Error('not whole')
      return message
    }
    fc.assert(
      fc.property(text, bytes(0, 99), fc.boolean(), (password, data, isEmpty) => {
        expect(parsePassword(one(printPassword(password)))).toBe(password)
        expect(parseSaslResponse(one(printSaslResponse(data)))).toEqual(data)
        const initial = { mechanism: 'SCRAM-SHA-256', response: isEmpty ? undefined : data }
        expect(parseSaslInitialResponse(one(printSaslInitialResponse(initial)))).toEqual(initial)
      }),
    )
  })

  test('arbitrary bytes are a message, a wait or a violation, and nothing else', () => {
    const survive = (work: () => unknown) => {
      try {
        work()
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolViolation)
      }
    }
    fc.assert(
      fc.property(bytes(0, 300), fc.nat(40), (noise, length) => {
        for (const framed of [noise, Buffer.concat([Buffer.of(0, 0, 0, length), noise])]) {
          const start = new ByteQueue()
          start.push(framed)
          survive(() => takeStartPacket(start))
        }
        for (const type of 'RvKSZEN') {
          survive(() => parseServerMessage({ type, body: noise }))
        }
        survive(() => parsePassword({ type: 'p', body: noise }))
        survive(() => parseSaslInitialResponse({ type: 'p', body: noise }))
      }),
      { numRuns: 500 },
    )
  })

  test.each([0, 7, 10_001, 2 ** 30, -1])('a start packet of length %i is refused at once', (n) => {
    const queue = new ByteQueue()
    const length = Buffer.alloc(4)
    length.writeInt32BE(n)
    queue.push(length)
    expect(() => takeStartPacket(queue)).toThrow(ProtocolViolation)
  })

  test('a cancel key is 4 to 256 bytes long', () => {
    for (const [length, isAllowed] of [
      [3, false],
      [4, true],
      [256, true],
      [257, false],
    ] as const) {
      const queue = new ByteQueue()
      const secret = Buffer.alloc(length, 7)
      queue.push(printStartPacket({ kind: 'cancel-request', key: { processId: 5, secret } }))
      if (isAllowed) expect(takeStartPacket(queue)).toMatchObject({ key: { secret } })
      else expect(() => takeStartPacket(queue)).toThrow('invalid length of cancel key')
    }
  })

  test('a startup packet without its last zero, or with more behind it, is refused', () => {
    const good = printStartPacket({
      kind: 'startup',
      startup: { major: 3, minor: 0, parameters: [['user', 'ada']] },
    })
    const reframe = (body: Buffer) => {
      const framed = Buffer.concat([Buffer.alloc(4), body])
      framed.writeInt32BE(framed.length)
      return framed
    }
    for (const bad of [good.subarray(4, -1), Buffer.concat([good.subarray(4), Buffer.of(0)])]) {
      const queue = new ByteQueue()
      queue.push(reframe(bad))
      expect(() => takeStartPacket(queue)).toThrow(ProtocolViolation)
    }
  })

  test('a zero byte cannot be smuggled into a string', () => {
    expect(() => printPassword('a\0b')).toThrow(ProtocolViolation)
  })
})
