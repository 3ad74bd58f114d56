/**
 * Who may speak to `lakelet mcp --http`. It listens on loopback alone, where every program and every web page of this machine can
 * knock: a page is known by its Origin, one that had its own name point here (DNS rebinding) by its Host, and programs by a bearer token.
 */
import { timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Secret } from '../../lib/secret.ts'

export interface Denial {
  readonly status: 401 | 403
  readonly says: string
}

const ofThisMachine = /^(localhost|127\.0\.0\.1|\[::1\])$/

/** Pure; `undefined`: come in. */
export function denialOf(
  { host, origin, authorization }: IncomingHttpHeaders,
  { port, token }: { readonly port: number; readonly token: Secret },
): Denial | undefined {
  if (!isHere(`http://${host ?? ''}`, String(port))) {
    return {
      status: 403,
      says: `Host: ${JSON.stringify(host ?? '')} is not this server. Call it http://127.0.0.1:${port}/mcp.`,
    }
  }
  if (origin !== undefined && !isHere(origin, undefined)) {
    return {
      status: 403,
      says: `Origin: ${JSON.stringify(origin)} is no page of this machine. Call from a program, which sends none.`,
    }
  }
  const given = /^Bearer +([^ ]+) *$/i.exec(authorization ?? '')?.[1] ?? ''
  if (!isSame(given, token.reveal())) {
    return {
      status: 401,
      says: 'Send the token of the file that lakelet mcp names when it starts: Authorization: Bearer TOKEN.',
    }
  }
  return undefined
}

/** `port` undefined: any. */
function isHere(address: string, port: string | undefined): boolean {
  if (!URL.canParse(address)) return false
  const { protocol, hostname, port: named, pathname } = new URL(address)
  if (protocol !== 'http:' || pathname !== '/' || !ofThisMachine.test(hostname)) return false
  return port === undefined || (named || '80') === port
}

/** In a time that says nothing of where they differ. */
function isSame(given: string, token: string): boolean {
  const [one, other] = [Buffer.from(given), Buffer.from(token)]
  return one.length === other.length && timingSafeEqual(one, other)
}
