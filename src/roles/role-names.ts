/**
 * The roles that are ours in every branch, and which login names an identity may have. They live in
 * Postgres's shared catalogs, so a fork, a restore and a reset carry them along.
 */
import { Fault } from '../domain/faults.ts'
import { printable } from '../domain/names.ts'
import type { PrincipalKind } from '../domain/principal.ts'
import { roleNameProblem } from '../domain/sql-name.ts'

/** The one true superuser. */
export const superuser = 'cloud_admin'
/** Reads and writes everything; owns nothing (the contract's role). */
export const broadRole = 'databricks_superuser'
/** Owns what managers create, in every database of the branch; nobody logs in as it. */
export const ownerRole = 'databricks_owner'

/**
 * Membership in a marker says who proves itself by token and as what. It grants nothing: markers own
 * nothing, have no privileges, and (from Postgres 16 on) are neither inherited nor assumable.
 */
export const markers = {
  USER: 'databricks_identity_user',
  SERVICE_PRINCIPAL: 'databricks_identity_service_principal',
  GROUP: 'databricks_identity_group',
} as const satisfies Record<PrincipalKind, string>
/** Marks the roles of narrowed credentials. */
export const narrowedMarker = 'databricks_identity_narrowed'

/** Where `cloud_admin` works: the only database besides the templates that no member can drop. */
export const adminDatabase = 'postgres'

/** Every role that is ours alone: none of them is a resource. */
export const serviceRoles: readonly string[] = [
  superuser,
  broadRole,
  ownerRole,
  narrowedMarker,
  ...Object.values(markers),
]

/** Advisory lock of every change that this room makes: "lakelet" in ASCII. */
export const lockKey = '30506411375748468'

/** Refuses names that are, or could become, somebody else's role. */
export function checkLoginName(name: string): void {
  const problem = roleNameProblem(name)
  if (problem !== undefined) {
    throw new Fault('FIELD_INVALID', {
      field: 'login_name',
      problem: `'${printable(name)}': ${problem}`,
    })
  }
}
