/** Who comes into a group and who leaves it, inside a transaction that holds the directory's lock. */
import { Fault } from '../domain/faults.ts'
import { type IdentityUid, printable } from '../domain/names.ts'
import { adminsGroup, usersGroup } from '../domain/principal.ts'
import type { CatalogSession } from '../ports/catalog.ts'

type Session = Pick<CatalogSession, 'directory'>

export async function addMembers(
  session: Session,
  group: IdentityUid,
  uids: readonly string[],
): Promise<void> {
  for (const uid of uids) {
    const member = await session.directory.byUid(uid as IdentityUid)
    const wrong = (problem: string) =>
      new Fault('FIELD_INVALID', { field: 'members', problem: `'${printable(uid)}' ${problem}` })
    if (member === undefined) throw wrong('is the id of nobody')
    if (group === usersGroup) {
      if (member.kind !== 'GROUP') continue // is in it already
      throw new Fault('GROUP_BUILT_IN', { name: 'users' })
    }
    if (group === adminsGroup) {
      if (member.kind === 'GROUP') throw wrong('is a group, which cannot administrate')
      await session.directory.update(member.uid, { isAdmin: true })
      continue
    }
    const reaches = await session.directory.principalsOf(group)
    if (member.kind === 'GROUP' && reaches.includes(member.uid)) {
      throw wrong('is the group itself, or holds it')
    }
    if (member.uid === adminsGroup) throw wrong('is admins: name its members one by one')
    await session.directory.addMembers(group, [member.uid])
  }
}

export async function removeMembers(
  session: Session,
  group: IdentityUid,
  uids: readonly string[],
): Promise<void> {
  const members = uids as readonly IdentityUid[]
  if (members.length === 0) return
  if (group === usersGroup) throw new Fault('GROUP_BUILT_IN', { name: 'users' })
  if (group !== adminsGroup) return session.directory.removeMembers(group, members)
  for (const uid of members) await session.directory.update(uid, { isAdmin: false })
  await keepAnAdmin(session)
}

/** Without one, nobody could ever change anything again. */
export async function keepAnAdmin(session: Session): Promise<void> {
  if ((await session.directory.countAdmins()) === 0) throw new Fault('LAST_ADMINISTRATOR')
}
