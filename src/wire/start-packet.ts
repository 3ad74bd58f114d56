/**
 * The packets that open a connection. They have no type byte: a length and a code tell them apart.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html (CancelRequest,
 * GSSENCRequest, SSLRequest, StartupMessage)
 */
import type { ByteQueue } from './byte-queue.ts'
import { ByteReader, cstring, int32 } from './byte-reader.ts'
import { ProtocolViolation } from './protocol-violation.ts'

/** Postgres's own bound on a startup packet, MAX_STARTUP_PACKET_LENGTH in its libpq/pqcomm.h. */
export const maxStartPacketLength = 10_000

/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-CANCELREQUEST */
const cancelRequestCode = 80877102
/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SSLREQUEST */
const sslRequestCode = 80877103
/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-GSSENCREQUEST */
const gssencRequestCode = 80877104

/**
 * Secret keys are 4 bytes up to protocol 3.1 and 4 to 256 bytes from 3.2 on.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-BACKENDKEYDATA
 */
export const minCancelKeyLength = 4
export const maxCancelKeyLength = 256

export interface CancelKey {
  readonly processId: number
  readonly secret: Buffer
}

export interface Startup {
  readonly major: number
  readonly minor: number
  /** In the order sent; a name may come twice, and the last one counts. */
  readonly parameters: readonly (readonly [name: string, value: string])[]
}

export type StartPacket =
  | { readonly kind: 'ssl-request' }
  | { readonly kind: 'gssenc-request' }
  | { readonly kind: 'cancel-request'; readonly key: CancelKey }
  | { readonly kind: 'startup'; readonly startup: Startup }

/** Takes one packet out of the queue; `undefined` until it is whole. */
export function takeStartPacket(queue: ByteQueue): StartPacket | undefined {
  const length = queue.peek(4)?.readInt32BE(0)
  if (length === undefined) return undefined
  // Before anything of this length is kept: a client may claim a gigabyte.
  if (length < 8 || length > maxStartPacketLength) {
    throw new ProtocolViolation('invalid length of startup packet')
  }
  const packet = queue.take(length)
  return packet === undefined ? undefined : parseStartPacket(packet)
}

function parseStartPacket(packet: Buffer): StartPacket {
  const reader = new ByteReader(packet.subarray(4))
  const code = reader.int32()
  switch (code) {
    case sslRequestCode:
      reader.end()
      return { kind: 'ssl-request' }
    case gssencRequestCode:
      reader.end()
      return { kind: 'gssenc-request' }
    case cancelRequestCode: {
      const processId = reader.int32()
      if (reader.left < minCancelKeyLength || reader.left > maxCancelKeyLength) {
        throw new ProtocolViolation('invalid length of cancel key')
      }
      return { kind: 'cancel-request', key: { processId, secret: Buffer.from(reader.rest()) } }
    }
    default:
      return { kind: 'startup', startup: parseStartup(code, reader) }
  }
}

/**
 * A major version that is not 3 has a layout that we do not know: it is reported without parameters.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-STARTUPMESSAGE
 */
function parseStartup(code: number, reader: ByteReader): Startup {
  const major = code >>> 16
  const minor = code & 0xffff
  if (major !== 3) return { major, minor, parameters: [] }
  const parameters: (readonly [string, string])[] = []
  for (;;) {
    const name = reader.cstring()
    if (name === '') break
    parameters.push([name, reader.cstring()])
  }
  reader.end()
  return { major, minor, parameters }
}

export function printStartPacket(packet: StartPacket): Buffer {
  switch (packet.kind) {
    case 'ssl-request':
      return framed(int32(sslRequestCode))
    case 'gssenc-request':
      return framed(int32(gssencRequestCode))
    case 'cancel-request':
      return framed(int32(cancelRequestCode), int32(packet.key.processId), packet.key.secret)
    case 'startup': {
      const { major, minor, parameters } = packet.startup
      if (major !== 3) return framed(int32((major << 16) | minor))
      return framed(
        int32((major << 16) | minor),
        ...parameters.flatMap(([name, value]) => [cstring(name), cstring(value)]),
        cstring(''),
      )
    }
  }
}

function framed(...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4)
  return Buffer.concat([int32(length), ...parts], length)
}

/** The last value of a parameter; absent and empty are the same to Postgres for user and database. */
export function parameter(startup: Startup, name: string): string | undefined {
  const value = startup.parameters.findLast(([key]) => key === name)?.[1]
  return value === '' ? undefined : value
}
