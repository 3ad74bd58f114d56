/** Reads the fields of one message; whatever reaches past its end is a violation, never a crash. */
import { ProtocolViolation } from './protocol-violation.ts'

/** Strict: two different byte strings must never become the same role name. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export class ByteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get left(): number {
    return this.#bytes.length - this.#at
  }

  int32(): number {
    this.#need(4)
    const value = this.#bytes.readInt32BE(this.#at)
    this.#at += 4
    return value
  }

  byte(): number {
    this.#need(1)
    const value = this.#bytes.readUInt8(this.#at)
    this.#at += 1
    return value
  }

  bytes(count: number): Buffer {
    this.#need(count)
    const value = this.#bytes.subarray(this.#at, this.#at + count)
    this.#at += count
    return value
  }

  rest(): Buffer {
    return this.bytes(this.left)
  }

  /** String: bytes up to a zero byte, which is taken as well. */
  cstring(): string {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end === -1) throw new ProtocolViolation('string without an end')
    const text = decodeUtf8(this.#bytes.subarray(this.#at, end))
    this.#at = end + 1
    return text
  }

  /** For texts that are only shown or relayed: what is not UTF-8 reads as a replacement character. */
  shownCstring(): string {
    const end = this.#bytes.indexOf(0, this.#at)
    if (end === -1) throw new ProtocolViolation('string without an end')
    const text = this.#bytes.toString('utf8', this.#at, end)
    this.#at = end + 1
    return text
  }

  /** Every field was read: a message that says more than its layout is not that message. */
  end(): void {
    if (this.left !== 0) throw new ProtocolViolation('message is longer than its fields')
  }

  #need(count: number): void {
    if (count < 0 || count > this.left) throw new ProtocolViolation('message ends too early')
  }
}

export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    throw new ProtocolViolation('text is not UTF-8')
  }
}

export function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeInt32BE(value)
  return bytes
}

/** A zero byte inside would end the string early and let its rest pass as something else. */
export function cstring(text: string): Buffer {
  if (text.includes('\0')) throw new ProtocolViolation('string holds a zero byte')
  return Buffer.from(`${text}\0`, 'utf8')
}
