/**
 * Where the workers of a test run get their databases: a Unix socket in a directory that nobody else may enter. To connect is to
 * claim, and the claim lasts as long as the connection: a worker that dies, however it dies, gives up what it had, since the
 * kernel closes its socket. Nothing is ever read from it. What is written are lines of JSON: the access to the copy, again whenever
 * its credential is renewed; or `{"error", "hint"}`.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Clock, type EpochMs, type Millis, millis, minutes, timer } from '../lib/time.ts'
import type { TestPool } from './test-pool.ts'

export interface Access {
  /** When the credential in it ends. */
  readonly credentialEnds: EpochMs
  /** What the worker is told. */
  readonly line: Readonly<Record<string, unknown>>
}

export interface ClaimsOptions<T> {
  readonly pool: TestPool<T>
  /** With a credential that is good for longer than `renewBefore`. */
  readonly access: (copy: T) => Promise<Access>
  readonly clock: Clock
  /** Told of renewals that fail; they are tried again. */
  readonly onTrouble: (error: unknown) => void
  /** How long before its end a credential is replaced. */
  readonly renewBefore: Millis
}

const tryAgainAfter = minutes(1)

export class Claims<T> {
  /** Of the socket. */
  readonly path: string
  readonly #directory: string
  readonly #options: ClaimsOptions<T>
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async listen<T>(options: ClaimsOptions<T>): Promise<Claims<T>> {
    const claims = new Claims(await mkdtemp(join(tmpdir(), 'lakelet-test-')), options)
    await claims.#listen()
    return claims
  }

  private constructor(directory: string, options: ClaimsOptions<T>) {
    this.#directory = directory
    this.path = join(directory, 'pool')
    this.#options = options
    this.#server = createServer((socket) => this.#admit(socket))
  }

  /** Every claim ends. */
  async end(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise<void>((resolve) => this.#server.close(() => resolve()))
    await rm(this.#directory, { recursive: true, force: true })
  }

  #listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(this.path, resolve)
    })
  }

  #admit(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('error', () => undefined) // it closes as well
    socket.resume() // an end is seen by whoever reads
    void this.#serve(socket)
  }

  async #serve(socket: Socket): Promise<void> {
    const { pool, access } = this.#options
    try {
      const copy = await pool.take()
      if (socket.destroyed) return pool.giveBack(copy)
      socket.once('close', () => pool.discard(copy))
      this.#tell(socket, copy, await access(copy))
    } catch (error) {
      socket.end(`${JSON.stringify(sayError(error))}\n`)
    }
  }

  #tell(socket: Socket, copy: T, { line, credentialEnds }: Access): void {
    if (socket.destroyed) return
    const { clock, renewBefore, access, onTrouble } = this.#options
    socket.write(`${JSON.stringify(line)}\n`)
    const renewIn = (length: Millis) => {
      const next = timer(length, () => {
        socket.off('close', next.cancel)
        access(copy).then(
          (renewed) => this.#tell(socket, copy, renewed),
          (error: unknown) => {
            if (socket.destroyed) return
            onTrouble(error)
            renewIn(tryAgainAfter)
          },
        )
      })
      socket.once('close', next.cancel)
    }
    renewIn(millis(Math.max(0, credentialEnds - clock.now() - renewBefore)))
  }
}

function sayError(error: unknown): Readonly<Record<string, unknown>> {
  const hint = error instanceof Error && 'hint' in error ? error.hint : undefined
  return { error: error instanceof Error ? error.message : String(error), hint }
}
