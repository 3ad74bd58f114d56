/** What a connection says about where it wants to go. The server decides; this only reads. */
import { Fault } from '../domain/faults.ts'
import { printable } from '../domain/names.ts'

/** RFC 1123 labels, at most 253 characters in all: what may be asked of the certificate authority. */
const DNS_NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/

/** Lower case, without a final dot; `undefined` when it is no host name. */
export function serverNameOf(sent: string | false | null | undefined): string | undefined {
  if (typeof sent !== 'string') return undefined
  const name = sent.toLowerCase().replace(/\.$/, '')
  return DNS_NAME.test(name) ? name : undefined
}

/** The endpoint that a host name means: its first label, where that is an endpoint's uid. */
export function endpointOfHost(serverName: string | undefined): string | undefined {
  const label = serverName?.split('.')[0]
  return label?.startsWith('ep-') ? label : undefined
}

/** A connection that names two endpoints is refused before anything is asked of the server. */
export function checkAgreement(
  serverName: string | undefined,
  endpointOption: string | undefined,
): void {
  const host = endpointOfHost(serverName)
  if (host === undefined || endpointOption === undefined || host === endpointOption) return
  throw new Fault('ENDPOINT_CONTRADICTED', { host, option: printable(endpointOption) })
}

/** An IPv4 client on a socket that speaks both families is still an IPv4 client. */
export const plainAddress = (address: string | undefined): string =>
  (address ?? '').replace(/^::ffff:/, '')
