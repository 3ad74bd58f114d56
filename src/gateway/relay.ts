/**
 * After the log-in the gateway gets out of the way: bytes pass in both directions as they come,
 * nobody parses them, and a slow reader holds back the writer at a fixed amount of memory.
 *
 * Ends: an orderly end of one side (FIN) is passed on and the other side may go on speaking for a
 * while; the loss of one side ends the other as soon as what was on its way is written.
 */
import type { Socket } from 'node:net'
import { timer } from '../lib/time.ts'
import type { GatewayLimits } from './limits.ts'

export interface Relay {
  readonly bytesFromClient: number
  readonly bytesToClient: number
  /** The compute spoke last, and its last word was ReadyForQuery: no message is cut by an end now. */
  readonly isQuiet: boolean
  /** The client is not listened to any more; what the compute says still passes. */
  hush(): void
  /** Stops passing bytes; both sockets are the caller's. */
  detach(): void
  /** Resolves when both sockets are closed. */
  readonly closed: Promise<void>
}

export function relay(
  client: Socket,
  compute: Socket,
  limits: Pick<GatewayLimits, 'buffer' | 'drain'>,
): Relay {
  let bytesFromClient = 0
  let bytesToClient = 0
  let isQuiet = true
  let isDetached = false
  let isHushed = false
  let drain: { cancel(): void } | undefined

  const startDrain = () => {
    drain ??= timer(limits.drain, () => {
      client.destroy()
      compute.destroy()
    })
  }

  client.on('data', (chunk: Buffer) => {
    if (isDetached || isHushed) return
    bytesFromClient += chunk.length
    isQuiet = false
    pass(chunk, client, compute, limits.buffer)
  })
  compute.on('data', (chunk: Buffer) => {
    if (isDetached) return
    bytesToClient += chunk.length
    isQuiet = endsReady(chunk)
    pass(chunk, compute, client, limits.buffer)
  })
  compute.on('drain', () => client.resume())
  client.on('drain', () => compute.resume())

  const closed = new Promise<void>((resolve) => {
    let open = 2
    const closeOf = (other: Socket) => () => {
      open -= 1
      if (open === 0) {
        drain?.cancel()
        resolve()
        return
      }
      startDrain()
      other.resume() // nobody reads on its behalf any more
      other.destroySoon()
    }
    for (const [one, other] of [
      [client, compute],
      [compute, client],
    ] as const) {
      const ended = () => {
        startDrain()
        if (!isDetached && other.writable) other.end()
      }
      if (one.readableEnded) queueMicrotask(ended)
      else one.once('end', ended)
      if (one.destroyed && one.closed) queueMicrotask(closeOf(other))
      else one.once('close', closeOf(other))
    }
  })
  client.resume()
  compute.resume()
  return {
    get bytesFromClient() {
      return bytesFromClient
    },
    get bytesToClient() {
      return bytesToClient
    },
    get isQuiet() {
      return isQuiet
    },
    hush: () => {
      isHushed = true
    },
    detach: () => {
      isDetached = true
      client.resume()
      compute.resume()
    },
    closed,
  }
}

/** `drain` comes only after a full buffer, so a writer that was paused is always let go again. */
function pass(chunk: Buffer, from: Socket, to: Socket, bound: number): void {
  if (!to.writable) return
  to.write(chunk)
  if (to.writableLength > bound) from.pause()
}

/**
 * ReadyForQuery is `Z`, the length 5 and a status. A row that happens to end like this fools it; all
 * that follows is that a session which is being ended anyway loses the end of a message.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-READYFORQUERY
 */
function endsReady(chunk: Buffer): boolean {
  const at = chunk.length - 6
  return at >= 0 && chunk[at] === 0x5a && chunk.readInt32BE(at + 1) === 5
}
