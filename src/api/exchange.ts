/**
 * One request and its answer, as tests compare them with the API document. A server keeps none unless
 * it is asked to: bodies hold secrets.
 */
import { appendFileSync } from 'node:fs'

export interface Exchange {
  /** `undefined`: no route was found. */
  readonly operationId: string | undefined
  readonly method: string
  readonly path: string
  /** As it came; `undefined`: refused before it was looked at. */
  readonly query: Readonly<Record<string, string>> | undefined
  /** In the form of the contract (names and wrapper put right), and of an update what its mask chose. */
  readonly body: unknown
  readonly status: number
  readonly contentType: string
  readonly reply: string
}

export type KeepExchange = (exchange: Exchange) => void

/** `LAKELET_TRAFFIC_TRACE`: a file that gets each exchange as one line of JSON. For tests alone. */
export function keepInFile(path: string | undefined): KeepExchange | undefined {
  if (path === undefined || path === '') return undefined
  return (exchange) => appendFileSync(path, `${JSON.stringify(exchange)}\n`, { mode: 0o600 })
}
