/**
 * One listening socket for each address: 127.0.0.1 and, where the machine has them, one loopback
 * address for each endpoint, which come and go at run time.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Fault } from '../domain/faults.ts'
import type { Log } from '../lib/log.ts'
import type { Millis } from '../lib/time.ts'

export interface ListenersOptions {
  /** 0: the first address takes any free port, the others the same. */
  readonly port: number
  readonly keepAlive: Millis
  readonly log: Log
  readonly receive: (socket: Socket) => void
}

export class Listeners {
  readonly #options: ListenersOptions
  readonly #servers = new Map<string, Server>()
  #port: number
  #isClosed = false

  constructor(options: ListenersOptions) {
    this.#options = options
    this.#port = options.port
  }

  get port(): number {
    return this.#port
  }

  get addresses(): readonly string[] {
    return [...this.#servers.keys()]
  }

  /** Listening already is success. */
  async add(address: string): Promise<void> {
    if (this.#isClosed) throw new Fault('UNAVAILABLE', { doing: 'stopping' })
    if (this.#servers.has(address)) return
    const { keepAlive, receive, log } = this.#options
    const server = createServer(
      {
        allowHalfOpen: true, // the relay passes an end on and lets the other side finish
        pauseOnConnect: true, // nothing is read before someone looks at it
        noDelay: true,
        keepAlive: true,
        keepAliveInitialDelay: keepAlive,
      },
      receive,
    )
    this.#servers.set(address, server)
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen({ host: address, port: this.#port, backlog: 1024 }, () => {
          server.off('error', reject)
          resolve()
        })
      })
    } catch (error) {
      this.#servers.delete(address)
      throw error
    }
    server.on('error', (error) => log.error({ err: error, address }, 'accepting failed'))
    this.#port = (server.address() as AddressInfo).port
    if (this.#isClosed) server.close() // closed while it was being bound
  }

  /** Takes no new connections there; those that are here stay. Unknown is success. */
  remove(address: string): void {
    this.#servers.get(address)?.close()
    this.#servers.delete(address)
  }

  close(): void {
    this.#isClosed = true
    for (const address of this.addresses) this.remove(address)
  }
}
