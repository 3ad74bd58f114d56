/**
 * Host names of endpoints: something that the caller's own libpq can dial. A configured domain (with
 * wildcard DNS) comes first; on one machine `*.localhost` where the resolver knows it, else an own
 * loopback address for each endpoint (Linux answers on all of 127.0.0.0/8), else plain `localhost`,
 * where the credential says which endpoint is meant.
 */
import { lookup } from 'node:dns/promises'
import type { Endpoint } from '../domain/endpoint.ts'

export type HostStyle =
  | { readonly kind: 'domain'; readonly domain: string }
  | { readonly kind: 'addresses' }
  | { readonly kind: 'localhost' }

export async function findHostStyle(domain: string | undefined): Promise<HostStyle> {
  if (domain !== undefined) return { kind: 'domain', domain }
  if (await resolvesToLoopback('ep-probe-name-00000000.localhost')) {
    return { kind: 'domain', domain: 'localhost' }
  }
  return process.platform === 'linux' ? { kind: 'addresses' } : { kind: 'localhost' }
}

async function resolvesToLoopback(name: string): Promise<boolean> {
  try {
    const found = await lookup(name, { all: true })
    return (
      found.length > 0 && found.every(({ address }) => address === '127.0.0.1' || address === '::1')
    )
  } catch {
    return false
  }
}

export function hostOf(style: HostStyle, endpoint: Pick<Endpoint, 'uid' | 'address'>): string {
  switch (style.kind) {
    case 'domain':
      return `${endpoint.uid}.${style.domain}`
    case 'addresses':
      return endpoint.address
    case 'localhost':
      return 'localhost'
  }
}

/** For the start screen and `lakelet status`. */
export function sayHostStyle(style: HostStyle): string {
  switch (style.kind) {
    case 'domain':
      return `<endpoint>.${style.domain}`
    case 'addresses':
      return 'an own loopback address for each endpoint (127.88.x.y)'
    case 'localhost':
      return 'localhost; the credential says which endpoint is meant'
  }
}

/** Never a name that a client made up: a leaf for each would be work for whoever asks. */
export function certificateNames(
  style: HostStyle,
  serverName: string | undefined,
): readonly string[] {
  const names = ['localhost', '*.localhost']
  if (style.kind !== 'domain' || style.domain === 'localhost') return names
  return serverName === undefined ? names : [...names, style.domain, `*.${style.domain}`]
}

/** So many endpoints share a certificate: to make one takes longer than to log in. */
const addressesPerCertificate = 32

/** The address that was dialled, and those beside it, which the next branches will have. */
export function certificateAddresses(localAddress: string): readonly string[] {
  const [block, last] = /^(127\.88\.\d+)\.(\d+)$/.exec(localAddress)?.slice(1) ?? []
  if (block === undefined) return [...new Set(['127.0.0.1', '::1', localAddress])]
  const first = Number(last) - (Number(last) % addressesPerCertificate)
  const beside = Array.from({ length: addressesPerCertificate }, (_, n) => `${block}.${first + n}`)
  return ['127.0.0.1', '::1', ...beside]
}
