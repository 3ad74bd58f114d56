/** Groups and who is in them. `admins` makes administrators; `users` holds everybody and is not changed. */
import { Fault } from '../domain/faults.ts'
import { type DirectoryEntry, isBuiltIn, type Profile } from '../domain/principal.ts'
import { mustBeAllowed } from './access.ts'
import type { Caller } from './actions.ts'
import { addMembers, removeMembers } from './group-members.ts'
import { claimName, findEntry } from './identities.ts'
import { newIdentityUid } from './new-uid.ts'
import type { Services } from './services.ts'

type Stores = Pick<Services, 'catalog' | 'clock'>

export interface NewGroup {
  readonly name: string
  readonly profile: Profile
  /** Uids. */
  readonly members: readonly string[]
}

export async function createGroup(
  { catalog, clock }: Stores,
  caller: Caller,
  { name, profile, members }: NewGroup,
): Promise<DirectoryEntry> {
  mustBeAllowed(caller, 'createGroup')
  const uid = newIdentityUid()
  return catalog.transaction(async (session) => {
    await session.directory.lock()
    await claimName(session, 'GROUP', name)
    const group = { uid, kind: 'GROUP', loginName: name, displayName: name } as const
    const createTime = clock.now()
    await session.directory.insert(
      { ...group, isAdmin: false, isActive: true, createTime },
      profile,
    )
    await addMembers(session, uid, members)
    return findEntry(session, uid, 'GROUP')
  })
}

export async function getGroup(
  { catalog }: Stores,
  caller: Caller,
  uid: string,
): Promise<DirectoryEntry> {
  mustBeAllowed(caller, 'getGroup')
  return findEntry(catalog, uid, 'GROUP')
}

export async function listGroups(
  { catalog }: Stores,
  caller: Caller,
): Promise<readonly DirectoryEntry[]> {
  mustBeAllowed(caller, 'listGroups')
  return catalog.directory.list('GROUP')
}

/** Members come and go by name, so that two who change a group at once do not undo each other. */
export interface GroupChanges {
  readonly profile?: Profile
  readonly add: readonly string[]
  readonly remove: readonly string[]
}

export async function updateGroup(
  { catalog }: Stores,
  caller: Caller,
  uid: string,
  { profile, add, remove }: GroupChanges,
): Promise<DirectoryEntry> {
  mustBeAllowed(caller, 'updateGroup')
  return catalog.transaction(async (session) => {
    await session.directory.lock()
    const group = await findEntry(session, uid, 'GROUP')
    if (profile !== undefined) await session.directory.update(group.uid, { profile })
    await addMembers(session, group.uid, add)
    await removeMembers(session, group.uid, remove)
    return findEntry(session, uid, 'GROUP')
  })
}

export async function deleteGroup(
  { catalog }: Stores,
  caller: Caller,
  uid: string,
): Promise<DirectoryEntry> {
  mustBeAllowed(caller, 'deleteGroup')
  return catalog.transaction(async (session) => {
    await session.directory.lock()
    const group = await findEntry(session, uid, 'GROUP')
    if (isBuiltIn(group.uid)) throw new Fault('GROUP_BUILT_IN', { name: group.loginName })
    await session.directory.remove(group.uid)
    return group
  })
}
