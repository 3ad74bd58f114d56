/**
 * The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) against a stored verifier, without channel
 * binding: the mechanism offered is SCRAM-SHA-256 alone, never SCRAM-SHA-256-PLUS. Why it is ours:
 * docs/adr/2026-11-23-scram-server.md.
 *
 *   client-first  n,,n=,r=CLIENT          what Postgres does with it is done here too: the name in it
 *   server-first  r=CLIENT+SERVER,s=,i=   is ignored (the startup packet has the role), an
 *   client-final  c=biws,r=…,p=PROOF      authorisation identity and a mandatory extension are refused
 *   server-final  v=SIGNATURE
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { decodeUtf8 } from './byte-reader.ts'
import { ProtocolViolation } from './protocol-violation.ts'

/** https://www.postgresql.org/docs/current/sasl-authentication.html#SASL-SCRAM-SHA-256 */
export const scramMechanism = 'SCRAM-SHA-256'

export interface StoredVerifier {
  readonly iterations: number
  readonly salt: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** What is kept between the two messages of the client. */
export interface ScramExchange {
  readonly verifier: StoredVerifier
  /** As the client sent it; it must come back in `c=`. */
  readonly gs2Header: string
  readonly nonce: string
  readonly clientFirstBare: string
  readonly serverFirst: string
}

export interface ScramStart {
  readonly exchange: ScramExchange
  readonly serverFirst: Buffer
}

/** RFC 5802 §7: `printable` of a nonce is any ASCII that can be seen, but no comma. */
const NONCE = '[\\x21-\\x2b\\x2d-\\x7e]+'
/** gs2-header: channel binding flag, authorisation identity; then the bare message. */
const CLIENT_FIRST = new RegExp(`^(([^,]*),([^,]*),)(n=[^,]*,r=(${NONCE})(?:,.*)?)$`, 's')
const CLIENT_FINAL = new RegExp(`^(c=([^,]*),r=(${NONCE})(?:,[^,]*)*),p=([^,]*)$`, 's')

/** Answers client-first. `serverNonce` is fresh random text of the nonce's alphabet. */
export function startScram(
  clientFirst: Buffer,
  verifier: StoredVerifier,
  serverNonce: string,
): ScramStart {
  const text = decodeUtf8(clientFirst)
  if (text.startsWith('p=')) {
    throw new ProtocolViolation('channel binding was not offered, but the client uses it')
  }
  const match = CLIENT_FIRST.exec(text)
  if (match === null) throw new ProtocolViolation('malformed SCRAM message')
  const [, gs2Header = '', binding, authorization, clientFirstBare = '', clientNonce = ''] = match
  // `y`: the client could do channel binding and believes that we cannot, which is so.
  if (binding !== 'n' && binding !== 'y') throw new ProtocolViolation('malformed SCRAM message')
  if (authorization !== '') {
    throw new ProtocolViolation('SCRAM authorization identities are not supported')
  }
  const nonce = clientNonce + serverNonce
  const serverFirst = `r=${nonce},s=${verifier.salt.toString('base64')},i=${verifier.iterations}`
  return {
    exchange: { verifier, gs2Header, nonce, clientFirstBare, serverFirst },
    serverFirst: Buffer.from(serverFirst),
  }
}

/** Server-final, or `undefined` when the proof is wrong. */
export function finishScram(exchange: ScramExchange, clientFinal: Buffer): Buffer | undefined {
  const match = CLIENT_FINAL.exec(decodeUtf8(clientFinal))
  if (match === null) throw new ProtocolViolation('malformed SCRAM message')
  const [, withoutProof = '', binding, nonce, proofText = ''] = match
  if (binding !== Buffer.from(exchange.gs2Header).toString('base64')) {
    throw new ProtocolViolation('SCRAM channel binding check failed')
  }
  if (nonce !== exchange.nonce) throw new ProtocolViolation('SCRAM nonce does not match')

  const { storedKey, serverKey } = exchange.verifier
  const proof = Buffer.from(proofText, 'base64')
  if (proof.length !== storedKey.length) throw new ProtocolViolation('malformed SCRAM proof')

  // RFC 5802 §3: ClientKey = ClientProof XOR ClientSignature; its hash must be the StoredKey.
  const authMessage = `${exchange.clientFirstBare},${exchange.serverFirst},${withoutProof}`
  const clientSignature = hmac(storedKey, authMessage)
  const clientKey = Buffer.from(proof.map((byte, n) => byte ^ (clientSignature[n] ?? 0)))
  if (!timingSafeEqual(sha256(clientKey), storedKey)) return undefined
  return Buffer.from(`v=${hmac(serverKey, authMessage).toString('base64')}`)
}

const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
const sha256 = (bytes: Buffer): Buffer => createHash('sha256').update(bytes).digest()
