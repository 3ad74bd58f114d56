/**
 * Under which address a client reached us. Behind a proxy only the operator knows (`public-url`);
 * otherwise the host is the one that the client dialled, since that is one it can reach. Pure.
 */

export interface OwnAddress {
  /** Where the server listens. */
  readonly apiUrl: string
  /** The setting `public-url`. */
  readonly publicUrl: string | undefined
}

const HOST = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/

/** The `Host` header, when it is a host. */
export const readHost = (header: string | undefined): string | undefined =>
  header !== undefined && HOST.test(header) ? header : undefined

/** Scheme and authority, no slash at the end. `host`: of the request, already read. */
export function baseUrl({ apiUrl, publicUrl }: OwnAddress, host: string | undefined): string {
  if (publicUrl !== undefined) return publicUrl.replace(/\/+$/, '')
  const listening = apiUrl.replace(/\/+$/, '')
  return host === undefined ? listening : `http://${host}`
}
