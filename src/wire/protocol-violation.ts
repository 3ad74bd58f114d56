/** Bytes that are not the protocol. The text may be shown to the client that sent them. */

export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation'
}
