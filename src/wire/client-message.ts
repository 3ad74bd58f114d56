/**
 * What a client sends while it logs in. All three share the type byte `p`; which of them it is
 * follows from what was asked.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html (PasswordMessage,
 * SASLInitialResponse, SASLResponse)
 */
import { ByteReader, cstring, int32 } from './byte-reader.ts'
import { ProtocolViolation } from './protocol-violation.ts'
import { printTypedMessage, type TypedMessage } from './typed-message.ts'

/** Postgres's own bound on passwords and SASL messages: PG_MAX_AUTH_TOKEN_LENGTH in libpq/auth.h. */
export const maxAuthMessageLength = 65_535

export interface SaslInitialResponse {
  readonly mechanism: string
  /** `undefined`: the client waits to be asked first. */
  readonly response: Buffer | undefined
}

function bodyOf(message: TypedMessage): ByteReader {
  if (message.type !== 'p') throw new ProtocolViolation('expected an authentication response')
  return new ByteReader(message.body)
}

/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-PASSWORDMESSAGE */
export function parsePassword(message: TypedMessage): string {
  const reader = bodyOf(message)
  const password = reader.cstring()
  reader.end()
  return password
}

/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SASLINITIALRESPONSE */
export function parseSaslInitialResponse(message: TypedMessage): SaslInitialResponse {
  const reader = bodyOf(message)
  const mechanism = reader.cstring()
  const length = reader.int32()
  if (length === -1) {
    reader.end()
    return { mechanism, response: undefined }
  }
  if (length !== reader.left) throw new ProtocolViolation('invalid length of a SASL response')
  return { mechanism, response: reader.rest() }
}

/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-SASLRESPONSE */
export const parseSaslResponse = (message: TypedMessage): Buffer => bodyOf(message).rest()

export const printPassword = (password: string): Buffer => printTypedMessage('p', cstring(password))

export const printSaslInitialResponse = ({ mechanism, response }: SaslInitialResponse): Buffer =>
  response === undefined
    ? printTypedMessage('p', cstring(mechanism), int32(-1))
    : printTypedMessage('p', cstring(mechanism), int32(response.length), response)

export const printSaslResponse = (response: Buffer): Buffer => printTypedMessage('p', response)

/** https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-TERMINATE */
export const terminate: Buffer = printTypedMessage('X')
