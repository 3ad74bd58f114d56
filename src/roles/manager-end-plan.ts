/**
 * Takes from an identity what made it a manager; its role stays, and so does what it made (which
 * belongs to the owner role). A membership that another member granted by SQL is theirs to take.
 */
import { broadRole, ownerRole } from './role-names.ts'

/** Parameter: login name. */
export const managerEndPlan = `
WITH server AS (
  SELECT current_setting('server_version_num')::int >= 160000 AS has_grant_options
), me AS (
  SELECT * FROM pg_authid WHERE rolname = $1::text AND NOT rolsuper
), held AS (
  SELECT g.rolname, m.admin_option, m.grantor
  FROM me JOIN pg_auth_members m ON m.member = me.oid JOIN pg_authid g ON g.oid = m.roleid
), steps AS (
  SELECT 10 AS step, format('REVOKE %I FROM %I CASCADE', held.rolname, me.rolname) AS statement
  FROM me, held, server
  WHERE NOT has_grant_options AND held.rolname IN ('${ownerRole}', '${broadRole}')
     OR has_grant_options AND held.grantor = 10
        AND (held.rolname IN ('${ownerRole}', '${broadRole}') OR held.admin_option)
  UNION ALL
  SELECT 20, format('ALTER ROLE %I NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION', rolname)
  FROM me WHERE rolcreatedb OR rolcreaterole OR rolbypassrls OR rolreplication
)
SELECT statement FROM steps ORDER BY step, statement`
