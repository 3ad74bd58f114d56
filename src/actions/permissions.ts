/** Who may use a project: entries name identities and groups. */
import { Fault } from '../domain/faults.ts'
import type { PermissionLevel } from '../domain/identity.ts'
import { type ProjectId, printable } from '../domain/names.ts'
import { findProject, lockProject } from './access.ts'
import type { AccessEntry, Caller } from './actions.ts'
import type { Services } from './services.ts'

export async function getAccess(
  { catalog }: Services,
  caller: Caller,
  id: ProjectId,
): Promise<readonly AccessEntry[]> {
  const project = await findProject(catalog, id, {
    caller,
    needs: 'CAN_USE',
    to: 'see the project',
  })
  return catalog.permissions.list(project.uid)
}

export async function setAccess(
  { catalog }: Services,
  caller: Caller,
  id: ProjectId,
  entries: readonly { readonly loginName: string; readonly level: PermissionLevel }[],
  { replace }: { readonly replace: boolean },
): Promise<readonly AccessEntry[]> {
  return catalog.transaction(async (session) => {
    const project = await lockProject(
      session,
      { project: id },
      { caller, needs: 'CAN_MANAGE', to: 'change permissions' },
    )
    const found = await Promise.all(
      entries.map(async ({ loginName, level }) => {
        const principal = await session.directory.byName(loginName)
        if (principal === undefined) {
          throw new Fault('IDENTITY_NOT_FOUND', { name: printable(loginName) })
        }
        return { principal, level }
      }),
    )
    if (replace) await session.permissions.removeAll(project.uid)
    for (const { principal, level } of found) {
      await session.permissions.set(project.uid, principal.uid, level)
    }
    // Nobody locks himself out: the caller's CAN_MANAGE stays.
    await session.permissions.set(project.uid, caller.identity.uid, 'CAN_MANAGE')
    return session.permissions.list(project.uid)
  })
}
