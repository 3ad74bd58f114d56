/** From where a request comes, for counting attempts. */
import type { IncomingMessage } from 'node:http'

const isLoopback = (address: string): boolean => /^(::ffff:)?127\.|^::1$/.test(address)

/**
 * The peer; behind a proxy of this machine what that proxy says last, since all before it may be the
 * client's own invention.
 */
export function clientAddress(
  { headers, socket }: Pick<IncomingMessage, 'headers' | 'socket'>,
  isBehindProxy: boolean,
): string {
  const peer = socket.remoteAddress ?? 'unknown'
  if (!isBehindProxy || !isLoopback(peer)) return peer
  const said = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',').at(-1)?.trim() ?? ''
  return /^[0-9A-Fa-f:.]{2,45}$/.test(said) ? said : peer
}
