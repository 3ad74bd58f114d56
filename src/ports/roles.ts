/**
 * Roles, ownership and grants inside a running Postgres. Everything here is idempotent and speaks to
 * the compute's Unix socket as the superuser `cloud_admin`.
 */
import type { PrincipalKind } from '../domain/principal.ts'
import type { RoleResources } from './role-resources.ts'

/** SCRAM-SHA-256 verifier of a password role (RFC 5803), as `pg_authid.rolpassword` holds it. */
export interface PasswordVerifier {
  readonly role: string
  readonly verifier: string
}

export interface LoginIdentity {
  readonly loginName: string
  readonly kind: PrincipalKind
}

/** What a narrowed credential may read. `undefined` tables: everything. */
export interface Narrowing {
  readonly permission: 'READ_ONLY'
  readonly tables: readonly string[] | undefined
}

export interface CopiedDatabase {
  readonly name: string
  /** Whether it lets sessions in. */
  readonly isOpen: boolean
}

/** A label of ours on a role or database; of both the names, since oids are a cluster's own. */
export interface LabelRow {
  readonly provider: string
  readonly label: string
  readonly name: string | null
  readonly owner: string | null
}

export interface ClusterToUpgrade {
  readonly databases: readonly CopiedDatabase[]
  readonly labels: readonly LabelRow[]
}

export interface Roles extends RoleResources {
  /**
   * Makes a fresh cluster ours (or an older one up to date): `databricks_superuser`, the owner role,
   * the ownership triggers in every database and both templates, the database `databricks_postgres`
   * that belongs to the owner role, and `postgres` usable too.
   */
  prepareCluster(socketDirectory: string): Promise<void>
  /**
   * Makes sure that the identity can log in and may run DDL on every object: LOGIN, CREATEDB,
   * CREATEROLE, BYPASSRLS, REPLICATION, member of `databricks_superuser` and of the owner role. One
   * connection and one round trip when nothing is to do.
   */
  ensureManager(socketDirectory: string, identity: LoginIdentity): Promise<void>
  /**
   * Takes away what `ensureManager` gave, for an identity that may no longer manage the project. Its
   * role stays, and can still do what was granted to it by SQL. No such role is success.
   */
  endManager(socketDirectory: string, loginName: string): Promise<void>
  /** Login names of the identities that are managers in there. */
  managers(socketDirectory: string): Promise<readonly string[]>
  /**
   * The role (SQL name) that a narrowed credential of this identity logs in as; made if missing. It
   * never reaches further than the identity's own role does, so that role must be there: call
   * `ensureManager` first for a manager.
   */
  ensureNarrowed(
    socketDirectory: string,
    identity: LoginIdentity,
    database: string,
    narrowing: Narrowing,
  ): Promise<string>
  /**
   * Gives databases that members made by SQL (they belong to their maker) to the owner role, and lets
   * every member administer the roles that one of them made. Part of `ensureManager` as well.
   */
  adoptDatabases(socketDirectory: string): Promise<void>
  /** Roles that log in with a password. */
  passwordVerifiers(socketDirectory: string): Promise<readonly PasswordVerifier[]>
  /**
   * Gives every password role a new random password that nobody knows, all in one transaction: for
   * the child of a protected branch, where the passwords of the parent must not open anything. A
   * member gives a role a password of his own by `ALTER ROLE … PASSWORD`. Roles of identities have
   * none. Answers how many it changed.
   */
  renewPasswords(socketDirectory: string): Promise<number>
  /** Whether the role exists and may log in as this kind of identity. */
  hasIdentityRole(socketDirectory: string, loginName: string): Promise<boolean>

  /**
   * What a dump of databases leaves out, from one cluster to a fresh one of a later major: roles, rights,
   * databases (still empty), labels. Answers which databases there are; those that let nobody in are
   * opened in both.
   */
  copyCluster(from: string, to: string): Promise<readonly CopiedDatabase[]>
  /** Extensions of a database that the other cluster does not know. */
  missingExtensions(from: string, to: string, database: string): Promise<readonly string[]>
  /** Makes them in the other cluster as their owners did. */
  copyExtensions(from: string, to: string, database: string): Promise<void>
  /** Opens databases that let nobody in, and reads what `pg_upgrade` leaves behind. */
  beginUpgrade(socketDirectory: string): Promise<ClusterToUpgrade>
  /** After it, in the later major: labels, later versions of extensions, and as `finishCopy`. */
  finishUpgrade(socketDirectory: string, cluster: ClusterToUpgrade): Promise<void>
  /** Counts rows for the planner, and closes the databases that were closed. */
  finishCopy(socketDirectory: string, databases: readonly CopiedDatabase[]): Promise<void>
}
