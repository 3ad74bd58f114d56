/**
 * The roles that are ours in every branch, and which login names an identity may have. They live in
 * Postgres's shared catalogs, so a fork, a restore and a reset carry them along.
 */
import { Fault } from '../domain/faults.ts'
import type { IdentityKind } from '../domain/identity.ts'
import { printable } from '../domain/names.ts'

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
} as const satisfies Record<IdentityKind | 'GROUP', string>
/** Marks the roles of narrowed credentials. */
export const narrowedMarker = 'databricks_identity_narrowed'

/** Where `cloud_admin` works: the only database besides the templates that no member can drop. */
export const adminDatabase = 'postgres'

/** Advisory lock of every change that this room makes: "lakelet" in ASCII. */
export const lockKey = '30506411375748468'

const RESERVED = /^(pg_|databricks_)|^(cloud_admin|public|none|postgres)$/i

/** Postgres truncates longer names silently, and two identities could then be one role. */
const longestName = 63

/** Refuses names that are, or could become, somebody else's role. */
export function checkLoginName(name: string): void {
  const problem =
    name === ''
      ? 'it is empty'
      : Buffer.byteLength(name) > longestName
        ? `Postgres role names have at most ${longestName} bytes`
        : name.includes('\0')
          ? 'it holds a NUL byte'
          : RESERVED.test(name)
            ? 'the name is reserved'
            : undefined
  if (problem !== undefined) {
    throw new Fault('FIELD_INVALID', {
      field: 'login_name',
      problem: `'${printable(name)}': ${problem}`,
    })
  }
}
