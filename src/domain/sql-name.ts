/**
 * Names of roles and databases inside Postgres, as the API takes them. Anything that Postgres can
 * hold without cutting it, but for what is ours or would be mistaken for it.
 */

/** Postgres truncates longer names silently, and two of them could then be one. */
const longestName = 63

const RESERVED_ROLE = /^(pg_|databricks_)|^(cloud_admin|public|none|postgres)$/i
/** Databases that are there but no resources, and the names of those being made. */
const RESERVED_DATABASE = /^(postgres|template0|template1)$|^lakelet-draft-/

/** What is wrong with the name of a role; `undefined`: nothing. */
export const roleNameProblem = (name: string): string | undefined =>
  nameProblem('role', name) ?? (RESERVED_ROLE.test(name) ? 'the name is reserved' : undefined)

/** What is wrong with the name of a database; `undefined`: nothing. */
export const databaseNameProblem = (name: string): string | undefined =>
  nameProblem('database', name) ??
  (RESERVED_DATABASE.test(name) ? 'the name is reserved' : undefined)

function nameProblem(kind: 'role' | 'database', name: string): string | undefined {
  if (name === '') return 'it is empty'
  if (Buffer.byteLength(name) > longestName) {
    return `Postgres ${kind} names have at most ${longestName} bytes`
  }
  if (name.includes('\0')) return 'it holds a NUL byte'
  // Postgres would take them; pg_dump refuses such databases, and a log line could be forged.
  return /[\u0001-\u001f\u007f]/.test(name) ? 'it holds a control character' : undefined
}

export const draftDatabase = (operation: string): string => `lakelet-draft-${operation}`
