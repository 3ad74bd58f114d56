/**
 * Drives one accepted socket through the handshake machine until the client has proved itself or is
 * gone. Everything that costs the server something (a certificate, a challenge) is asked for here
 * and bounded by the stage's deadline.
 */
import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import type { GatewayLink, RouteHints } from '../actions/session.ts'
import { defaultDatabase } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import type { EndpointUid } from '../domain/names.ts'
import type { Log } from '../lib/log.ts'
import type { Millis } from '../lib/time.ts'
import {
  type ClientAction,
  ClientHandshake,
  type ClientStage,
  type Proof,
} from '../wire/client-handshake.ts'
import { ProtocolViolation } from '../wire/protocol-violation.ts'
import { parseStartOptions } from '../wire/start-options.ts'
import { parameter, type Startup } from '../wire/start-packet.ts'
import type { CancelKeys } from './cancel-keys.ts'
import type { Certificates } from './certificates.ts'
import { secureClient } from './client-tls.ts'
import type { GatewayLimits } from './limits.ts'
import type { LoginThrottle } from './login-throttle.ts'
import type { GatewayMetrics } from './metrics.ts'
import { faultOf } from './refusal.ts'
import { checkAgreement, plainAddress } from './route.ts'
import { type StageDeadline, within } from './stage-deadline.ts'
import { nextChunk } from './stream-reading.ts'

/** A client that names no database (libpq always does) means the one that every branch has. */

export interface HandshakeSurroundings {
  readonly link: GatewayLink
  readonly limits: GatewayLimits
  readonly metrics: GatewayMetrics
  readonly certificates: Certificates
  readonly cancelKeys: CancelKeys
  readonly throttle: LoginThrottle
  readonly log: Log
}

/** What the startup packet asks for, in the server's terms. */
export interface Asked {
  readonly startup: Startup
  readonly user: string
  readonly database: string
  /** `options` without our own argument. */
  readonly options: string | undefined
  readonly hints: RouteHints
  readonly remoteAddress: string
}

export interface ProvedClient {
  readonly asked: Asked
  readonly proof:
    | Extract<Proof, { kind: 'password' }>
    | { readonly kind: 'scram'; readonly endpoint: EndpointUid }
  /** What the client sent behind its proof. */
  readonly early: Buffer
}

/** The client left, fell silent or was sent off; there is nothing more to say to it. */
export const gone = Symbol('gone')

export class ClientConnection {
  /** The raw socket, then the TLS socket above it. Faults thrown by `prove` are to be said here. */
  socket: Socket
  /** Who asked, as far as it is known: for the log. */
  asked: Asked | undefined

  readonly #around: HandshakeSurroundings
  readonly #deadline: StageDeadline
  readonly #machine = new ClientHandshake()
  readonly #remoteAddress: string
  #serverName: string | undefined
  #scramEndpoint: EndpointUid | undefined
  #stage: ClientStage | undefined

  constructor(raw: Socket, deadline: StageDeadline, around: HandshakeSurroundings) {
    this.socket = raw
    this.#deadline = deadline
    this.#around = around
    this.#remoteAddress = plainAddress(raw.remoteAddress)
  }

  /** Between its SSLRequest and the end of the TLS handshake a client takes no words, only TLS. */
  get canRead(): boolean {
    return this.#machine.stage !== 'securing'
  }

  /** Throws a Fault that the client should read. */
  async prove(): Promise<ProvedClient | typeof gone> {
    const actions: ClientAction[] = []
    for (;;) {
      this.#enterStage()
      const action = actions.shift()
      if (action === undefined) {
        const chunk = await nextChunk(this.socket, this.#deadline.signal)
        if (chunk === undefined) return this.#silence()
        actions.push(...this.#machine.receive(chunk))
        continue
      }
      const next = await this.#act(action)
      if (next === gone) return gone
      if ('proof' in next) return next
      actions.push(...next.actions)
    }
  }

  async #act(
    action: ClientAction,
  ): Promise<{ readonly actions: readonly ClientAction[] } | ProvedClient | typeof gone> {
    switch (action.do) {
      case 'send':
        this.socket.write(action.bytes)
        return { actions: [] }
      case 'secure':
        return this.#secure(action.head)
      case 'cancel':
        await this.#cancel(action.key)
        return gone
      case 'ask':
        return { actions: await this.#ask(action.startup) }
      case 'admit':
        return this.#admit(action.proof)
      case 'refuse': {
        const user = this.asked?.user ?? ''
        if (action.refusal.reason === 'LOGIN_FAILED') {
          this.#around.throttle.failed(this.#remoteAddress, user)
        }
        throw faultOf(action.refusal, user)
      }
      case 'close':
        this.socket.destroy()
        return gone
    }
  }

  async #secure(head: Buffer) {
    const { certificates } = this.#around
    const raw = this.socket
    if (head.length > 0) raw.unshift(head) // TLS reads them again, from the beginning
    const secure = await secureClient(raw, certificates, this.#deadline.signal)
    if (secure === undefined) return gone
    this.socket = secure.socket
    this.#serverName = secure.serverName
    return { actions: this.#machine.secured(secure.alpn) }
  }

  async #cancel(key: Parameters<CancelKeys['cancel']>[0]): Promise<void> {
    const { cancelKeys, limits, metrics } = this.#around
    const outcome = await cancelKeys.cancel(key, limits.farewell)
    if (outcome === 'forwarded') metrics.cancelsForwarded += 1
    else metrics.cancelsUnknown += 1
    this.socket.destroy()
  }

  async #ask(startup: Startup): Promise<readonly ClientAction[]> {
    const { link, limits, throttle } = this.#around
    const { endpoint, options } = readOptions(parameter(startup, 'options'))
    checkAgreement(this.#serverName, endpoint)
    const asked: Asked = {
      startup,
      user: parameter(startup, 'user') ?? '',
      database: parameter(startup, 'database') ?? defaultDatabase,
      options,
      hints: {
        serverName: this.#serverName,
        localAddress: plainAddress(this.socket.localAddress),
        endpointOption: endpoint,
      },
      remoteAddress: this.#remoteAddress,
    }
    this.asked = asked
    await throttle.wait(asked.remoteAddress, asked.user)
    const { hints, user, remoteAddress } = asked
    const challenge = await within(
      limits.decision,
      link.challenge({ hints, user, remoteAddress }),
      () => new Fault('UNAVAILABLE', { doing: 'not answering' }),
    )
    if (this.#deadline.signal.aborted) return []
    if (challenge.kind === 'password') return this.#machine.challenge(challenge)
    const { iterations, salt, storedKey, serverKey } = challenge.verifier
    this.#scramEndpoint = challenge.endpoint
    return this.#machine.challenge({
      kind: 'scram',
      verifier: {
        iterations,
        salt: Buffer.from(salt, 'base64'),
        storedKey: Buffer.from(storedKey, 'base64'),
        serverKey: Buffer.from(serverKey, 'base64'),
      },
      serverNonce: randomBytes(18).toString('base64'), // base64 has no comma
    })
  }

  #admit(proof: Proof): ProvedClient {
    const { asked } = this
    if (asked === undefined) throw new Error('a proof without a question')
    const early = this.#machine.rest()
    if (proof.kind === 'password') return { asked, proof, early }
    if (this.#scramEndpoint === undefined) throw new Error('a SCRAM proof without an endpoint')
    return { asked, proof: { kind: 'scram', endpoint: this.#scramEndpoint }, early }
  }

  #enterStage(): void {
    if (this.#machine.stage === this.#stage) return
    this.#stage = this.#machine.stage
    this.#deadline.enter(stageLimit(this.#stage, this.#around.limits))
  }

  /** Inside TLS the client is told that it took too long; before, nobody may be there to read. */
  #silence(): typeof gone {
    const isSecure = this.#machine.stage !== 'plain' && this.#machine.stage !== 'securing'
    if (this.#deadline.signal.aborted && isSecure) throw new Fault('HANDSHAKE_TIMEOUT')
    this.socket.destroy()
    return gone
  }
}

function readOptions(text: string | undefined) {
  try {
    return parseStartOptions(text)
  } catch (error) {
    if (!(error instanceof ProtocolViolation)) throw error
    throw new Fault('PROTOCOL_VIOLATION', { problem: error.message })
  }
}

function stageLimit(stage: ClientStage, limits: GatewayLimits): Millis {
  switch (stage) {
    case 'plain':
      return limits.firstByte
    case 'securing':
      return limits.tlsHandshake
    case 'startup':
      return limits.startup
    case 'routing':
      return limits.decision
    case 'password':
    case 'scram-first':
    case 'scram-final':
      return limits.proof
    case 'proved':
    case 'closed':
      return limits.farewell
  }
}
