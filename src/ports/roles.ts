/**
 * Roles, ownership and grants inside a running Postgres. Everything here is idempotent and speaks to
 * the compute's Unix socket as the superuser `cloud_admin`.
 */
import type { IdentityKind } from '../domain/identity.ts'

/** SCRAM-SHA-256 verifier of a password role (RFC 5803), as `pg_authid.rolpassword` holds it. */
export interface PasswordVerifier {
  readonly role: string
  readonly verifier: string
}

export interface LoginIdentity {
  readonly loginName: string
  readonly kind: IdentityKind
}

/** What a narrowed credential may read. `undefined` tables: everything. */
export interface Narrowing {
  readonly permission: 'READ_ONLY'
  readonly tables: readonly string[] | undefined
}

export interface Roles {
  /**
   * Makes a fresh cluster ours: `databricks_superuser`, the ownership trigger in `template1`, the
   * database `databricks_postgres` with its owner role, and `postgres` reachable too.
   */
  prepareCluster(socketDirectory: string): Promise<void>
  /**
   * Makes sure that the identity can log in and may run DDL on every object: LOGIN, CREATEDB,
   * CREATEROLE, BYPASSRLS, REPLICATION, member of `databricks_superuser` and of every owner role.
   */
  ensureManager(socketDirectory: string, identity: LoginIdentity): Promise<void>
  /** The role (SQL name) that a narrowed credential of this identity logs in as; made if missing. */
  ensureNarrowed(
    socketDirectory: string,
    identity: LoginIdentity,
    database: string,
    narrowing: Narrowing,
  ): Promise<string>
  /** Gives databases that SQL made (they belong to their maker) to an owner role of their own. */
  adoptDatabases(socketDirectory: string): Promise<void>
  /** Roles that log in with a password. */
  passwordVerifiers(socketDirectory: string): Promise<readonly PasswordVerifier[]>
  /** Whether the role exists and may log in as this kind of identity. */
  hasIdentityRole(socketDirectory: string, loginName: string): Promise<boolean>
}
