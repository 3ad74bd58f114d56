/** The one way from an error to the bytes that a Postgres client reads before it is let go. */
import { randomUUID } from 'node:crypto'
import { Fault } from '../domain/faults.ts'
import type { Log } from '../lib/log.ts'
import type { Refusal } from '../wire/client-handshake.ts'
import { printFatal } from '../wire/server-message.ts'

export const faultOf = (refusal: Refusal, user: string): Fault => {
  switch (refusal.reason) {
    case 'TLS_REQUIRED':
      return new Fault('TLS_REQUIRED')
    case 'PROTOCOL_VIOLATION':
      return new Fault('PROTOCOL_VIOLATION', { problem: refusal.problem })
    case 'PROTOCOL_UNSUPPORTED':
      return new Fault('PROTOCOL_UNSUPPORTED', { version: refusal.version })
    case 'LOGIN_FAILED':
      return new Fault('LOGIN_FAILED', { user })
  }
}

/** An expected refusal stays itself; anything else is logged under a number that the client sees. */
export function toFault(error: unknown, log: Log): Fault {
  if (error instanceof Fault) return error
  const request = randomUUID()
  log.error({ err: error, request }, 'a connection failed')
  return new Fault('INTERNAL', { request })
}

export const printFault = (fault: Fault): Buffer =>
  printFatal({
    sqlstate: fault.spec.sqlstate ?? 'XX000',
    message: fault.message,
    hint: fault.next,
  })
