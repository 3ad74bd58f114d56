/**
 * The only thing that listens for Postgres clients. It holds no state that a restart would lose: it
 * asks the server for every decision over a link, and moves bytes by itself. When the server is lost,
 * `drain` stops listening at once and lets live sessions end in their own time.
 */
import type { GatewayControl, GatewayLink } from '../actions/session.ts'
import { fromRecord } from '../domain/faults.ts'
import type { Log } from '../lib/log.ts'
import type { Clock } from '../lib/time.ts'
import { FrontDesk } from './front-desk.ts'
import { defaultLimits, type GatewayLimits } from './limits.ts'
import { Listeners } from './listeners.ts'
import type { GatewayMetrics } from './metrics.ts'

export interface GatewayOptions {
  readonly link: GatewayLink
  /** 0: any free one, the same for all addresses. */
  readonly port: number
  readonly log: Log
  readonly clock: Clock
  /** Listened on from the start; a failure to bind them is the gateway's. */
  readonly addresses?: readonly string[]
  readonly limits?: Partial<GatewayLimits>
}

export interface Gateway extends GatewayControl {
  readonly port: number
  readonly metrics: Readonly<GatewayMetrics>
  /** Stops listening and resolves when the last session has ended by itself. */
  drain(): Promise<void>
}

const fewAddresses = 4

export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { link, port, log, clock, addresses = ['127.0.0.1'] } = options
  const limits: GatewayLimits = { ...defaultLimits, ...options.limits }
  const desk = new FrontDesk({ link, limits, log, clock })
  const listeners = new Listeners({
    port,
    keepAlive: limits.keepAlive,
    log,
    receive: (socket) => desk.receive(socket),
  })
  try {
    for (const address of addresses) await listeners.add(address)
  } catch (error) {
    listeners.close()
    throw error
  }
  return {
    get port() {
      return listeners.port
    },
    get metrics() {
      return desk.metrics
    },
    async listen(wanted) {
      const problems: { address: string; problem: string }[] = []
      for (const address of wanted) {
        try {
          await listeners.add(address)
          // A new endpoint's first client should not wait for its certificate. At a start there are
          // hundreds, most of which nobody dials: those are made when they are asked for.
          if (wanted.length <= fewAddresses) desk.warm(address)
        } catch (error) {
          problems.push({ address, problem: problemOf(error) })
        }
      }
      return problems
    },
    async unlisten(unwanted) {
      for (const address of unwanted) listeners.remove(address)
    },
    endSessions: (endpoint) => desk.sessions.end(endpoint),
    heldSessions: async () => desk.sessions.held(),
    endHeld: (ids, why) => desk.sessions.endHeld(ids, fromRecord(why)),
    async stop() {
      listeners.close()
      await desk.stop()
    },
    async drain() {
      listeners.close()
      await desk.settled()
    },
  }
}

const problemOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error)
