/**
 * Principals: whom a permission can name. Identities call the API and log in; groups hold identities
 * and groups, and what a group may do, its members may. All names are of one space, since each can
 * become a Postgres role.
 */
import type { Identity, IdentityKind } from './identity.ts'
import { type IdentityUid, printable } from './names.ts'

export type PrincipalKind = IdentityKind | 'GROUP'

/** What clients keep with a principal; nothing here decides about anything. */
export interface Profile {
  readonly externalId?: string
  readonly givenName?: string
  readonly familyName?: string
  readonly entitlements?: readonly string[]
  readonly roles?: readonly string[]
}

/** A group's `loginName` is its name. */
export interface Principal extends Omit<Identity, 'kind'> {
  readonly kind: PrincipalKind
}

export type PrincipalRef = Pick<Principal, 'uid' | 'kind' | 'loginName' | 'displayName'>

export interface DirectoryEntry extends Principal {
  readonly profile: Profile
  /** Groups that hold it directly, the built-in ones included. */
  readonly groups: readonly PrincipalRef[]
  /** Of a group: what it holds directly. */
  readonly members: readonly PrincipalRef[]
}

/** Holds the administrators: whoever is put in becomes one. */
export const adminsGroup = '100000000000001' as IdentityUid
/** Holds everybody, always. */
export const usersGroup = '100000000000002' as IdentityUid
export const isBuiltIn = (uid: IdentityUid): boolean => uid === adminsGroup || uid === usersGroup

const reserved = /^(pg_|databricks_|lakelet_)|^(cloud_admin|postgres|public|none)$/i

/** A name becomes a Postgres role: 63 bytes, none of Postgres's or our own reserved names. */
export function principalNameProblem(name: string): string | undefined {
  if (name === '') return 'it must not be empty'
  if (new TextEncoder().encode(name).length > 63) {
    return 'it must have at most 63 bytes, since it becomes the name of a Postgres role'
  }
  if (/[\u0000-\u001f\u007f]/.test(name)) return 'it must not have control characters'
  if (reserved.test(name)) return `'${printable(name)}' is a reserved role name`
  return undefined
}
