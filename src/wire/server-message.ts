/**
 * What a server sends until it is ready for the first query. Printed towards clients, parsed from
 * computes.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
import { ByteReader, cstring, int32 } from './byte-reader.ts'
import { ProtocolViolation } from './protocol-violation.ts'
import { type CancelKey, maxCancelKeyLength, minCancelKeyLength } from './start-packet.ts'
import { printTypedMessage, type TypedMessage } from './typed-message.ts'

/**
 * `R` codes.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html#PROTOCOL-MESSAGE-FORMATS-AUTHENTICATIONOK
 * and the paragraphs after it
 */
const authentication = {
  ok: 0,
  cleartextPassword: 3,
  sasl: 10,
  saslContinue: 11,
  saslFinal: 12,
} as const

/** Fields of an error or notice by their letter: https://www.postgresql.org/docs/current/protocol-error-fields.html */
export type ReportFields = ReadonlyMap<string, string>

export type ServerMessage =
  | { readonly kind: 'authentication-ok' }
  | { readonly kind: 'authentication-cleartext-password' }
  | { readonly kind: 'authentication-sasl'; readonly mechanisms: readonly string[] }
  | { readonly kind: 'authentication-sasl-continue'; readonly data: Buffer }
  | { readonly kind: 'authentication-sasl-final'; readonly data: Buffer }
  /** A method that no compute of ours uses: MD5, GSS, SSPI, Kerberos. */
  | { readonly kind: 'authentication-other'; readonly code: number; readonly data: Buffer }
  | {
      readonly kind: 'negotiate-protocol-version'
      /** The whole version (3.0 is 196608), as Postgres sends it. */
      readonly version: number
      readonly unrecognized: readonly string[]
    }
  | { readonly kind: 'backend-key-data'; readonly key: CancelKey }
  | { readonly kind: 'parameter-status'; readonly name: string; readonly value: string }
  | { readonly kind: 'ready-for-query'; readonly status: 'I' | 'T' | 'E' }
  | { readonly kind: 'error-response'; readonly fields: ReportFields }
  | { readonly kind: 'notice-response'; readonly fields: ReportFields }

export function printServerMessage(message: ServerMessage): Buffer {
  switch (message.kind) {
    case 'authentication-ok':
      return printTypedMessage('R', int32(authentication.ok))
    case 'authentication-cleartext-password':
      return printTypedMessage('R', int32(authentication.cleartextPassword))
    case 'authentication-sasl':
      return printTypedMessage(
        'R',
        int32(authentication.sasl),
        ...message.mechanisms.map(cstring),
        cstring(''),
      )
    case 'authentication-sasl-continue':
      return printTypedMessage('R', int32(authentication.saslContinue), message.data)
    case 'authentication-sasl-final':
      return printTypedMessage('R', int32(authentication.saslFinal), message.data)
    case 'authentication-other':
      return printTypedMessage('R', int32(message.code), message.data)
    case 'negotiate-protocol-version':
      return printTypedMessage(
        'v',
        int32(message.version),
        int32(message.unrecognized.length),
        ...message.unrecognized.map(cstring),
      )
    case 'backend-key-data':
      return printTypedMessage('K', int32(message.key.processId), message.key.secret)
    case 'parameter-status':
      return printTypedMessage('S', cstring(message.name), cstring(message.value))
    case 'ready-for-query':
      return printTypedMessage('Z', Buffer.from(message.status, 'latin1'))
    case 'error-response':
      return printTypedMessage('E', ...printFields(message.fields))
    case 'notice-response':
      return printTypedMessage('N', ...printFields(message.fields))
  }
}

const printFields = (fields: ReportFields): readonly Buffer[] => [
  ...[...fields].map(([letter, text]) =>
    Buffer.concat([Buffer.from(letter, 'latin1'), cstring(text)]),
  ),
  Buffer.of(0),
]

/** A message that belongs to the time after the log-in is a violation here. */
export function parseServerMessage({ type, body }: TypedMessage): ServerMessage {
  const reader = new ByteReader(body)
  const message = parseBody(type, reader)
  reader.end()
  return message
}

function parseBody(type: string, reader: ByteReader): ServerMessage {
  switch (type) {
    case 'R':
      return parseAuthentication(reader)
    case 'v': {
      const version = reader.int32()
      const count = reader.int32()
      // Each name takes a byte at least, so a count that lies ends the loop at the body's end.
      const unrecognized: string[] = []
      for (let n = 0; n < count; n += 1) unrecognized.push(reader.cstring())
      return { kind: 'negotiate-protocol-version', version, unrecognized }
    }
    case 'K': {
      const processId = reader.int32()
      if (reader.left < minCancelKeyLength || reader.left > maxCancelKeyLength) {
        throw new ProtocolViolation('invalid length of cancel key')
      }
      return { kind: 'backend-key-data', key: { processId, secret: Buffer.from(reader.rest()) } }
    }
    case 'S':
      return { kind: 'parameter-status', name: reader.shownCstring(), value: reader.shownCstring() }
    case 'Z': {
      const status = String.fromCharCode(reader.byte())
      if (status !== 'I' && status !== 'T' && status !== 'E') {
        throw new ProtocolViolation('unknown transaction status')
      }
      return { kind: 'ready-for-query', status }
    }
    case 'E':
      return { kind: 'error-response', fields: parseFields(reader) }
    case 'N':
      return { kind: 'notice-response', fields: parseFields(reader) }
    default:
      throw new ProtocolViolation('unexpected message during the log-in')
  }
}

function parseAuthentication(reader: ByteReader): ServerMessage {
  const code = reader.int32()
  switch (code) {
    case authentication.ok:
      return { kind: 'authentication-ok' }
    case authentication.cleartextPassword:
      return { kind: 'authentication-cleartext-password' }
    case authentication.sasl: {
      const mechanisms: string[] = []
      for (let name = reader.cstring(); name !== ''; name = reader.cstring()) mechanisms.push(name)
      return { kind: 'authentication-sasl', mechanisms }
    }
    case authentication.saslContinue:
      return { kind: 'authentication-sasl-continue', data: reader.rest() }
    case authentication.saslFinal:
      return { kind: 'authentication-sasl-final', data: reader.rest() }
    default:
      return { kind: 'authentication-other', code, data: reader.rest() }
  }
}

function parseFields(reader: ByteReader): ReportFields {
  const fields = new Map<string, string>()
  for (let letter = reader.byte(); letter !== 0; letter = reader.byte()) {
    fields.set(String.fromCharCode(letter), reader.shownCstring())
  }
  return fields
}

export interface FatalReport {
  readonly sqlstate: string
  readonly message: string
  readonly hint: string | undefined
}

/** An error that ends the connection; severity twice, localised and not, as Postgres sends it. */
export function printFatal({ sqlstate, message, hint }: FatalReport): Buffer {
  return printServerMessage({
    kind: 'error-response',
    fields: new Map([
      ['S', 'FATAL'],
      ['V', 'FATAL'],
      ['C', sqlstate],
      ['M', withoutZeros(message)],
      ...(hint === undefined ? [] : [['H', withoutZeros(hint)] as const]),
    ]),
  })
}

const withoutZeros = (text: string): string => text.replaceAll('\0', '?')
