/**
 * What a bearer token that this server does not know may be, for a refusal that teaches. Pure, and
 * nothing here is believed: no signature is checked, the text is only looked at.
 */

/** A phrase that follows "no valid access token: ". */
export function describeForeignToken(token: string, ownIssuers: readonly string[]): string {
  const unknown = 'it is unknown, or was revoked'
  const parts = token.split('.')
  if (parts.length !== 3) return unknown
  const header = readPart(parts[0])
  const payload = readPart(parts[1])
  if (header === undefined || payload === undefined) return unknown
  if (header.typ === 'lakelet-credential+jwt') {
    return 'it is a database credential, which is a password for Postgres and not for the API'
  }
  if (typeof header.alg !== 'string' || header.alg.toLowerCase() === 'none') {
    return 'it is a JWT without a signature (alg "none")'
  }
  const { iss } = payload
  if (typeof iss === 'string' && !ownIssuers.includes(iss)) {
    return 'it is a JWT of another issuer; exchange it for one of ours at /oidc/v1/token (RFC 8693) first'
  }
  return 'it is a JWT in the name of this server, whose access tokens are none: it is forged, or an ID token'
}

function readPart(part: string | undefined): Readonly<Record<string, unknown>> | undefined {
  try {
    const text = atob((part ?? '').replaceAll('-', '+').replaceAll('_', '/'))
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
      ? (value as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}
