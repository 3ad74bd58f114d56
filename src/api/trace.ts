/** What ties an answer to a line of the log: our request id, and the caller's W3C trace id. */
import { randomBytes, randomUUID } from 'node:crypto'
import type { Trace } from './render-fault.ts'

/** https://www.w3.org/TR/trace-context/#traceparent-header: version, trace, parent, flags. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}/

export function newTrace(traceparent: string | undefined): Trace {
  const traceId = TRACEPARENT.exec(traceparent ?? '')?.[1] ?? randomBytes(16).toString('hex')
  return { requestId: randomUUID(), traceId }
}
