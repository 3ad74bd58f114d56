/**
 * Calls in both directions over any channel that carries plain data in order. Each call has an id and
 * a deadline; the loss of the channel fails what is under way. A Fault crosses as itself, any other
 * error stays on its side, in the log.
 */
import { randomUUID } from 'node:crypto'
import { Fault, type FaultRecord, fromRecord, toRecord } from '../domain/faults.ts'
import type { Log } from '../lib/log.ts'
import { type Millis, timer } from '../lib/time.ts'

export interface Transport {
  /** May throw when the channel is closed. */
  send(message: unknown): void
  onMessage(listener: (message: unknown) => void): void
  onClose(listener: () => void): void
}

/** Arguments were plain data when they were sent; the handler knows their types. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>

type Message =
  | {
      readonly rpc: 'call'
      readonly id: number
      readonly method: string
      readonly argument: unknown
    }
  | { readonly rpc: 'tell'; readonly method: string; readonly argument: unknown }
  | { readonly rpc: 'value'; readonly id: number; readonly value: unknown }
  | { readonly rpc: 'fault'; readonly id: number; readonly fault: FaultRecord }

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
  readonly deadline: { cancel(): void }
}

export class Rpc {
  readonly #transport: Transport
  readonly #handlers: Handlers
  readonly #log: Log
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #isClosed = false

  constructor(transport: Transport, handlers: Handlers, log: Log) {
    this.#transport = transport
    this.#handlers = handlers
    this.#log = log
    transport.onMessage((message) => this.#receive(message))
    transport.onClose(() => this.#close())
  }

  /** The type of the answer is the other end's promise. */
  call<T>(method: string, argument: unknown, patience: Millis): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#isClosed) {
        reject(unavailable('not reachable'))
        return
      }
      this.#lastId += 1
      const id = this.#lastId
      const deadline = timer(patience, () => {
        this.#pending.delete(id)
        reject(unavailable('not answering'))
      })
      this.#pending.set(id, { resolve: (value) => resolve(value as T), reject, deadline })
      try {
        this.#send({ rpc: 'call', id, method, argument })
      } catch (error) {
        this.#settle(id)?.reject(unavailable('not reachable', error))
      }
    })
  }

  /** Without an answer. A closed channel is success: there is nobody left to tell. */
  tell(method: string, argument: unknown): void {
    if (this.#isClosed) return
    try {
      this.#send({ rpc: 'tell', method, argument })
    } catch (error) {
      this.#log.debug({ err: error, method }, 'the other process is gone')
    }
  }

  #send(message: Message): void {
    this.#transport.send(message)
  }

  #receive(received: unknown): void {
    if (typeof received !== 'object' || received === null || !('rpc' in received)) return
    const message = received as Message
    switch (message.rpc) {
      case 'call':
        void this.#answer(message.id, message.method, message.argument)
        return
      case 'tell':
        this.#run(message.method, message.argument).catch((error: unknown) =>
          this.#log.error({ err: error, method: message.method }, 'a message was not handled'),
        )
        return
      case 'value':
        this.#settle(message.id)?.resolve(message.value)
        return
      case 'fault':
        this.#settle(message.id)?.reject(fromRecord(message.fault))
    }
  }

  async #answer(id: number, method: string, argument: unknown): Promise<void> {
    let answer: Message
    try {
      answer = { rpc: 'value', id, value: await this.#run(method, argument) }
    } catch (error) {
      answer = { rpc: 'fault', id, fault: toRecord(this.#toFault(error, method)) }
    }
    try {
      this.#send(answer)
    } catch (error) {
      this.#log.debug({ err: error, method }, 'the other process is gone')
    }
  }

  async #run(method: string, argument: unknown): Promise<unknown> {
    const handler = Object.hasOwn(this.#handlers, method) ? this.#handlers[method] : undefined
    if (handler === undefined) throw new Error(`there is no method ${method}`)
    return await handler(argument as never)
  }

  #toFault(error: unknown, method: string): Fault {
    if (error instanceof Fault) return error
    const request = randomUUID()
    this.#log.error({ err: error, method, request }, 'a call failed')
    return new Fault('INTERNAL', { request })
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    pending?.deadline.cancel()
    return pending
  }

  #close(): void {
    this.#isClosed = true
    for (const id of [...this.#pending.keys()]) {
      this.#settle(id)?.reject(unavailable('not reachable'))
    }
  }
}

const unavailable = (doing: string, cause?: unknown): Fault =>
  new Fault('UNAVAILABLE', { doing }, cause === undefined ? {} : { cause })
