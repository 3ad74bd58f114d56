/**
 * Messages after the start packet: one type byte, a length that counts itself, a body.
 * https://www.postgresql.org/docs/current/protocol-overview.html#PROTOCOL-MESSAGE-CONCEPTS
 */
import type { ByteQueue } from './byte-queue.ts'
import { int32 } from './byte-reader.ts'
import { ProtocolViolation } from './protocol-violation.ts'

export interface TypedMessage {
  /** One ASCII character. */
  readonly type: string
  readonly body: Buffer
}

/** Takes one message out; `undefined` until it is whole. The bound is checked before it is kept. */
export function takeTypedMessage(queue: ByteQueue, maxBody: number): TypedMessage | undefined {
  const header = queue.peek(5)
  if (header === undefined) return undefined
  const type = String.fromCharCode(header.readUInt8(0))
  const length = header.readInt32BE(1)
  if (length < 4 || length - 4 > maxBody) throw new ProtocolViolation('invalid message length')
  const message = queue.take(length + 1)
  return message === undefined ? undefined : { type, body: message.subarray(5) }
}

export function printTypedMessage(type: string, ...parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 4)
  return Buffer.concat([Buffer.from(type, 'latin1'), int32(length), ...parts], length + 1)
}
