/** Users, service principals and groups as they are managed: with their profile and memberships. */
import type { Identity } from '../domain/identity.ts'
import type { IdentityUid } from '../domain/names.ts'
import type { DirectoryEntry, Principal, PrincipalKind, Profile } from '../domain/principal.ts'

export interface Directory {
  /** Fails with IDENTITY_EXISTS inside a transaction when the name is taken, by whatever kind. */
  insert(principal: Principal, profile: Profile): Promise<void>
  byUid(uid: IdentityUid): Promise<DirectoryEntry | undefined>
  /** Of any kind. Upper and lower case do not count, but the same name comes before a similar one. */
  byName(name: string): Promise<Principal | undefined>
  /** By name. */
  list(kind: PrincipalKind): Promise<readonly DirectoryEntry[]>
  update(
    uid: IdentityUid,
    changes: Partial<
      Pick<Principal, 'displayName' | 'isActive' | 'isAdmin'> & { readonly profile: Profile }
    >,
  ): Promise<void>
  /** Takes memberships, permissions, tokens and secrets along. */
  remove(uid: IdentityUid): Promise<void>
  /** One that is a member already stays one. */
  addMembers(group: IdentityUid, members: readonly IdentityUid[]): Promise<void>
  removeMembers(group: IdentityUid, members: readonly IdentityUid[]): Promise<void>
  /** Itself and every group that holds it, directly or through others. */
  principalsOf(uid: IdentityUid): Promise<readonly IdentityUid[]>
  /** Active administrators. */
  countAdmins(): Promise<number>
  /** Makes changes of memberships wait for each other until the transaction ends. */
  lock(): Promise<void>
  /** Users and service principals in the group, directly or through others. */
  identitiesIn(group: IdentityUid): Promise<readonly Identity[]>
}
