/**
 * Extensions of a database, made in its copy as their owners made them: a trusted one belongs to who created
 * it, which pg_dump does not tell, and its script grants to that owner.
 */
import type { AdminDoor } from './admin-session.ts'

interface Extension {
  readonly name: string
  readonly schema: string
  readonly owner: string
  readonly isOwnersSuper: boolean
}

const installed = `
SELECT e.extname AS name, n.nspname AS schema, r.rolname AS owner, r.rolsuper AS "isOwnersSuper"
FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace JOIN pg_authid r ON r.oid = e.extowner
WHERE e.extname <> 'plpgsql' ORDER BY e.oid`

/** Those that the new cluster does not know. */
export async function missingExtensions(
  door: AdminDoor,
  from: string,
  to: string,
  database: string,
): Promise<readonly string[]> {
  const used = await door.visit(from, (session) => session.rows<Extension>(installed), database)
  const known = await door.visit(to, (session) =>
    session.rows<{ name: string }>('SELECT name FROM pg_available_extensions'),
  )
  const names = new Set(known.map(({ name }) => name))
  return used.map(({ name }) => name).filter((name) => !names.has(name))
}

/** After the schemas are there, before anything that uses them. */
export async function copyExtensions(
  door: AdminDoor,
  from: string,
  to: string,
  database: string,
): Promise<void> {
  const used = await door.visit(from, (session) => session.rows<Extension>(installed), database)
  await door.visit(
    to,
    async (session) => {
      for (const { name, schema, owner, isOwnersSuper } of used) {
        const [row] = await session.rows<{ create: string; become: string; there: boolean }>(
          `SELECT format('CREATE EXTENSION IF NOT EXISTS %I%s', $1::text,
                    CASE WHEN EXISTS (SELECT FROM pg_namespace WHERE nspname = $2)
                      THEN format(' SCHEMA %I', $2::text) ELSE '' END) AS create,
                  format('SET SESSION AUTHORIZATION %I', $3::text) AS become`,
          [name, schema, owner],
        )
        if (row === undefined) continue
        if (!isOwnersSuper) await session.run(row.become)
        try {
          await session.run(row.create)
        } catch (error) {
          if (isOwnersSuper) throw error
          await session.run('RESET SESSION AUTHORIZATION')
          await session.run(row.create) // not one that everybody may create any more
        }
        await session.run('RESET SESSION AUTHORIZATION')
      }
    },
    database,
  )
}
