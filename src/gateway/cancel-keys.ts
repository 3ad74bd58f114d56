/**
 * Query cancellation, a path of its own: a client opens a second connection and sends the key that
 * its session was given at log-in, often in the clear and without a server name. Postgres's own key
 * is what the client got, so the key alone finds the compute; an unknown key gets silence, as from
 * Postgres. A cancel never wakes anything: without a live session there is no key.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-CANCELING-REQUESTS
 */
import { connect } from 'node:net'
import { deadline, type Millis } from '../lib/time.ts'
import { type CancelKey, printStartPacket } from '../wire/start-packet.ts'

export class CancelKeys {
  readonly #sockets = new Map<string, string>()

  get size(): number {
    return this.#sockets.size
  }

  /** Remembers the key until `forget` is called. */
  remember(key: CancelKey, socketPath: string): { forget(): void } {
    const name = nameOf(key)
    this.#sockets.set(name, socketPath)
    return { forget: () => void this.#sockets.delete(name) }
  }

  /** Resolves when the compute has taken the request; `unknown` when the key is nobody's. */
  async cancel(key: CancelKey, patience: Millis): Promise<'forwarded' | 'unknown'> {
    const socketPath = this.#sockets.get(nameOf(key))
    if (socketPath === undefined) return 'unknown'
    await deliver(socketPath, printStartPacket({ kind: 'cancel-request', key }), patience)
    return 'forwarded'
  }
}

const nameOf = ({ processId, secret }: CancelKey): string =>
  `${processId}:${secret.toString('hex')}`

/** Postgres closes the connection when it has sent the signal. A compute that is gone is success. */
function deliver(socketPath: string, request: Buffer, patience: Millis): Promise<void> {
  return new Promise((resolve) => {
    const signal = deadline(patience)
    const socket = connect({ path: socketPath, signal })
    socket.on('error', () => undefined)
    socket.once('close', () => resolve())
    socket.once('connect', () => socket.write(request))
    socket.once('end', () => socket.destroy())
    socket.resume()
  })
}
