/** What the gateway counts, as plain numbers that anyone may read at any time. */

export interface GatewayMetrics {
  /** Connections taken from the listeners, ever. */
  accepted: number
  /** Of them, refused before a word because too many strangers were here. */
  shed: number
  /** Connections that ended before a session, whoever ended them; cancel requests as well. */
  handshakesFailed: number
  /** Log-ins that the server, a SCRAM proof or Postgres refused. */
  loginsRefused: number
  cancelsForwarded: number
  cancelsUnknown: number
  /** Connections without a proof, now. */
  strangers: number
  /** Proved connections that wait for their compute, now. */
  opening: number
  /** Live sessions, now. */
  sessions: number
  /** Sessions that came to life, ever. */
  sessionsOpened: number
  /** Bytes of ended sessions. */
  bytesFromClients: number
  bytesToClients: number
}

export const newMetrics = (): GatewayMetrics => ({
  accepted: 0,
  shed: 0,
  handshakesFailed: 0,
  loginsRefused: 0,
  cancelsForwarded: 0,
  cancelsUnknown: 0,
  strangers: 0,
  opening: 0,
  sessions: 0,
  sessionsOpened: 0,
  bytesFromClients: 0,
  bytesToClients: 0,
})
