/**
 * What still has to be done so that an identity is a manager of this branch: logs in, and owns by
 * membership whatever any member made. One query, because it stands in the way of every login.
 */
import { adoptionSteps } from './adoption-plan.ts'
import { broadRole, ownerRole } from './role-names.ts'

/**
 * Parameters: login name, marker. When a role of that name is there already but is no manager, then
 * somebody made it by SQL and may know its password or be able to `SET ROLE` to it; before it is
 * raised to manager, both are taken away.
 */
export const managerPlan = `
WITH me AS (
  SELECT a.* FROM (SELECT 1) one LEFT JOIN pg_authid a ON a.rolname = $1::text
), server AS (
  SELECT current_setting('server_version_num')::int >= 160000 AS has_grant_options
), wanted (step, role, inherits) AS (
  VALUES (50, '${broadRole}', true), (51, '${ownerRole}', true), (52, $2::text, false)
), held AS (
  SELECT g.rolname, to_jsonb(m) AS grant_
  FROM pg_auth_members m JOIN pg_authid g ON g.oid = m.roleid
  WHERE m.member = (SELECT oid FROM me)
), raised AS (
  SELECT (SELECT oid FROM me) IS NOT NULL
    AND NOT EXISTS (SELECT FROM held WHERE rolname = '${ownerRole}') AS now
), steps AS (
  SELECT 10 AS step, format('CREATE ROLE %I LOGIN INHERIT CREATEDB CREATEROLE BYPASSRLS REPLICATION',
                            $1::text) AS statement
  FROM me WHERE oid IS NULL
  UNION ALL
  SELECT 20, format('ALTER ROLE %I LOGIN INHERIT CREATEDB CREATEROLE BYPASSRLS REPLICATION', rolname)
  FROM me
  WHERE NOT (rolcanlogin AND rolinherit AND rolcreatedb AND rolcreaterole AND rolbypassrls
             AND rolreplication)
  UNION ALL
  SELECT 30, format('ALTER ROLE %I PASSWORD NULL', rolname)
  FROM me, raised WHERE raised.now AND rolpassword IS NOT NULL
  UNION ALL
  SELECT DISTINCT 40, CASE WHEN has_grant_options
    THEN format('REVOKE %I FROM %I GRANTED BY %I CASCADE', me.rolname, holder.rolname, grantor.rolname)
    ELSE format('REVOKE %I FROM %I CASCADE', me.rolname, holder.rolname) END
  FROM me, raised, server, pg_auth_members m
    JOIN pg_authid holder ON holder.oid = m.member
    LEFT JOIN pg_authid grantor ON grantor.oid = m.grantor
  WHERE raised.now AND m.roleid = me.oid
  UNION ALL
  SELECT w.step, format('GRANT %I TO %I', w.role, $1::text) || CASE
    WHEN NOT has_grant_options THEN ''
    WHEN w.inherits THEN ' WITH INHERIT TRUE, SET TRUE'
    ELSE ' WITH INHERIT FALSE, SET FALSE' END
  FROM wanted w, server
  WHERE NOT EXISTS (
    SELECT FROM held h
    WHERE h.rolname = w.role
      AND (NOT w.inherits OR NOT has_grant_options
           OR ((h.grant_->>'inherit_option')::boolean AND (h.grant_->>'set_option')::boolean)))
  UNION ALL
  ${adoptionSteps}
)
SELECT statement FROM steps ORDER BY step, statement`
