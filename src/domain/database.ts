/** A database of a branch as a resource: read from the branch's own Postgres, named by an id of its own. */
import { type EpochMs, rfc3339 } from '../lib/time.ts'
import {
  type BranchPath,
  branchName,
  type DatabaseId,
  databaseName,
  type IdentityUid,
  type OperationUid,
  type RoleId,
  roleName,
} from './names.ts'

export interface Database {
  /** Postgres's own number: stays when the database is renamed. */
  readonly oid: number
  readonly databaseId: DatabaseId
  /** Name in Postgres. */
  readonly postgresDatabase: string
  /**
   * The role that owns it for readers of the API. Where that role is a manager, the shared owner role
   * has it in Postgres. `undefined`: nobody that the API shows.
   */
  readonly ownerId: RoleId | undefined
  /** Who made it through the API. */
  readonly createdBy: IdentityUid | undefined
  /** The operation that made it. */
  readonly madeBy: OperationUid | undefined
  /** Of a database that SQL made: when the API saw it first. */
  readonly createTime: EpochMs
  readonly updateTime: EpochMs
}

export type DatabaseResource = ReturnType<typeof renderDatabase>

/** What GET answers. */
export function renderDatabase(database: Database, { project, branch }: BranchPath) {
  return {
    name: databaseName(project, branch, database.databaseId),
    database_id: database.databaseId,
    parent: branchName(project, branch),
    create_time: rfc3339(database.createTime),
    update_time: rfc3339(database.updateTime),
    status: {
      database_id: database.databaseId,
      postgres_database: database.postgresDatabase,
      ...(database.ownerId === undefined
        ? {}
        : { role: roleName(project, branch, database.ownerId) }),
    },
  }
}
