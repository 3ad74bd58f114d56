/**
 * What members make that no event trigger sees, because it is not inside one database: databases
 * belong to their maker, and from Postgres 16 on a role can be altered and dropped only by who made
 * it. Both become everybody's: databases get the owner role as owner, roles get it as administrator.
 */
import { ownerRole } from './role-names.ts'

/**
 * Rows of `statement`, as a common table expression body. A role that is itself a member is left
 * alone: it cannot be administered by a role that it is a member of.
 */
export const adoptionSteps = `
  SELECT 80 AS step, format('ALTER DATABASE %I OWNER TO %I', d.datname, '${ownerRole}') AS statement
  FROM pg_database d JOIN pg_authid r ON r.oid = d.datdba, pg_authid shared
  WHERE shared.rolname = '${ownerRole}' AND r.oid <> shared.oid AND NOT r.rolsuper
    AND pg_has_role(r.oid, shared.oid, 'MEMBER')
  UNION ALL
  SELECT DISTINCT 90, format('GRANT %I TO %I WITH ADMIN OPTION, INHERIT FALSE, SET FALSE',
                             made.rolname, '${ownerRole}')
  FROM pg_auth_members m
    JOIN pg_authid made ON made.oid = m.roleid
    JOIN pg_authid maker ON maker.oid = m.member,
    pg_authid shared
  WHERE current_setting('server_version_num')::int >= 160000
    AND shared.rolname = '${ownerRole}'
    AND m.grantor = 10 AND m.admin_option -- how Postgres records who made a role
    AND maker.oid <> shared.oid AND NOT maker.rolsuper AND NOT made.rolsuper
    AND made.oid <> shared.oid AND made.oid >= 16384
    AND pg_has_role(maker.oid, shared.oid, 'MEMBER')
    AND NOT pg_has_role(made.oid, shared.oid, 'MEMBER')
    AND NOT pg_has_role(shared.oid, made.oid, 'MEMBER')`

export const adoptionPlan = `SELECT statement FROM (${adoptionSteps}) steps ORDER BY step, statement`
