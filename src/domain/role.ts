/** A role of a branch as a resource: read from the branch's own Postgres, named by an id of its own. */
import { type EpochMs, rfc3339 } from '../lib/time.ts'
import {
  type BranchPath,
  branchName,
  type IdentityUid,
  type OperationUid,
  type RoleId,
  roleName,
} from './names.ts'

export const roleIdentityTypes = ['USER', 'SERVICE_PRINCIPAL', 'GROUP'] as const
/** Whose role it is; `undefined` on a role of its own. */
export type RoleIdentityType = (typeof roleIdentityTypes)[number]

export const authMethods = ['LAKEBASE_OAUTH_V1', 'PG_PASSWORD_SCRAM_SHA_256', 'NO_LOGIN'] as const
export type AuthMethod = (typeof authMethods)[number]

export interface RoleAttributes {
  readonly createdb: boolean
  readonly createrole: boolean
  readonly bypassrls: boolean
}

export const noAttributes: RoleAttributes = { createdb: false, createrole: false, bypassrls: false }

export interface Role {
  /** Postgres's own number: stays when the role is renamed. */
  readonly oid: number
  readonly roleId: RoleId
  /** Name in Postgres. */
  readonly postgresRole: string
  readonly identityType: RoleIdentityType | undefined
  readonly canLogin: boolean
  readonly attributes: RoleAttributes
  /** Direct member of `databricks_superuser`. */
  readonly isSuperuserMember: boolean
  /** Member of the shared owner role: what it owns belongs to that one in Postgres. */
  readonly isManager: boolean
  /** Who made it through the API. */
  readonly createdBy: IdentityUid | undefined
  /** The operation that made it. */
  readonly madeBy: OperationUid | undefined
  /** Of a role that SQL made: when the API saw it first. */
  readonly createTime: EpochMs
  readonly updateTime: EpochMs
}

/** How this kind of role proves itself. */
export const authMethodOf = (role: Pick<Role, 'identityType' | 'canLogin'>): AuthMethod =>
  !role.canLogin
    ? 'NO_LOGIN'
    : role.identityType === undefined
      ? 'PG_PASSWORD_SCRAM_SHA_256'
      : 'LAKEBASE_OAUTH_V1'

export type RoleResource = ReturnType<typeof renderRole>

/** What GET answers. */
export function renderRole(role: Role, { project, branch }: BranchPath) {
  return {
    name: roleName(project, branch, role.roleId),
    role_id: role.roleId,
    parent: branchName(project, branch),
    create_time: rfc3339(role.createTime),
    update_time: rfc3339(role.updateTime),
    status: {
      role_id: role.roleId,
      postgres_role: role.postgresRole,
      identity_type: role.identityType ?? 'IDENTITY_TYPE_UNSPECIFIED',
      auth_method: authMethodOf(role),
      ...(role.isSuperuserMember ? { membership_roles: ['DATABRICKS_SUPERUSER'] } : {}),
      attributes: { ...role.attributes },
    },
  }
}
