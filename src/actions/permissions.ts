/** Who may use a project: entries name identities and groups. */
import { Fault } from '../domain/faults.ts'
import { atLeast } from '../domain/identity.ts'
import { type ProjectId, printable } from '../domain/names.ts'
import type { Project } from '../domain/project.ts'
import type { CatalogSession } from '../ports/catalog.ts'
import { findProject, lockProject, may } from './access.ts'
import type { AccessEntry, Caller, SetAccessEntry } from './actions.ts'
import type { Services } from './services.ts'

export async function getAccess(
  { catalog }: Services,
  caller: Caller,
  id: ProjectId,
): Promise<readonly AccessEntry[]> {
  const project = await findProject(catalog, id, may(caller, 'getAccess'))
  return catalog.permissions.list(project.uid)
}

export async function setAccess(
  { catalog }: Services,
  caller: Caller,
  id: ProjectId,
  entries: readonly SetAccessEntry[],
  { replace }: { readonly replace: boolean },
): Promise<readonly AccessEntry[]> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(session, { project: id }, may(caller, 'setAccess'))
    const found = await Promise.all(
      entries.map(async ({ name, isGroup, level }) => {
        const principal = await session.directory.byName(name)
        if (principal === undefined || (principal.kind === 'GROUP') !== isGroup) {
          throw new Fault('IDENTITY_NOT_FOUND', { name: printable(name) })
        }
        return { principal, level }
      }),
    )
    if (replace) await session.permissions.removeAll(project.uid)
    for (const { principal, level } of found) {
      await session.permissions.set(project.uid, principal.uid, level)
    }
    await keepCaller(session, project, caller)
    return session.permissions.list(project.uid)
  })
}

/** Nobody locks himself out. */
async function keepCaller(
  session: CatalogSession,
  project: Project,
  { identity }: Caller,
): Promise<void> {
  if (identity.isAdmin) return
  const level = await session.permissions.levelOf(project.uid, identity.uid)
  if (atLeast(level, 'CAN_MANAGE')) return
  await session.permissions.set(project.uid, identity.uid, 'CAN_MANAGE')
}
