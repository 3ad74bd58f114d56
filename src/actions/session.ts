/**
 * What the gateway and the server say to each other. The gateway is a process of its own that holds
 * no state a restart would lose: it asks the server for every decision and moves bytes by itself.
 * Messages travel over the child's IPC channel; they are plain data (structured clone).
 */
import type { FaultRecord, Reason } from '../domain/faults.ts'
import type { EndpointUid, IdentityUid } from '../domain/names.ts'

/** What a connection says about where it wants to go, in the order in which it is believed. */
export interface RouteHints {
  /** TLS server name, without the port. */
  readonly serverName: string | undefined
  /** The local address that was dialled. */
  readonly localAddress: string
  /** `options=endpoint=<uid>` of the startup packet. */
  readonly endpointOption: string | undefined
}

export interface SessionAsk {
  readonly hints: RouteHints
  readonly user: string
  readonly remoteAddress: string
}

/** SCRAM-SHA-256 (RFC 5802, RFC 7677) secrets of one role; binary fields in base64. */
export interface ScramVerifier {
  readonly iterations: number
  readonly salt: string
  readonly storedKey: string
  readonly serverKey: string
}

/**
 * How this login must prove itself. `password`: cleartext inside TLS, a token (the answer for every
 * unknown endpoint and role as well, so that probing learns nothing).
 */
export type Challenge =
  | { readonly kind: 'password' }
  | { readonly kind: 'scram'; readonly endpoint: EndpointUid; readonly verifier: ScramVerifier }

export interface SessionRequest extends SessionAsk {
  readonly database: string
  readonly proof:
    | { readonly kind: 'password'; readonly password: string }
    /** The gateway has checked the exchange against the verifier that it was given. */
    | { readonly kind: 'scram'; readonly endpoint: EndpointUid }
}

/** Who proved himself by token, and what he was then: when he is less, the session ends. */
export interface SessionHolder {
  readonly identity: IdentityUid
  /** Name of the group as whose role the session runs. */
  readonly group: string | undefined
  readonly right: 'manager' | 'member'
}

/** Everything the gateway needs to log in to the compute. */
export interface SessionGrant {
  /** Unique among sessions, those that are over included. */
  readonly id: string
  /** `undefined`: a password role's. */
  readonly holder: SessionHolder | undefined
  readonly endpoint: EndpointUid
  /** Unix socket of the compute. */
  readonly socketPath: string
  /** The role to log in as: the user itself, or the narrowed role of its credential. */
  readonly role: string
}

export type SessionAnswer =
  | { readonly kind: 'granted'; readonly grant: SessionGrant }
  | { readonly kind: 'refused'; readonly fault: FaultRecord }

/** What the gateway asks of the server. */
export interface GatewayLink {
  challenge(ask: SessionAsk): Promise<Challenge>
  /** Authenticates, then wakes the compute and waits for it. */
  open(request: SessionRequest): Promise<SessionAnswer>
  /** PEM leaf for a server name (or, without one, for the address that was dialled). */
  certificate(
    serverName: string | undefined,
    localAddress: string,
  ): Promise<{ readonly chain: string; readonly key: string }>
  /** Told of each proof that the gateway itself found wrong: `open` is never asked then. */
  refused(asked: SessionAsk & { readonly database: string }, reason: Reason): void
  /** Told once per granted session, when both sides are closed. */
  closed(endpoint: EndpointUid): void
}

export interface HeldSession {
  readonly id: string
  readonly endpoint: EndpointUid
  readonly holder: SessionHolder
}

/** What the server asks of a gateway. */
export interface GatewayControl {
  /** Listens on these addresses too; an address that cannot be bound is returned with the reason. */
  listen(addresses: readonly string[]): Promise<readonly { address: string; problem: string }[]>
  unlisten(addresses: readonly string[]): Promise<void>
  /** Ends live sessions of an endpoint with 57P01. */
  endSessions(endpoint: EndpointUid): Promise<void>
  /** Live sessions of identities. */
  heldSessions(): Promise<readonly HeldSession[]>
  /** Ends these sessions with this refusal; a query that runs is cancelled first. */
  endHeld(ids: readonly string[], why: FaultRecord): Promise<void>
  /** Stops listening and ends all sessions. */
  stop(): Promise<void>
}
