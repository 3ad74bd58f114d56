/** As whom a session runs inside a branch, and with which rights: at login, and ever after. */
import { decide, rules } from '../domain/authorization.ts'
import type { Branch } from '../domain/branch.ts'
import type { Identity } from '../domain/identity.ts'
import { adminsGroup, type Principal } from '../domain/principal.ts'
import type { Project } from '../domain/project.ts'
import type { CatalogSession } from '../ports/catalog.ts'

/** `manager`: runs DDL on every object of the branch. `undefined`: may not log in. */
export type SessionRight = 'manager' | 'member' | undefined

/** What a principal may be inside a branch: see the rows `session/…` of the table. */
export async function sessionRight(
  { permissions }: Pick<CatalogSession, 'permissions'>,
  project: Pick<Project, 'uid'>,
  branch: Pick<Branch, 'createdBy'>,
  principal: Pick<Principal, 'uid' | 'isAdmin'>,
): Promise<SessionRight> {
  const standing = {
    isAdmin: principal.isAdmin,
    level: await permissions.levelOf(project.uid, principal.uid),
    isOwn: branch.createdBy === principal.uid,
  }
  if (decide(rules['session/ddl'], standing).kind === 'allowed') return 'manager'
  return decide(rules['session/connect'], standing).kind === 'allowed' ? 'member' : undefined
}

/** The identity itself, or the group of this name; `undefined`: it is in no such group. */
export async function sessionPrincipal(
  { directory }: Pick<CatalogSession, 'directory'>,
  identity: Identity,
  groupName: string | undefined,
): Promise<Principal | undefined> {
  if (groupName === undefined) return identity
  const group = await directory.byName(groupName)
  if (group?.kind !== 'GROUP') return undefined
  if (group.uid === adminsGroup) return identity.isAdmin ? { ...group, isAdmin: true } : undefined
  const principals = await directory.principalsOf(identity.uid)
  return principals.includes(group.uid) ? group : undefined
}
