/** What signing in leaves in the catalog: OAuth records, passwords, set-up links, attempts. */
import type { Identity } from '../domain/identity.ts'
import type { IdentityUid } from '../domain/names.ts'
import type { EpochMs } from '../lib/time.ts'

/**
 * A session, grant, code or token of the OAuth issuer. Keys are hashes, the contents are sealed: who
 * reads the catalog can neither present nor read any of them.
 */
export interface OAuthRecord {
  readonly key: string
  /** `Session`, `Grant`, `AccessToken`… */
  readonly model: string
  readonly sealed: string
  /** By what else it is found: a session's uid, a device's user code. */
  readonly aliasKey: string | undefined
  /** The record goes when its grant goes. */
  readonly grantKey: string | undefined
  /** The record goes when its identity goes. */
  readonly identityUid: IdentityUid | undefined
  readonly clientId: string | undefined
  /** The client secret that it was given for; the record goes when that goes. */
  readonly secretId: string | undefined
  readonly expireTime: EpochMs | undefined
}

export interface StoredRecord {
  readonly sealed: string
  readonly consumeTime: EpochMs | undefined
}

export interface TokenHolder {
  readonly identity: Identity
  readonly expireTime: EpochMs | undefined
}

export interface OAuthRecords {
  /** Makes or replaces it; `false`: its grant, identity or secret is gone, so nothing was kept. */
  save(record: OAuthRecord, now: EpochMs): Promise<boolean>
  find(key: string): Promise<StoredRecord | undefined>
  findByAlias(aliasKey: string): Promise<StoredRecord | undefined>
  /** `false`: somebody consumed it before, or it is gone. Exactly one caller ever hears `true`. */
  consume(key: string, now: EpochMs): Promise<boolean>
  /** Absent is success. What hangs on a grant goes with it. */
  remove(key: string): Promise<void>
  removeOfGrant(model: string, grantKey: string): Promise<void>
  /** Ends every session and token of the identity. */
  removeOfIdentity(identity: IdentityUid): Promise<void>
  /** The active identity behind a token that is kept under one of these keys, expired or not. */
  holderOf(keys: readonly string[]): Promise<TokenHolder | undefined>
  /** Forgets what expired before this moment. */
  forget(before: EpochMs): Promise<number>
}

export interface Passwords {
  verifierOf(identity: IdentityUid): Promise<string | undefined>
  set(identity: IdentityUid, verifier: string, now: EpochMs): Promise<void>
}

export interface SetupLinks {
  /** Takes the place of the identity's earlier links. */
  replace(link: {
    readonly hash: string
    readonly identityUid: IdentityUid
    readonly createTime: EpochMs
    readonly expireTime: EpochMs
  }): Promise<void>
  /** The active identity whose password an unexpired link sets. */
  identityOf(hash: string, now: EpochMs): Promise<Identity | undefined>
  /** `false`: it was used, replaced or expired meanwhile. */
  use(hash: string, now: EpochMs): Promise<boolean>
  forget(before: EpochMs): Promise<number>
}

/** Attempts within a window that begins with the first of them. */
export interface AttemptCount {
  readonly count: number
  readonly since: EpochMs
}

export interface SignInAttempts {
  /** Counts one more, atomically; a window that began before `windowFrom` begins anew. */
  add(key: string, now: EpochMs, windowFrom: EpochMs): Promise<AttemptCount>
  /** Takes attempts back: all of them, or one. */
  forgive(key: string, how: 'all' | 'one'): Promise<void>
  forget(before: EpochMs): Promise<number>
}
