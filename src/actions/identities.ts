/** Users and service principals: made, found, changed, deleted. */
import { Fault } from '../domain/faults.ts'
import type { Identity, IdentityKind } from '../domain/identity.ts'
import { type IdentityUid, printable } from '../domain/names.ts'
import {
  type DirectoryEntry,
  type PrincipalKind,
  type Profile,
  principalNameProblem,
} from '../domain/principal.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import { mustBeAllowed } from './access.ts'
import type { Caller } from './actions.ts'
import { addMembers, keepAnAdmin } from './group-members.ts'
import { newIdentityUid } from './new-uid.ts'
import type { Services } from './services.ts'

export interface NewIdentity {
  readonly kind: IdentityKind
  readonly loginName: string
  readonly displayName: string
  /** Default: active. */
  readonly isActive?: boolean
  readonly profile?: Profile
  /** Uids of groups that it is put into. */
  readonly groups?: readonly string[]
}

type Stores = Pick<Services, 'catalog' | 'clock'>

export async function createIdentity(
  services: Stores,
  caller: Caller,
  input: NewIdentity,
): Promise<DirectoryEntry> {
  mustBeAllowed(caller, 'createIdentity')
  const { uid } = await insertIdentity(services, { ...input, isAdmin: false })
  return findEntry(services.catalog, uid, input.kind)
}

/** Without a caller: for the first start, which makes the owner. */
export async function insertIdentity(
  { catalog, clock }: Stores,
  {
    profile = {},
    isActive = true,
    groups = [],
    ...input
  }: NewIdentity & { readonly isAdmin: boolean },
): Promise<Identity> {
  const identity = { ...input, uid: newIdentityUid(), isActive, createTime: clock.now() }
  return catalog.transaction(async (session) => {
    await claimName(session, input.kind, input.loginName)
    await session.directory.insert(identity, profile)
    if (groups.length > 0) await session.directory.lock()
    for (const group of groups) {
      const { uid } = await findEntry(session, group, 'GROUP')
      await addMembers(session, uid, [identity.uid])
    }
    return identity
  })
}

/** How each kind is called, and the attribute of SCIM that names it. */
export const kindWords = {
  USER: { noun: 'User with username', field: 'userName' },
  SERVICE_PRINCIPAL: { noun: 'Service principal with application ID', field: 'applicationId' },
  GROUP: { noun: 'Group with name', field: 'displayName' },
} as const satisfies Record<PrincipalKind, { readonly noun: string; readonly field: string }>

/** Refuses a name that cannot be a Postgres role, or that somebody has but for its case. */
export async function claimName(
  session: Pick<CatalogSession, 'directory'>,
  kind: PrincipalKind,
  name: string,
): Promise<void> {
  const { field, noun } = kindWords[kind]
  const problem = principalNameProblem(name)
  if (problem !== undefined) throw new Fault('FIELD_INVALID', { field, problem })
  if ((await session.directory.byName(name)) !== undefined) {
    throw new Fault('IDENTITY_EXISTS', { noun, name: printable(name) })
  }
}

export async function getMe({ catalog }: Stores, caller: Caller): Promise<DirectoryEntry> {
  mustBeAllowed(caller, 'getMe')
  return findEntry(catalog, caller.identity.uid, caller.identity.kind)
}

export async function getIdentity(
  { catalog }: Stores,
  caller: Caller,
  kind: IdentityKind,
  uid: string,
): Promise<DirectoryEntry> {
  mustBeAllowed(caller, 'getIdentity')
  return findEntry(catalog, uid, kind)
}

export async function listIdentities(
  { catalog }: Stores,
  caller: Caller,
  kind: IdentityKind,
): Promise<readonly DirectoryEntry[]> {
  mustBeAllowed(caller, 'listIdentities')
  return catalog.directory.list(kind)
}

/** Absent fields stay as they are; `profile` is replaced as a whole. */
export interface IdentityChanges {
  readonly displayName?: string
  readonly isActive?: boolean
  readonly profile?: Profile
}

export async function updateIdentity(
  { catalog }: Stores,
  caller: Caller,
  kind: IdentityKind,
  uid: string,
  changes: IdentityChanges,
): Promise<DirectoryEntry> {
  mustBeAllowed(caller, 'updateIdentity')
  return catalog.transaction(async (session) => {
    await session.directory.lock()
    const before = await findEntry(session, uid, kind)
    if (changes.isActive === false && before.isActive) {
      notItself(caller, before, 'deactivate itself')
    }
    await session.directory.update(before.uid, changes)
    await keepAnAdmin(session)
    return findEntry(session, uid, kind)
  })
}

/** Its tokens, secrets, memberships and permissions go with it. */
export async function deleteIdentity(
  { catalog }: Stores,
  caller: Caller,
  kind: IdentityKind,
  uid: string,
): Promise<DirectoryEntry> {
  mustBeAllowed(caller, 'deleteIdentity')
  return catalog.transaction(async (session) => {
    await session.directory.lock()
    const entry = await findEntry(session, uid, kind)
    notItself(caller, entry, 'delete itself')
    await session.directory.remove(entry.uid)
    await keepAnAdmin(session)
    return entry
  })
}

function notItself({ identity }: Caller, { uid }: DirectoryEntry, act: string): void {
  if (identity.uid === uid) {
    throw new Fault('ADMINISTRATORS_ONLY', { who: identity.loginName, act })
  }
}

/** A user is no service principal and no group, whatever its id. */
export async function findEntry(
  { directory }: Pick<CatalogSession, 'directory'>,
  uid: string,
  kind: PrincipalKind,
): Promise<DirectoryEntry> {
  const entry = await directory.byUid(uid as IdentityUid)
  if (entry?.kind === kind) return entry
  throw new Fault('IDENTITY_NOT_FOUND', { name: printable(uid) })
}
