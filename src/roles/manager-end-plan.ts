/**
 * Takes from an identity what made it a manager; its role stays, and so does what it made (which
 * belongs to the owner role). A membership that another member granted by SQL is theirs to take, and
 * what the API gave to the role on purpose stays. A role that is no manager is left alone.
 */
import { labelJoin } from './resource-label.ts'
import { broadRole, ownerRole } from './role-names.ts'

/** Parameter: login name. */
export const managerEndPlan = `
WITH server AS (
  SELECT current_setting('server_version_num')::int >= 160000 AS has_grant_options
), me AS (
  SELECT a.*, grants.* FROM pg_authid a ${labelJoin('role', 'a.oid')},
    jsonb_to_record(coalesce(l.label::jsonb->'grants', '{}'))
      AS grants (superuser boolean, createdb boolean, createrole boolean, bypassrls boolean)
  WHERE a.rolname = $1::text AND NOT a.rolsuper
), held AS (
  SELECT g.rolname, m.admin_option, m.grantor
  FROM me JOIN pg_auth_members m ON m.member = me.oid JOIN pg_authid g ON g.oid = m.roleid
), was_manager AS (
  SELECT FROM held, server
  WHERE held.rolname = '${ownerRole}' AND (NOT has_grant_options OR held.grantor = 10)
), steps AS (
  SELECT 10 AS step, format('REVOKE %I FROM %I CASCADE', held.rolname, me.rolname) AS statement
  FROM me, held, server
  WHERE EXISTS (SELECT FROM was_manager)
    AND (NOT has_grant_options AND held.rolname IN ('${ownerRole}', '${broadRole}')
      OR has_grant_options AND held.grantor = 10
         AND (held.rolname IN ('${ownerRole}', '${broadRole}') OR held.admin_option))
    AND NOT (held.rolname = '${broadRole}' AND coalesce(me.superuser, false))
  UNION ALL
  SELECT 20, format('ALTER ROLE %I %s %s %s NOREPLICATION', rolname,
    CASE WHEN createdb THEN 'CREATEDB' ELSE 'NOCREATEDB' END,
    CASE WHEN createrole THEN 'CREATEROLE' ELSE 'NOCREATEROLE' END,
    CASE WHEN bypassrls THEN 'BYPASSRLS' ELSE 'NOBYPASSRLS' END)
  FROM me
  WHERE EXISTS (SELECT FROM was_manager)
    AND (rolreplication OR rolcreatedb IS DISTINCT FROM coalesce(createdb, false)
      OR rolcreaterole IS DISTINCT FROM coalesce(createrole, false)
      OR rolbypassrls IS DISTINCT FROM coalesce(bypassrls, false))
)
SELECT statement FROM steps ORDER BY step, statement`
