/**
 * The front half of a connection as a pure machine: bytes and decisions in, actions out. It owns no
 * socket and no clock, so every split of the bytes and every order of events can be tried in a test.
 *
 *   plain ──SSLRequest──▶ securing ──TLS──▶ startup ──StartupMessage──▶ routing
 *     │        (or the first byte of a direct TLS handshake)               │ challenge
 *     ├─CancelRequest──▶ closed                                            ▼
 *     └─StartupMessage──▶ refused: no login without TLS       password │ scram-first ▶ scram-final
 *                                                                          ▼
 *   Any violation ends in `closed`, by one refusal.                      proved ──▶ the pipe
 *
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 */
import { ByteQueue } from './byte-queue.ts'
import {
  maxAuthMessageLength,
  parsePassword,
  parseSaslInitialResponse,
  parseSaslResponse,
} from './client-message.ts'
import { ProtocolViolation } from './protocol-violation.ts'
import {
  finishScram,
  type ScramExchange,
  type StoredVerifier,
  scramMechanism,
  startScram,
} from './scram-server.ts'
import { printServerMessage, type ServerMessage } from './server-message.ts'
import { type CancelKey, parameter, type Startup, takeStartPacket } from './start-packet.ts'
import { takeTypedMessage } from './typed-message.ts'

/** Without TLS the first byte of an SSLRequest is 0; a TLS record of a handshake begins with this. */
const tlsHandshakeRecord = 0x16

/** https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL */
export const alpnProtocol = 'postgresql'

/** The highest version spoken, 3.0: later minor versions are negotiated down. */
const spokenVersion = 196_608

export type Refusal =
  | { readonly reason: 'TLS_REQUIRED' }
  | { readonly reason: 'PROTOCOL_VIOLATION'; readonly problem: string }
  | { readonly reason: 'PROTOCOL_UNSUPPORTED'; readonly version: string }
  /** The SCRAM proof is wrong. */
  | { readonly reason: 'LOGIN_FAILED' }

export type ClientAction =
  | { readonly do: 'send'; readonly bytes: Buffer }
  /** Begin TLS as the server; `head` are bytes of it that were read already. */
  | { readonly do: 'secure'; readonly head: Buffer; readonly isDirect: boolean }
  | { readonly do: 'cancel'; readonly key: CancelKey }
  /** Find out how this login must prove itself, then call `challenge`. */
  | { readonly do: 'ask'; readonly startup: Startup }
  | { readonly do: 'admit'; readonly proof: Proof }
  | { readonly do: 'refuse'; readonly refusal: Refusal }
  /** Say nothing: what came is not a client of ours. */
  | { readonly do: 'close' }

export type Proof =
  | { readonly kind: 'password'; readonly password: string }
  | { readonly kind: 'scram' }

export type Challenge =
  | { readonly kind: 'password' }
  | {
      readonly kind: 'scram'
      readonly verifier: StoredVerifier
      /** Fresh random text, made outside because a pure machine has no randomness. */
      readonly serverNonce: string
    }

type State =
  | { readonly at: 'plain'; readonly gssRefused: boolean }
  | { readonly at: 'securing'; readonly isDirect: boolean }
  | { readonly at: 'startup' }
  | { readonly at: 'routing' }
  | { readonly at: 'password' }
  | { readonly at: 'scram-first'; readonly verifier: StoredVerifier; readonly nonce: string }
  | { readonly at: 'scram-final'; readonly exchange: ScramExchange }
  | { readonly at: 'proved' }
  | { readonly at: 'closed' }

export type ClientStage = State['at']

export class ClientHandshake {
  #state: State = { at: 'plain', gssRefused: false }
  readonly #queue = new ByteQueue()

  get stage(): ClientStage {
    return this.#state.at
  }

  /** Bytes that the client sent after its proof: they belong to the compute. */
  rest(): Buffer {
    return this.#queue.drain()
  }

  receive(bytes: Uint8Array): readonly ClientAction[] {
    this.#queue.push(bytes)
    return this.#run()
  }

  /** TLS is up. */
  secured(alpn: string | undefined): readonly ClientAction[] {
    if (this.#state.at !== 'securing') throw new Error(`secured while ${this.#state.at}`)
    // A direct handshake without the protocol's name may be another protocol's client that an
    // attacker points at us (ALPACA).
    if (this.#state.isDirect && alpn !== alpnProtocol) return this.#close()
    this.#state = { at: 'startup' }
    return this.#run()
  }

  /** The answer to `ask`. */
  challenge(challenge: Challenge): readonly ClientAction[] {
    if (this.#state.at !== 'routing') throw new Error(`challenged while ${this.#state.at}`)
    if (challenge.kind === 'password') {
      this.#state = { at: 'password' }
      return [send({ kind: 'authentication-cleartext-password' }), ...this.#run()]
    }
    this.#state = {
      at: 'scram-first',
      verifier: challenge.verifier,
      nonce: challenge.serverNonce,
    }
    return [send({ kind: 'authentication-sasl', mechanisms: [scramMechanism] }), ...this.#run()]
  }

  #run(): readonly ClientAction[] {
    const actions: ClientAction[] = []
    try {
      // Each step either takes bytes out of the queue and moves on, or waits for more.
      for (let step = this.#step(); step !== undefined; step = this.#step()) actions.push(...step)
    } catch (error) {
      if (!(error instanceof ProtocolViolation)) throw error
      actions.push(...this.#refuse({ reason: 'PROTOCOL_VIOLATION', problem: error.message }))
    }
    return actions
  }

  /** `undefined`: nothing to do before more bytes or a decision come. */
  #step(): readonly ClientAction[] | undefined {
    const state = this.#state
    switch (state.at) {
      case 'plain':
        return this.#plain(state.gssRefused)
      case 'startup':
        return this.#startup()
      case 'password': {
        const message = takeTypedMessage(this.#queue, maxAuthMessageLength)
        if (message === undefined) return undefined
        if (message.type === 'X') return this.#close()
        return this.#prove({ kind: 'password', password: parsePassword(message) })
      }
      case 'scram-first': {
        const message = takeTypedMessage(this.#queue, maxAuthMessageLength)
        if (message === undefined) return undefined
        if (message.type === 'X') return this.#close()
        const { mechanism, response } = parseSaslInitialResponse(message)
        if (mechanism !== scramMechanism || response === undefined) {
          throw new ProtocolViolation('client selected an invalid SASL authentication mechanism')
        }
        const { exchange, serverFirst } = startScram(response, state.verifier, state.nonce)
        this.#state = { at: 'scram-final', exchange }
        return [send({ kind: 'authentication-sasl-continue', data: serverFirst })]
      }
      case 'scram-final': {
        const message = takeTypedMessage(this.#queue, maxAuthMessageLength)
        if (message === undefined) return undefined
        const serverFinal = finishScram(state.exchange, parseSaslResponse(message))
        if (serverFinal === undefined) return this.#refuse({ reason: 'LOGIN_FAILED' })
        return [
          send({ kind: 'authentication-sasl-final', data: serverFinal }),
          ...this.#prove({ kind: 'scram' }),
        ]
      }
      case 'securing':
      case 'routing':
      case 'proved':
      case 'closed':
        return undefined
    }
  }

  #plain(gssRefused: boolean): readonly ClientAction[] | undefined {
    const first = this.#queue.peek(1)?.readUInt8(0)
    if (first === undefined) return undefined
    if (first === tlsHandshakeRecord && !gssRefused) {
      this.#state = { at: 'securing', isDirect: true }
      return [{ do: 'secure', head: this.#queue.drain(), isDirect: true }]
    }
    const packet = takeStartPacket(this.#queue)
    if (packet === undefined) return undefined
    switch (packet.kind) {
      case 'ssl-request':
        // Bytes that came in the clear would be read as if TLS had protected them (CVE-2021-23214).
        if (this.#queue.length > 0) return this.#close()
        this.#state = { at: 'securing', isDirect: false }
        return [
          { do: 'send', bytes: Buffer.from('S') },
          { do: 'secure', head: Buffer.alloc(0), isDirect: false },
        ]
      case 'gssenc-request':
        if (gssRefused) throw new ProtocolViolation('GSSENCRequest came twice')
        this.#state = { at: 'plain', gssRefused: true }
        return [{ do: 'send', bytes: Buffer.from('N') }]
      case 'cancel-request':
        return this.#cancel(packet.key)
      case 'startup':
        return packet.startup.major === 3
          ? this.#refuse({ reason: 'TLS_REQUIRED' })
          : this.#unsupported(packet.startup)
    }
  }

  #startup(): readonly ClientAction[] | undefined {
    const packet = takeStartPacket(this.#queue)
    if (packet === undefined) return undefined
    if (packet.kind === 'cancel-request') return this.#cancel(packet.key)
    if (packet.kind !== 'startup') throw new ProtocolViolation('encryption was negotiated already')
    const { startup } = packet
    if (startup.major !== 3) return this.#unsupported(startup)
    if (parameter(startup, 'user') === undefined) {
      throw new ProtocolViolation('no PostgreSQL user name specified in startup packet')
    }
    this.#state = { at: 'routing' }
    return [...negotiate(startup), { do: 'ask', startup: withoutExtensions(startup) }]
  }

  #prove(proof: Proof): readonly ClientAction[] {
    this.#state = { at: 'proved' }
    return [{ do: 'admit', proof }]
  }

  #cancel(key: CancelKey): readonly ClientAction[] {
    this.#state = { at: 'closed' }
    return [{ do: 'cancel', key }]
  }

  #unsupported({ major, minor }: Startup): readonly ClientAction[] {
    return this.#refuse({ reason: 'PROTOCOL_UNSUPPORTED', version: `${major}.${minor}` })
  }

  #refuse(refusal: Refusal): readonly ClientAction[] {
    this.#state = { at: 'closed' }
    return [{ do: 'refuse', refusal }]
  }

  #close(): readonly ClientAction[] {
    this.#state = { at: 'closed' }
    return [{ do: 'close' }]
  }
}

const send = (message: ServerMessage): ClientAction => ({
  do: 'send',
  bytes: printServerMessage(message),
})

const isExtension = (name: string): boolean => name.startsWith('_pq_.')

/**
 * A client that asks for more than 3.0, or for protocol extensions, is told what it gets. The
 * compute's own version is unknown here (it may be asleep), and 3.2 brings longer cancel keys alone.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-NEGOTIATEPROTOCOLVERSION
 */
function negotiate({ minor, parameters }: Startup): readonly ClientAction[] {
  const unrecognized = parameters.map(([name]) => name).filter(isExtension)
  if (minor === 0 && unrecognized.length === 0) return []
  return [
    send({
      kind: 'negotiate-protocol-version',
      version: spokenVersion,
      unrecognized,
    }),
  ]
}

const withoutExtensions = ({ parameters }: Startup): Startup => ({
  major: 3,
  minor: 0,
  parameters: parameters.filter(([name]) => !isExtension(name)),
})
