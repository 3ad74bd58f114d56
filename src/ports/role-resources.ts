/**
 * Roles and databases of a branch as the API's resources, in the branch's own running Postgres. Ids,
 * times and owners are kept there too, so that every branch of it has them. What SQL made is there
 * like the rest; what is ours (service roles, templates) is not. Changes are refused with the Faults
 * that clients read, and each may run again after a crash.
 */
import type { Database } from '../domain/database.ts'
import type { BranchUid, DatabaseId, IdentityUid, OperationUid, RoleId } from '../domain/names.ts'
import type { Role, RoleAttributes, RoleIdentityType } from '../domain/role.ts'

export interface BranchContents {
  /** In the order in which Postgres made them. */
  readonly roles: readonly Role[]
  readonly databases: readonly Database[]
  /** The branch that `settle` was called for last: a clone brings its source's. */
  readonly settledFor: BranchUid | undefined
}

export interface NewRole {
  readonly operation: OperationUid
  readonly roleId: RoleId
  readonly postgresRole: string
  readonly identityType: RoleIdentityType | undefined
  readonly canLogin: boolean
  readonly attributes: RoleAttributes
  readonly isSuperuserMember: boolean
  readonly createdBy: IdentityUid
}

/** Fields that stay as they are are absent. */
export interface RoleChanges {
  readonly attributes?: Partial<RoleAttributes>
  readonly isSuperuserMember?: boolean
}

export interface NewDatabase {
  readonly operation: OperationUid
  readonly databaseId: DatabaseId
  readonly postgresDatabase: string
  readonly owner: RoleId
  readonly createdBy: IdentityUid
}

/** Fields that stay as they are are absent. */
export interface DatabaseChanges {
  readonly postgresDatabase?: string
  readonly owner?: RoleId
}

export interface RoleResources {
  /**
   * All of them. `creator` is the login of who made the branch: databases that the shared owner role
   * has, and of which nothing else is known, are shown as that role's.
   */
  inspect(
    socketDirectory: string,
    options: { readonly creator: string | undefined },
  ): Promise<BranchContents>
  /** Notes that the role of this branch's creator was made sure of. */
  settle(socketDirectory: string, branch: BranchUid): Promise<void>

  createRole(socketDirectory: string, role: NewRole): Promise<Role>
  /** Drops what this operation made, if anything. */
  undoCreateRole(socketDirectory: string, operation: OperationUid): Promise<void>
  updateRole(socketDirectory: string, role: RoleId, changes: RoleChanges): Promise<Role>
  /**
   * Gives what it owns, in every database, to `reassignTo`; takes back what was granted to it; drops
   * it and ends its sessions. Without `reassignTo` a role that owns something is refused. Absent is
   * success; another role that has the id since is left alone.
   */
  deleteRole(
    socketDirectory: string,
    role: Pick<Role, 'oid' | 'roleId'>,
    options: { readonly reassignTo: RoleId | undefined },
  ): Promise<void>
  /** What the role owns, in words for a refusal; `undefined`: nothing. */
  holdings(socketDirectory: string, role: RoleId): Promise<string | undefined>
  /** A new password for a role that logs in by one. Answers with it; it is kept nowhere. */
  renewPassword(socketDirectory: string, role: RoleId): Promise<string>

  createDatabase(socketDirectory: string, database: NewDatabase): Promise<Database>
  /** Drops what this operation made, if anything. */
  undoCreateDatabase(socketDirectory: string, operation: OperationUid): Promise<void>
  /** A rename ends the sessions of the database. */
  updateDatabase(
    socketDirectory: string,
    database: DatabaseId,
    changes: DatabaseChanges,
  ): Promise<Database>
  /** Ends its sessions and drops it. Absent is success; another one that has the id since stays. */
  deleteDatabase(
    socketDirectory: string,
    database: Pick<Database, 'oid' | 'databaseId'>,
  ): Promise<void>
}
