/** Roles of a branch: reads, and writes judged before they are queued (role-kinds.ts does them). */

import type { ProjectDeed } from '../domain/authorization.ts'
import { deriveRoleId } from '../domain/derived-id.ts'
import { Fault } from '../domain/faults.ts'
import {
  type BranchPath,
  isChildId,
  parseRoleName,
  printable,
  type RoleId,
  type RolePath,
  roleName,
} from '../domain/names.ts'
import type { OperationResource } from '../domain/operation.ts'
import {
  authMethodOf,
  noAttributes,
  type Role,
  type RoleResource,
  renderRole,
} from '../domain/role.ts'
import { roleNameProblem } from '../domain/sql-name.ts'
import { Secret } from '../lib/secret.ts'
import type { RoleChanges } from '../ports/role-resources.ts'
import { may, mustRunDdl } from './access.ts'
import type { Caller, CreateRole, Listing, Page } from './actions.ts'
import { type Accepted, acceptWrite, lookInto, type Scene } from './branch-contents.ts'
import type { Prepared } from './fleet.ts'
import type { Foreseen } from './foresee.ts'
import { mayAddRole } from './limits.ts'
import { pageOf } from './read.ts'
import type { Services } from './services.ts'

export async function getRole(
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: RolePath,
): Promise<RoleResource> {
  const { contents } = await lookInto(services, prepared, caller, path, 'getRole')
  const role = contents.roles.find(({ roleId }) => roleId === path.role)
  if (role === undefined) throw new Fault('ROLE_NOT_FOUND')
  return renderRole(role, path)
}

export async function listRoles(
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: BranchPath,
  page: Page,
): Promise<Listing<RoleResource>> {
  const { contents, branch } = await lookInto(services, prepared, caller, path, 'listRoles')
  const { items, nextPageToken } = pageOf(
    `roles of ${branch.uid}`,
    contents.roles,
    page,
    ({ roleId }) => roleId,
  )
  return { items: items.map((role) => renderRole(role, path)), nextPageToken }
}

export const createRole = (
  services: Services,
  prepared: Prepared,
  caller: Caller,
  input: CreateRole,
): Promise<OperationResource> =>
  acceptWrite(
    services,
    prepared,
    caller,
    { path: input.branch, deed: 'createRole' },
    async (scene, foreseen) => {
      const { roleId, spec, replaceExisting } = input
      const name = roleId === undefined ? undefined : foreseen.roles.get(roleId)
      if (roleId !== undefined && name !== undefined) {
        if (!replaceExisting) throw new Fault('ROLE_EXISTS', { id: roleId, name })
        mustKeepKind(scene, roleId, name, spec)
        // All of it is replaced: what the request leaves out is off.
        const { attributes, isSuperuserMember = false } = spec
        const changes = { attributes: { ...noAttributes, ...attributes }, isSuperuserMember }
        return change(services, scene, roleId, changes)
      }
      const { postgresRole = '' } = spec
      if (postgresRole === '')
        throw new Fault('FIELD_REQUIRED', { field: 'role.spec.postgres_role' })
      const problem = roleNameProblem(postgresRole)
      if (problem !== undefined) {
        throw new Fault('FIELD_INVALID', { field: 'spec.postgres_role', problem })
      }
      const { identityType, canLogin } = kindOf(spec)
      await mayGive(services, scene, spec)
      const namesake = [...foreseen.roles].find(([, other]) => other === postgresRole)
      if (namesake !== undefined) {
        throw new Fault('ROLE_EXISTS', { id: namesake[0], name: postgresRole })
      }
      mayAddRole(scene.branch, foreseen.roles.size, services.policy)
      const id =
        roleId ??
        deriveRoleId(postgresRole, identityType, (wanted) => foreseen.roles.has(wanted as RoleId))
      const { attributes, isSuperuserMember = false } = spec
      return about('create-role', scene, id, {
        postgresRole,
        identityType: identityType ?? null,
        canLogin,
        attributes: { ...noAttributes, ...attributes },
        isSuperuserMember,
      })
    },
  )

export const updateRole = (
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: RolePath,
  changes: RoleChanges,
): Promise<OperationResource> =>
  acceptWrite(services, prepared, caller, { path, deed: 'updateRole' }, async (scene, foreseen) => {
    if (!foreseen.roles.has(path.role)) throw new Fault('ROLE_NOT_FOUND')
    return change(services, scene, path.role, changes)
  })

export const deleteRole = (
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: RolePath,
  { reassignOwnedTo }: { readonly reassignOwnedTo: string | undefined },
): Promise<OperationResource> =>
  acceptWrite(services, prepared, caller, { path, deed: 'deleteRole' }, async (scene, foreseen) => {
    const { role: id } = path
    if (!foreseen.roles.has(id)) throw new Fault('ROLE_NOT_FOUND')
    const role = scene.contents.roles.find(({ roleId }) => roleId === id)
    await mayChangeOf(services, scene, role, 'deleteRole/ofAnother')
    const heir =
      reassignOwnedTo === undefined
        ? undefined
        : findRole(scene, foreseen, reassignOwnedTo, 'reassign_owned_to')
    if (heir === id) throw new Fault('ROLE_REASSIGN_SELF')
    // What waits may change what it owns; then the operation finds out.
    if (heir === undefined && role !== undefined && foreseen.isSettled) {
      const what = await services.roles.holdings(scene.socket, id)
      const isOwnerRole = role.postgresRole === scene.creator
      if (what !== undefined) {
        throw new Fault(isOwnerRole ? 'OWNER_ROLE_STAYS' : 'ROLE_OWNS_OBJECTS', { role: id, what })
      }
    }
    return about('delete-role', scene, id, { reassignTo: heir ?? null })
  })

/** At once: nothing of it may be kept, so no operation could tell it. */
export async function renewRolePassword(
  services: Services,
  prepared: Prepared,
  caller: Caller,
  path: RolePath,
): Promise<{ readonly postgresRole: string; readonly password: Secret }> {
  const scene = await lookInto(services, prepared, caller, path, 'renewRolePassword')
  const role = scene.contents.roles.find(({ roleId }) => roleId === path.role)
  if (role === undefined) throw new Fault('ROLE_NOT_FOUND')
  await mayChangeOf(services, scene, role, 'renewRolePassword/ofAnother')
  const password = await services.roles.renewPassword(scene.socket, role.roleId)
  return { postgresRole: role.postgresRole, password: new Secret(password) }
}

/**
 * A role that a write names: by full name, bare id, or name in Postgres; there already, or waiting to
 * be made.
 */
export function findRole(
  { path }: Pick<Scene, 'path'>,
  { roles }: Pick<Foreseen, 'roles'>,
  text: string,
  field: string,
): RoleId {
  const isName = text.startsWith('projects/')
  const named = isName ? parseRoleName(text) : undefined
  if (named !== undefined && (named.project !== path.project || named.branch !== path.branch)) {
    const form = roleName(path.project, path.branch, 'ROLE' as RoleId)
    throw new Fault('ROLE_OTHER_BRANCH', { field, value: printable(text), form })
  }
  const id = named?.role ?? (text as RoleId)
  if (roles.has(id)) return id
  const namesake = isName ? undefined : [...roles].find(([, name]) => name === text)
  if (namesake === undefined && !isChildId(id)) {
    const problem = 'it must be the full name of a role of the branch, or its id'
    throw new Fault('FIELD_INVALID', { field, problem })
  }
  if (namesake === undefined) throw new Fault('ROLE_REFERENCE_NOT_FOUND', { role: printable(id) })
  return namesake[0]
}

async function change(
  services: Services,
  scene: Scene,
  id: RoleId,
  changes: RoleChanges,
): Promise<Accepted> {
  const role = scene.contents.roles.find(({ roleId }) => roleId === id)
  await mayChangeOf(services, scene, role, 'updateRole/ofAnother')
  await mayGive(services, scene, changes)
  return about('update-role', scene, id, { changes: { ...changes } })
}

/** Rights that a person has not got are not that person's to give. */
async function mayGive(
  { catalog }: Services,
  { project, branch, caller }: Scene,
  { attributes = {}, isSuperuserMember = false }: RoleChanges,
): Promise<void> {
  if (!isSuperuserMember && !Object.values(attributes).includes(true)) return
  await mustRunDdl(catalog, project, branch, may(caller, 'createRole/rights'))
}

/** One's own with CAN_USE; what others, a login or SQL made, takes more. */
export async function mayChangeOf(
  { catalog }: Services,
  { project, branch, caller }: Scene,
  made: { readonly createdBy: Role['createdBy'] } | undefined,
  deed: ProjectDeed,
): Promise<void> {
  if (made?.createdBy === caller.identity.uid) return
  await mustRunDdl(catalog, project, branch, may(caller, deed))
}

function kindOf({ identityType, authMethod }: CreateRole['spec']) {
  const identity = identityType === 'IDENTITY_TYPE_UNSPECIFIED' ? undefined : identityType
  const login = identity === undefined ? 'PG_PASSWORD_SCRAM_SHA_256' : 'LAKEBASE_OAUTH_V1'
  if (authMethod !== undefined && authMethod !== login && authMethod !== 'NO_LOGIN') {
    throw new Fault('ROLE_KIND_MIXED', {
      identity: identity ?? 'IDENTITY_TYPE_UNSPECIFIED',
      auth: authMethod,
    })
  }
  return { identityType: identity, canLogin: authMethod !== 'NO_LOGIN' }
}

/** Answering with a role of another kind than was asked for would be worse than a refusal. */
function mustKeepKind(
  { contents }: Scene,
  roleId: RoleId,
  name: string,
  { postgresRole, identityType, authMethod }: CreateRole['spec'],
): void {
  const role = contents.roles.find((r) => r.roleId === roleId)
  const isOther = {
    postgres_role: postgresRole !== undefined && postgresRole !== name,
    identity_type:
      role !== undefined &&
      identityType !== undefined &&
      identityType !== (role.identityType ?? 'IDENTITY_TYPE_UNSPECIFIED'),
    auth_method:
      role !== undefined && authMethod !== undefined && authMethod !== authMethodOf(role),
  }
  for (const [field, is] of Object.entries(isOther)) {
    if (is) throw new Fault('FIELD_IMMUTABLE', { field: `spec.${field}` })
  }
}

const about = (
  kind: string,
  { path }: Scene,
  role: RoleId,
  input: Accepted['input'],
): Accepted => ({
  kind,
  subject: 'Role',
  resource: roleName(path.project, path.branch, role),
  input: { ...input, roleId: role },
})
