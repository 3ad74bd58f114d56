/**
 * Makes a fresh cluster ours, and brings an older one up to date: our roles, the ownership triggers
 * in every database and in both templates, and the database that clients expect.
 */
import { defaultDatabase } from '../domain/branch.ts'
import { type AdminDoor, type AdminSession, settle } from './admin-session.ts'
import { triggerPlan, triggerPlanValues } from './ownership-trigger.ts'
import {
  adminDatabase,
  broadRole,
  lockKey,
  markers,
  narrowedMarker,
  ownerRole,
} from './role-names.ts'

const ours = [
  [ownerRole, 'NOLOGIN BYPASSRLS'],
  [broadRole, 'NOLOGIN CREATEDB CREATEROLE BYPASSRLS'],
  ...[...Object.values(markers), narrowedMarker].map((name) => [name, 'NOLOGIN']),
]
const broad = ['pg_read_all_data', 'pg_write_all_data', 'pg_monitor']

/**
 * The owner role is a member of the broad role, because views and SECURITY DEFINER functions of
 * members run as the owner role and must reach what their makers reach. The predefined roles come
 * with ADMIN OPTION, so that members can pass on what they have.
 */
const rolesPlan = `
WITH server AS (
  SELECT current_setting('server_version_num')::int >= 160000 AS has_grant_options
), wanted (role, attributes) AS (
  VALUES ${ours.map(([name, attributes]) => `('${name}', '${attributes}')`).join(', ')}
), member_of (step, role, member, admin) AS (
  VALUES (30, '${broadRole}', '${ownerRole}', false),
         ${broad.map((name) => `(31, '${name}', '${broadRole}', true)`).join(', ')}
), steps AS (
  SELECT 10 AS step, format('CREATE ROLE %I %s', role, attributes) AS statement
  FROM wanted WHERE NOT EXISTS (SELECT FROM pg_authid WHERE rolname = role)
  UNION ALL
  SELECT step, format('GRANT %I TO %I', role, member) || CASE WHEN admin THEN ' WITH ADMIN OPTION' ELSE '' END
  FROM member_of w
  WHERE NOT EXISTS (
    SELECT FROM pg_auth_members m
      JOIN pg_authid g ON g.oid = m.roleid AND g.rolname = w.role
      JOIN pg_authid h ON h.oid = m.member AND h.rolname = w.member
    WHERE m.admin_option OR NOT w.admin)
  UNION ALL
  -- Up to Postgres 15 CREATEROLE may grant any role that is not superuser, and these three reach the
  -- machine: as superusers without login they can be granted by the superuser alone.
  SELECT 40, 'UPDATE pg_authid SET rolsuper = true WHERE rolname IN '
    '(''pg_execute_server_program'', ''pg_read_server_files'', ''pg_write_server_files'') AND NOT rolsuper'
  FROM server
  WHERE NOT has_grant_options
    AND NOT (SELECT rolsuper FROM pg_authid WHERE rolname = 'pg_execute_server_program')
  UNION ALL
  -- A session that lingers in template1 keeps everybody from CREATE DATABASE.
  SELECT 50, format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', datname)
  FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a
  WHERE datname = 'template1' AND a.grantee = 0 AND a.privilege_type = 'CONNECT'
)
SELECT statement FROM steps ORDER BY step, statement`

/**
 * The admin database stays the superuser's, so that nobody drops it, but is usable like any other.
 * The default database belongs to the owner role already; the contract's role may pass on rights.
 */
const databasePlan = `
SELECT format('GRANT ALL ON DATABASE %I TO %I WITH GRANT OPTION', d.datname, r.rolname) AS statement
FROM pg_database d, pg_authid r
WHERE (d.datname, r.rolname) IN (('${adminDatabase}', '${ownerRole}'),
                                 ('${adminDatabase}', '${broadRole}'),
                                 ('${defaultDatabase}', '${broadRole}'))
  AND NOT EXISTS (SELECT FROM aclexplode(d.datacl) a
                  WHERE a.grantee = r.oid AND a.privilege_type = 'CREATE' AND a.is_grantable)
ORDER BY 1`

const publicPlan = `
SELECT 'ALTER SCHEMA public OWNER TO ${ownerRole}' AS statement
FROM pg_namespace WHERE nspname = 'public' AND nspowner = 'pg_database_owner'::regrole`

const resetPlan = `
SELECT format('GRANT EXECUTE ON FUNCTION %s TO ${broadRole}', p.oid::regprocedure) AS statement
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid
  JOIN pg_extension e ON e.oid = d.refobjid AND d.deptype = 'e' AND e.extname = 'pg_stat_statements'
WHERE p.proname = 'pg_stat_statements_reset'
  AND NOT has_function_privilege('${broadRole}', p.oid, 'EXECUTE')`

export async function prepareCluster(door: AdminDoor, socketDirectory: string): Promise<void> {
  await door.visit(socketDirectory, async (session) => {
    // Held by the session: CREATE DATABASE cannot run inside a transaction.
    await session.rows('SELECT pg_advisory_lock($1::bigint)', [lockKey])
    for (const { statement } of await session.rows<{ statement: string }>(rolesPlan)) {
      await session.run(statement)
    }
    await settle(session, publicPlan)

    const databases = await session.rows<{ name: string }>(
      `SELECT datname AS name FROM pg_database
       WHERE datallowconn OR datname = 'template0' ORDER BY datname`,
    )
    for (const { name } of databases) {
      const prepare = () =>
        name === adminDatabase
          ? prepareDatabase(session) // a second session would wait for our own lock
          : door.visit(socketDirectory, prepareDatabase, name)
      await (name === 'template0' ? whileOpen(session, prepare) : prepare())
    }

    // After the templates, whose triggers it inherits.
    if (!databases.some(({ name }) => name === defaultDatabase)) {
      await session.run(`CREATE DATABASE ${defaultDatabase} OWNER ${ownerRole}`)
    }
    await settle(session, databasePlan)
  })
}

async function prepareDatabase(session: AdminSession): Promise<void> {
  await settle(session, triggerPlan, triggerPlanValues)
  await settle(session, resetPlan)
}

/** `pg_dump --create` and `createdb -T template0` copy template0, which lets nobody in otherwise. */
async function whileOpen(session: AdminSession, work: () => Promise<void>): Promise<void> {
  await session.run('ALTER DATABASE template0 ALLOW_CONNECTIONS true')
  try {
    await work()
  } finally {
    await session.run('ALTER DATABASE template0 ALLOW_CONNECTIONS false')
  }
}
