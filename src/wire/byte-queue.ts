/**
 * Bytes as they came from a socket, in order, until a whole message is there. Nothing is copied
 * before a reader takes it, so a peer that sends one byte at a time costs no more than its bytes.
 */

export class ByteQueue {
  #chunks: Buffer[] = []
  #length = 0

  get length(): number {
    return this.#length
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#chunks.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
    this.#length += bytes.length
  }

  /** The first `count` bytes, left in place; `undefined` until they are there. */
  peek(count: number): Buffer | undefined {
    if (count > this.#length) return undefined
    const first = this.#chunks[0]
    if (first !== undefined && first.length >= count) return first.subarray(0, count)
    // Join only as many chunks as needed: the rest may be long.
    let joined = 0
    let chunks = 0
    while (joined < count) {
      joined += this.#chunks[chunks]?.length ?? 0
      chunks += 1
    }
    const head = Buffer.concat(this.#chunks.splice(0, chunks), joined)
    this.#chunks.unshift(head)
    return head.subarray(0, count)
  }

  /** Takes the first `count` bytes out; `undefined` until they are there. */
  take(count: number): Buffer | undefined {
    const taken = this.peek(count)
    if (taken === undefined) return undefined
    const first = this.#chunks[0]
    if (first !== undefined) {
      if (first.length === count) this.#chunks.shift()
      else this.#chunks[0] = first.subarray(count)
    }
    this.#length -= count
    return taken
  }

  /** Takes everything out. */
  drain(): Buffer {
    const all = Buffer.concat(this.#chunks, this.#length)
    this.#chunks = []
    this.#length = 0
    return all
  }
}
