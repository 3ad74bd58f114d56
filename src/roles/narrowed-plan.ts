/**
 * What still has to be done so that a narrowed role can read what it should and do nothing else. The
 * role never reaches further than the identity's own role, and is brought back to exactly this
 * whenever its credential logs in.
 */
import { narrowedMarker } from './role-names.ts'

/**
 * Parameters: narrowed role, login name, schemas and tables (two parallel arrays; null: everything).
 * Who may read everything does it through pg_read_all_data, so that tables of tomorrow are included;
 * for anybody else "everything" is what the identity may read at this login.
 */
export const narrowedPlan = `
WITH server AS (
  SELECT current_setting('server_version_num')::int >= 160000 AS has_grant_options
), me AS (
  SELECT a.* FROM (SELECT 1) one LEFT JOIN pg_authid a ON a.rolname = $1::text
), identity AS (
  SELECT oid, pg_has_role(oid, 'pg_read_all_data', 'USAGE') AS reads_all
  FROM pg_authid WHERE rolname = $2::text
), wanted AS (
  SELECT '${narrowedMarker}' AS role, false AS inherits
  UNION ALL
  SELECT 'pg_read_all_data', true FROM identity WHERE reads_all AND $3::text[] IS NULL
), readable AS (
  SELECT c.oid, c.relname, n.oid AS schema, n.nspname
  FROM identity, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relpersistence <> 't'
    AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
    AND CASE WHEN $3::text[] IS NULL THEN NOT identity.reads_all
             ELSE (n.nspname::text, c.relname::text) IN (SELECT s, t FROM unnest($3::text[], $4::text[]) w (s, t)) END
    AND has_schema_privilege(identity.oid, n.oid, 'USAGE')
    AND has_table_privilege(identity.oid, c.oid, 'SELECT')
), steps AS (
  SELECT 10 AS step, format('CREATE ROLE %I LOGIN INHERIT', $1::text) AS statement
  FROM me WHERE oid IS NULL
  UNION ALL
  SELECT 11, format('ALTER ROLE %I LOGIN INHERIT NOCREATEDB NOCREATEROLE NOBYPASSRLS NOREPLICATION '
                    'PASSWORD NULL', rolname)
  FROM me
  WHERE rolcreatedb OR rolcreaterole OR rolbypassrls OR rolreplication OR rolpassword IS NOT NULL
     OR NOT rolcanlogin OR NOT rolinherit
  UNION ALL
  -- A courtesy that turns surprises into clear errors; the privileges are what holds.
  SELECT 12, format('ALTER ROLE %I SET default_transaction_read_only = on', $1::text)
  FROM me
  WHERE NOT EXISTS (SELECT FROM pg_db_role_setting s
                    WHERE s.setrole = me.oid AND s.setdatabase = 0
                      AND 'default_transaction_read_only=on' = ANY (s.setconfig))
  UNION ALL
  SELECT DISTINCT 20, format('REVOKE %I FROM %I', g.rolname, me.rolname) || CASE
    WHEN has_grant_options THEN format(' GRANTED BY %I CASCADE', grantor.rolname) ELSE ' CASCADE' END
  FROM server, me JOIN pg_auth_members m ON m.member = me.oid
    JOIN pg_authid g ON g.oid = m.roleid LEFT JOIN pg_authid grantor ON grantor.oid = m.grantor
  WHERE g.rolname NOT IN (SELECT role FROM wanted)
  UNION ALL
  SELECT 21, format('GRANT %I TO %I', w.role, $1::text) || CASE
    WHEN NOT has_grant_options THEN ''
    WHEN w.inherits THEN ' WITH INHERIT TRUE, SET FALSE'
    ELSE ' WITH INHERIT FALSE, SET FALSE' END
  FROM server, wanted w
  WHERE NOT EXISTS (SELECT FROM me JOIN pg_auth_members m ON m.member = me.oid
                      JOIN pg_authid g ON g.oid = m.roleid WHERE g.rolname = w.role)
  UNION ALL
  SELECT 30, format('REVOKE ALL ON TABLE %I.%I FROM %I CASCADE', n.nspname, c.relname, me.rolname)
  FROM me JOIN pg_shdepend s
      ON s.refclassid = 'pg_authid'::regclass AND s.refobjid = me.oid AND s.deptype = 'a'
     AND s.classid = 'pg_class'::regclass AND s.objsubid = 0
     AND s.dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    JOIN pg_class c ON c.oid = s.objid JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.oid NOT IN (SELECT oid FROM readable)
  UNION ALL
  SELECT DISTINCT 40, format('GRANT USAGE ON SCHEMA %I TO %I', readable.nspname, $1::text)
  FROM readable, me
  WHERE NOT coalesce(has_schema_privilege(me.oid, readable.schema, 'USAGE'), false)
  UNION ALL
  SELECT 41, format('GRANT SELECT ON TABLE %I.%I TO %I', readable.nspname, readable.relname, $1::text)
  FROM readable, me
  WHERE NOT coalesce(has_table_privilege(me.oid, readable.oid, 'SELECT'), false)
)
SELECT statement FROM steps ORDER BY step, statement`
