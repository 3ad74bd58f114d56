/**
 * The back half: logging in to a compute over its Unix socket, as a pure machine. The client has
 * proved itself by now, so the compute is asked to trust the role; anything but AuthenticationOk
 * means that the compute is not set up as ours. What follows up to the first ReadyForQuery is kept
 * as it came, for the client, and the cancel key is noted on the way.
 */
import { ByteQueue } from './byte-queue.ts'
import { ProtocolViolation } from './protocol-violation.ts'
import { parseServerMessage, type ServerMessage } from './server-message.ts'
import type { CancelKey } from './start-packet.ts'
import { printTypedMessage, takeTypedMessage } from './typed-message.ts'

/** Far above what Postgres sends here; a bound, so that a log-in cannot fill the memory. */
const maxMessage = 65_536
const maxTotal = 1_048_576

export type LoginProgress =
  | { readonly kind: 'waiting' }
  /** `greeting`: AuthenticationOk to ReadyForQuery and whatever came behind it, for the client. */
  | { readonly kind: 'ready'; readonly greeting: Buffer; readonly key: CancelKey | undefined }
  /** Postgres said no, in `message`; all of it goes to the client as it is. */
  | { readonly kind: 'refused'; readonly sqlstate: string; readonly message: Buffer }
  /** Not what a compute of ours says. */
  | { readonly kind: 'broken'; readonly problem: string }

const waiting: LoginProgress = { kind: 'waiting' }

export class ComputeLogin {
  readonly #queue = new ByteQueue()
  readonly #greeting: Buffer[] = []
  #total = 0
  #key: CancelKey | undefined
  #isAuthenticated = false

  receive(bytes: Uint8Array): LoginProgress {
    this.#queue.push(bytes)
    this.#total += bytes.length
    try {
      for (;;) {
        const raw = takeTypedMessage(this.#queue, maxMessage)
        if (raw === undefined) break
        const progress = this.#message(
          parseServerMessage(raw),
          printTypedMessage(raw.type, raw.body),
        )
        if (progress !== waiting) return progress
      }
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error
      return { kind: 'broken', problem: error.message }
    }
    return this.#total > maxTotal
      ? { kind: 'broken', problem: 'the greeting is too long' }
      : waiting
  }

  #message(message: ServerMessage, raw: Buffer): LoginProgress {
    switch (message.kind) {
      case 'error-response':
        return {
          kind: 'refused',
          sqlstate: message.fields.get('C') ?? 'XX000',
          message: Buffer.concat([...this.#greeting, raw]),
        }
      case 'authentication-ok':
        this.#isAuthenticated = true
        break
      case 'parameter-status':
      case 'backend-key-data':
      case 'ready-for-query':
        if (!this.#isAuthenticated) return { kind: 'broken', problem: 'no authentication' }
        break
      case 'notice-response':
        // Clients do not expect a notice before AuthenticationOk.
        if (!this.#isAuthenticated) return waiting
        break
      default:
        return { kind: 'broken', problem: `the compute sent ${message.kind}` }
    }
    if (message.kind === 'backend-key-data') this.#key = message.key
    this.#greeting.push(raw)
    if (message.kind !== 'ready-for-query') return waiting
    return {
      kind: 'ready',
      greeting: Buffer.concat([...this.#greeting, this.#queue.drain()]),
      key: this.#key,
    }
  }
}
