/**
 * The extension `databricks_auth`: `databricks_create_role('name', 'USER')` makes the role of an
 * identity by SQL, as scripts written for Lakebase do. Its two files go to `share/extension` of a
 * Postgres installation. Trusted, so that a member can create it; its function is the superuser's.
 */
import { markers, ownerRole } from './role-names.ts'

const control = `comment = 'roles of identities that log in with a token'
default_version = '1.0'
relocatable = false
superuser = true
trusted = true
`

const markerOf = Object.entries(markers)
  .map(([kind, marker]) => `    WHEN '${kind}' THEN '${marker}'`)
  .join('\n')

/**
 * Who calls? Inside SECURITY DEFINER `current_user` is the superuser, so it is the role that was set,
 * or else the one that logged in; neither can be forged. The new role has no right of any kind but to
 * log in: not even REPLICATION, which on stock Postgres would let it copy every byte of the branch.
 */
const script = `\\echo Use "CREATE EXTENSION databricks_auth" to load this file. \\quit

CREATE FUNCTION databricks_create_role(identity_name text, identity_type text)
RETURNS text LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $body$
DECLARE
  caller name := CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END;
  marker text := CASE upper(identity_type)
${markerOf}
  END;
  has_grant_options boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = caller AND (r.rolcreaterole OR r.rolsuper)) THEN
    RAISE insufficient_privilege USING
      MESSAGE = 'permission denied to create role',
      DETAIL = 'Only roles with the CREATEROLE attribute may create roles.';
  END IF;
  IF marker IS NULL THEN
    RAISE invalid_parameter_value USING
      MESSAGE = format('invalid identity type "%s"', identity_type),
      HINT = 'Use USER, SERVICE_PRINCIPAL or GROUP.';
  END IF;
  IF identity_name = '' OR octet_length(identity_name) > 63 THEN
    RAISE name_too_long USING
      MESSAGE = format('identity name "%s" must have 1 to 63 bytes', identity_name);
  END IF;
  IF identity_name ~* '^(pg_|databricks_)' OR lower(identity_name) IN ('cloud_admin', 'public', 'none', 'postgres') THEN
    RAISE reserved_name USING MESSAGE = format('role name "%s" is reserved', identity_name);
  END IF;

  EXECUTE format('CREATE ROLE %I LOGIN', identity_name);
  EXECUTE format('GRANT %I TO %I', marker, identity_name)
    || CASE WHEN has_grant_options THEN ' WITH INHERIT FALSE, SET FALSE' ELSE '' END;
  IF has_grant_options THEN
    -- So that members, and whoever asked for it, can alter and drop the role again.
    EXECUTE format('GRANT %I TO %I WITH ADMIN OPTION, INHERIT FALSE, SET FALSE', identity_name, '${ownerRole}');
    IF NOT pg_has_role(caller, '${ownerRole}', 'MEMBER') THEN
      EXECUTE format('GRANT %I TO %I WITH ADMIN OPTION, INHERIT FALSE, SET FALSE', identity_name, caller);
    END IF;
  END IF;
  RETURN identity_name;
END
$body$;

COMMENT ON FUNCTION databricks_create_role(text, text) IS
  'Makes the role of an identity: USER, SERVICE_PRINCIPAL or GROUP';
`

export const databricksAuthFiles: readonly { readonly name: string; readonly contents: string }[] =
  [
    { name: 'databricks_auth.control', contents: control },
    { name: 'databricks_auth--1.0.sql', contents: script },
  ]
