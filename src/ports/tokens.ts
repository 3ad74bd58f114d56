/** Signing keys, database credentials (JWT, RFC 7519) and the gateway's certificates. */
import type { Secret } from '../lib/secret.ts'
import type { EpochMs } from '../lib/time.ts'

export interface CredentialClaims {
  /** Login name of the identity. */
  readonly subject: string
  /** Uid of the endpoint. */
  readonly audience: string
  /** What the token can really do: `postgres:ddl postgres:write postgres:read` or less. */
  readonly scope: string
  /** Full names, for people who decode the token. */
  readonly branch: string
  readonly endpoint: string
  /** Tables that a narrowed credential may read. */
  readonly tables: readonly string[] | undefined
  /** Name of the group as whose role the session runs. */
  readonly group: string | undefined
  readonly tokenId: string
  readonly issuedAt: EpochMs
  readonly expiresAt: EpochMs
}

export type Verification =
  | { readonly kind: 'valid'; readonly claims: CredentialClaims }
  /** Signature good, time over. */
  | { readonly kind: 'expired'; readonly claims: CredentialClaims }
  | { readonly kind: 'invalid' }

export interface Tokens {
  /** `iss` of what we sign. */
  readonly issuer: string
  /** ES256. */
  sign(claims: CredentialClaims): Promise<Secret>
  /** Signature, issuer, algorithm and times; audience and identity are the caller's to check. */
  verify(token: string): Promise<Verification>
  /** JSON Web Key Set (RFC 7517) of the public keys. */
  jwks(): Promise<{ readonly keys: readonly Record<string, unknown>[] }>
}

export interface Certificate {
  /** PEM, leaf first. */
  readonly chain: string
  readonly key: string
}

export interface CertificateAuthority {
  /** PEM of the CA, for PGSSLROOTCERT and NODE_EXTRA_CA_CERTS. */
  readonly certificate: string
  /** A leaf for these DNS names (wildcards allowed) and IP addresses; kept until it nears its end. */
  leaf(names: readonly string[], addresses: readonly string[]): Promise<Certificate>
}
