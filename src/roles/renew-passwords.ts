/** New passwords for the password roles of a branch that came from a protected one. */
import type { AdminDoor } from './admin-session.ts'
import { randomVerifier } from './random-verifier.ts'
import { markers, narrowedMarker } from './role-names.ts'

/**
 * Roles without LOGIN too: given LOGIN later, the old password would open them. Identities prove
 * themselves by token and never by a password, whatever was set.
 */
const passwordRoles = `
SELECT a.rolname AS role FROM pg_authid a
WHERE a.rolpassword IS NOT NULL AND NOT a.rolsuper
  AND NOT EXISTS (SELECT FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid
                  WHERE m.member = a.oid AND g.rolname = ANY ($1::text[]))
ORDER BY a.rolname`

const statements = `
SELECT format('ALTER ROLE %I PASSWORD %L', r, v) AS statement
FROM unnest($1::text[], $2::text[]) w (r, v)`

/** Whatever the endpoint's owner made Postgres log, these statements stay out of it. */
export const silence = [
  "SET LOCAL log_statement = 'none'",
  'SET LOCAL log_min_duration_statement = -1',
  'SET LOCAL log_min_duration_sample = -1',
  'SET LOCAL log_transaction_sample_rate = 0',
  "SET LOCAL log_min_error_statement = 'panic'",
]

export const renewPasswords = (door: AdminDoor, socketDirectory: string): Promise<number> =>
  door.visit(socketDirectory, async (session) =>
    session.alone(async () => {
      const found = await session.rows<{ role: string }>(passwordRoles, [
        [...Object.values(markers), narrowedMarker],
      ])
      if (found.length === 0) return 0
      for (const setting of silence) await session.run(setting)
      const verifiers = await Promise.all(found.map(randomVerifier))
      const steps = await session.rows<{ statement: string }>(statements, [
        found.map(({ role }) => role),
        verifiers,
      ])
      for (const { statement } of steps) await session.run(statement)
      return found.length
    }),
  )
