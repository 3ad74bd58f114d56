/**
 * Gateway and server as two processes: the server forks the gateway and both talk over the child's
 * IPC channel. `gatewayProcess` is the whole life of the child; `controlGateway` is the server's end.
 *
 * When the channel is lost the server is gone (or has started anew with another gateway): the child
 * stops listening at once, so that the ports are free, and lives on until its last session has ended.
 */
import type { GatewayControl, GatewayLink } from '../actions/session.ts'
import { Fault, type FaultRecord } from '../domain/faults.ts'
import type { Log } from '../lib/log.ts'
import { type Clock, type Millis, minutes, seconds } from '../lib/time.ts'
import { type Gateway, startGateway } from './gateway.ts'
import type { GatewayLimits } from './limits.ts'
import type { GatewayMetrics } from './metrics.ts'
import { Rpc, type Transport } from './rpc.ts'

/** What `process` and a `ChildProcess` with an IPC channel have in common. */
export interface IpcPeer {
  send?:
    | ((
        message: object,
        handle: undefined,
        options: undefined,
        callback: (error: Error | null) => void,
      ) => boolean)
    | undefined
  on(event: 'message', listener: (message: unknown) => void): unknown
  on(event: 'disconnect', listener: () => void): unknown
}

export function ipcTransport(peer: IpcPeer): Transport {
  return {
    send(message) {
      if (peer.send === undefined) throw new Error('there is no IPC channel')
      // A failure to send is a channel that is closing: `disconnect` follows and ends every call.
      peer.send(message as object, undefined, undefined, () => undefined)
    },
    onMessage: (listener) => void peer.on('message', listener),
    onClose: (listener) => void peer.on('disconnect', listener),
  }
}

/** Patience of calls that the front desk bounds by itself, and more tightly. */
const outer: Millis = minutes(10)

function linkOver(rpc: Rpc): GatewayLink {
  return {
    challenge: (ask) => rpc.call('challenge', ask, outer),
    open: (request) => rpc.call('open', request, outer),
    certificate: (serverName, localAddress) =>
      rpc.call('certificate', { serverName, localAddress }, outer),
    refused: (asked, reason) => rpc.tell('refused', { asked, reason }),
    closed: (endpoint) => rpc.tell('closed', endpoint),
  }
}

export interface StartGateway {
  readonly port: number
  readonly addresses: readonly string[]
  readonly limits?: Partial<GatewayLimits>
}

interface Refused {
  readonly asked: Parameters<GatewayLink['refused']>[0]
  readonly reason: Parameters<GatewayLink['refused']>[1]
}

type Started = { readonly port: number } | { readonly problem: string }

export interface GatewayProcessOptions {
  readonly transport: Transport
  readonly log: Log
  readonly clock: Clock
}

/** Resolves when the gateway has nothing left to do and the process should exit. */
export function gatewayProcess({ transport, log, clock }: GatewayProcessOptions): Promise<void> {
  let gateway: Gateway | undefined
  const started = (): Gateway => {
    if (gateway === undefined) throw new Fault('UNAVAILABLE', { doing: 'starting' })
    return gateway
  }
  return new Promise((resolve) => {
    const rpc: Rpc = new Rpc(
      transport,
      {
        start: async ({ port, addresses, limits = {} }: StartGateway): Promise<Started> => {
          try {
            gateway = await startGateway({
              link: linkOver(rpc),
              port,
              addresses,
              limits,
              log,
              clock,
            })
          } catch (error) {
            // As data: whoever starts the server must read that the port is taken.
            return { problem: error instanceof Error ? error.message : String(error) }
          }
          return { port: gateway.port }
        },
        listen: (addresses: readonly string[]) => started().listen(addresses),
        unlisten: (addresses: readonly string[]) => started().unlisten(addresses),
        endSessions: (endpoint: Parameters<GatewayControl['endSessions']>[0]) =>
          started().endSessions(endpoint),
        heldSessions: () => started().heldSessions(),
        endHeld: ({ ids, why }: { ids: readonly string[]; why: FaultRecord }) =>
          started().endHeld(ids, why),
        metrics: () => started().metrics,
        stop: async () => {
          await gateway?.stop()
          clock.sleep(seconds(0)).then(resolve, resolve) // after the answer is on its way
        },
      },
      log,
    )
    transport.onClose(() => {
      log.info('the server is gone: draining')
      void (gateway?.drain() ?? Promise.resolve()).then(resolve)
    })
  })
}

export interface GatewayHandle extends GatewayControl {
  /** Rejects when an address cannot be bound. */
  start(how: StartGateway): Promise<{ readonly port: number }>
  metrics(): Promise<GatewayMetrics>
}

/** The server's end. A gateway that died takes its sessions along: see `transport.onClose`. */
export function controlGateway(transport: Transport, link: GatewayLink, log: Log): GatewayHandle {
  const rpc = new Rpc(
    transport,
    {
      challenge: link.challenge.bind(link),
      open: link.open.bind(link),
      certificate: (asked: { serverName?: string; localAddress: string }) =>
        link.certificate(asked.serverName, asked.localAddress),
      refused: ({ asked, reason }: Refused) => link.refused(asked, reason),
      closed: link.closed.bind(link),
    },
    log,
  )
  const patience = seconds(30)
  return {
    async start(how) {
      const started = await rpc.call<Started>('start', how, patience)
      if ('problem' in started) throw new Error(`the gateway cannot listen: ${started.problem}`)
      return started
    },
    listen: (addresses) => rpc.call('listen', addresses, patience),
    unlisten: (addresses) => rpc.call('unlisten', addresses, patience),
    endSessions: (endpoint) => rpc.call('endSessions', endpoint, patience),
    heldSessions: () => rpc.call('heldSessions', null, patience),
    endHeld: (ids, why) => rpc.call('endHeld', { ids, why }, patience),
    metrics: () => rpc.call('metrics', null, patience),
    stop: () => rpc.call('stop', null, patience),
  }
}
