/**
 * Principals of a backup, where they are not here already: by name, without secrets, and none of them an
 * administrator. Whoever is here stays as he is.
 */
import type { CatalogExport, ExportedPrincipal } from '../domain/backup-catalog.ts'
import { isBuiltIn, principalNameProblem } from '../domain/principal.ts'
import type { Project } from '../domain/project.ts'
import type { EpochMs } from '../lib/time.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import { newIdentityUid } from './new-uid.ts'

/** Inside of the transaction that makes the project. */
export async function importPrincipals(
  session: CatalogSession,
  project: Pick<Project, 'uid'>,
  { principals, permissions }: CatalogExport,
  now: EpochMs,
): Promise<void> {
  await session.directory.lock()
  const made: ExportedPrincipal[] = []
  for (const principal of principals) {
    if (await insertMissing(session, principal, now)) made.push(principal)
  }
  for (const group of made.filter(({ kind }) => kind === 'GROUP')) await fill(session, group)
  for (const { loginName, level } of permissions) {
    const principal = await session.directory.byName(loginName)
    if (principal !== undefined) await session.permissions.set(project.uid, principal.uid, level)
  }
}

async function insertMissing(
  { directory }: CatalogSession,
  { kind, loginName, displayName, isActive, profile }: ExportedPrincipal,
  createTime: EpochMs,
): Promise<boolean> {
  if (principalNameProblem(loginName) !== undefined) return false
  if ((await directory.byName(loginName)) !== undefined) return false
  await directory.insert(
    {
      uid: newIdentityUid(),
      kind,
      loginName,
      displayName,
      isActive,
      isAdmin: false,
      createTime,
    },
    profile,
  )
  return true
}

/** A group that was here keeps its members; one that was made has those that it had. */
async function fill({ directory }: CatalogSession, group: ExportedPrincipal): Promise<void> {
  const itself = await directory.byName(group.loginName)
  if (itself === undefined) return
  for (const name of group.members) {
    const member = await directory.byName(name)
    if (member === undefined || isBuiltIn(member.uid)) continue
    const holders = await directory.principalsOf(itself.uid)
    if (!holders.includes(member.uid)) await directory.addMembers(itself.uid, [member.uid])
  }
}
