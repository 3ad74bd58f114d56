/** Personal access tokens and client secrets, of which only hashes are kept. */
import type { Identity } from '../domain/identity.ts'
import type { IdentityUid } from '../domain/names.ts'
import type { EpochMs } from '../lib/time.ts'

export interface AccessToken {
  readonly tokenId: string
  readonly identityUid: IdentityUid
  readonly comment: string
  readonly createTime: EpochMs
  /** `undefined`: never. */
  readonly expireTime: EpochMs | undefined
  /** Who made it: its owner, or an administrator on the owner's behalf. */
  readonly createdBy: IdentityUid
  /** `undefined`: that identity is gone. */
  readonly createdByName: string | undefined
  /** To the minute. */
  readonly lastUsedTime: EpochMs | undefined
}

export interface AccessTokens {
  insert(
    token: Omit<AccessToken, 'lastUsedTime' | 'createdByName'> & { readonly hash: string },
  ): Promise<void>
  /** The active identity behind an unexpired token. */
  find(
    hash: string,
    now: EpochMs,
  ): Promise<{ readonly identity: Identity; readonly token: AccessToken } | undefined>
  byId(tokenId: string): Promise<AccessToken | undefined>
  /** Of one identity or all, the oldest first; expired ones too. */
  list(owner: IdentityUid | undefined): Promise<readonly AccessToken[]>
  remove(tokenId: string): Promise<void>
  noteUse(tokenId: string, at: EpochMs): Promise<void>
}

/** A service principal proves itself with one of its secrets (RFC 6749 §2.3.1). */
export interface ClientSecret {
  readonly secretId: string
  readonly hash: string
  readonly identityUid: IdentityUid
  readonly createTime: EpochMs
  /** `undefined`: never. */
  readonly expireTime: EpochMs | undefined
  readonly lastUsedTime: EpochMs | undefined
}

export interface ClientSecrets {
  insert(secret: Omit<ClientSecret, 'lastUsedTime'>): Promise<void>
  /** The oldest first; expired ones too. */
  list(owner: IdentityUid): Promise<readonly ClientSecret[]>
  /** `false`: the identity has no such secret. */
  remove(owner: IdentityUid, secretId: string): Promise<boolean>
  /** The unexpired secret with this hash of the active service principal with this application id. */
  find(
    clientId: string,
    hash: string,
    now: EpochMs,
  ): Promise<{ readonly identity: Identity; readonly secret: ClientSecret } | undefined>
  noteUse(secretId: string, at: EpochMs): Promise<void>
}
