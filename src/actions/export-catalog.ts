/** What a backup takes along of the catalog: the project, the branch, its endpoints, and who may use them. */

import type { CatalogExport, ExportedPrincipal } from '../domain/backup-catalog.ts'
import type { Branch } from '../domain/branch.ts'
import type { IdentityUid } from '../domain/names.ts'
import { isBuiltIn } from '../domain/principal.ts'
import type { Project } from '../domain/project.ts'
import type { Catalog } from '../ports/catalog.ts'

export async function exportCatalog(
  catalog: Catalog,
  project: Project,
  branch: Branch,
): Promise<CatalogExport> {
  const permissions = await catalog.permissions.list(project.uid)
  const endpoints = await catalog.endpoints.ofBranch(branch.uid)
  return {
    project,
    branch,
    endpoints: endpoints.filter(({ life }) => life !== 'DELETED'),
    principals: await principalsOf(catalog, [
      project.ownerUid,
      branch.createdBy,
      ...permissions.map(({ principal }) => principal.uid),
    ]),
    permissions: permissions.map(({ principal, level }) => ({
      loginName: principal.loginName,
      level,
    })),
  }
}

/** Those named, and whoever is in a group among them, directly or through others. */
async function principalsOf(
  { directory }: Catalog,
  named: readonly IdentityUid[],
): Promise<readonly ExportedPrincipal[]> {
  const found = new Map<IdentityUid, ExportedPrincipal>()
  const waiting = [...named]
  for (let uid = waiting.shift(); uid !== undefined; uid = waiting.shift()) {
    if (found.has(uid) || isBuiltIn(uid)) continue
    const entry = await directory.byUid(uid)
    if (entry === undefined) continue // deleted since
    const members = entry.members.filter((member) => !isBuiltIn(member.uid))
    found.set(uid, {
      kind: entry.kind,
      loginName: entry.loginName,
      displayName: entry.displayName,
      isActive: entry.isActive,
      profile: entry.profile,
      members: members.map(({ loginName }) => loginName),
    })
    waiting.push(...members.map((member) => member.uid))
  }
  return [...found.values()]
}
