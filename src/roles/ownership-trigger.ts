/**
 * Shared ownership: what a member creates belongs to the owner role when its statement ends, while
 * `current_user` stays the member's own name, so that any member may alter or drop it through any
 * tool, here and on a fork (docs/adr/2026-11-23-shared-ownership.md).
 *
 * The function and both event triggers are kept out of sight: the function is in pg_catalog, so that
 * every schema of the user's stays empty, and all three are members of the plpgsql extension, which
 * initdb made and which pg_dump therefore leaves out together with its members.
 */
import { lockKey, ownerRole } from './role-names.ts'

/** Tags of what has an owner and can be created by somebody who is not superuser. */
const tags = [
  'CREATE AGGREGATE',
  'CREATE COLLATION',
  'CREATE CONVERSION',
  'CREATE DOMAIN',
  'CREATE EXTENSION',
  'CREATE FOREIGN TABLE',
  'CREATE FUNCTION',
  'CREATE MATERIALIZED VIEW',
  'CREATE OPERATOR',
  'CREATE PROCEDURE',
  'CREATE PUBLICATION',
  'CREATE SCHEMA',
  'CREATE SEQUENCE',
  'CREATE SERVER',
  'CREATE STATISTICS',
  'CREATE TABLE',
  'CREATE TABLE AS',
  'CREATE TEXT SEARCH CONFIGURATION',
  'CREATE TEXT SEARCH DICTIONARY',
  'CREATE TYPE',
  'CREATE VIEW',
  'IMPORT FOREIGN SCHEMA',
  'SELECT INTO',
] as const

/**
 * Who made an object is read from pg_shdepend, which has one owner row for each object that has an
 * owner of its own, and none for the superuser's, for indexes, row types and array types. So one
 * query finds exactly what may change hands: made by this very statement, by a member.
 *
 * SECURITY DEFINER and owned by the superuser: names in the body resolve in pg_catalog alone, and
 * identities come quoted and qualified from Postgres itself.
 */
const body = `
DECLARE
  shared CONSTANT oid := (SELECT r.oid FROM pg_authid r WHERE r.rolname = '${ownerRole}');
  here CONSTANT oid := (SELECT d.oid FROM pg_database d WHERE d.datname = current_database());
  made record;
BEGIN
  IF shared IS NULL THEN
    RETURN;
  END IF;

  IF tg_event = 'ddl_command_start' THEN
    -- A database that SQL made belongs to its maker; without this, the first statement of another
    -- member would be refused for schema public.
    IF EXISTS (SELECT FROM pg_database d JOIN pg_authid r ON r.oid = d.datdba
               WHERE d.oid = here AND r.oid <> shared AND NOT r.rolsuper
                 AND pg_has_role(r.oid, shared, 'MEMBER')
                 AND pg_has_role(session_user, shared, 'MEMBER')) THEN
      PERFORM pg_advisory_xact_lock(${lockKey});
      EXECUTE format('ALTER DATABASE %I OWNER TO %I', current_database(), '${ownerRole}');
    END IF;
    RETURN;
  END IF;

  FOR made IN
    SELECT DISTINCT c.classid, c.objid, c.object_identity,
      CASE c.classid
        WHEN 'pg_class'::regclass THEN 'TABLE'
        WHEN 'pg_proc'::regclass THEN 'ROUTINE'
        WHEN 'pg_type'::regclass THEN 'TYPE'
        WHEN 'pg_namespace'::regclass THEN 'SCHEMA'
        WHEN 'pg_operator'::regclass THEN 'OPERATOR'
        WHEN 'pg_collation'::regclass THEN 'COLLATION'
        WHEN 'pg_conversion'::regclass THEN 'CONVERSION'
        WHEN 'pg_statistic_ext'::regclass THEN 'STATISTICS'
        WHEN 'pg_ts_dict'::regclass THEN 'TEXT SEARCH DICTIONARY'
        WHEN 'pg_ts_config'::regclass THEN 'TEXT SEARCH CONFIGURATION'
        WHEN 'pg_foreign_server'::regclass THEN 'SERVER'
        WHEN 'pg_publication'::regclass THEN 'PUBLICATION'
        WHEN 'pg_extension'::regclass THEN 'EXTENSION'
      END AS kind
    FROM pg_event_trigger_ddl_commands() c
      JOIN pg_shdepend s
        ON s.dbid = here AND s.classid = c.classid AND s.objid = c.objid AND s.objsubid = 0
       AND s.refclassid = 'pg_authid'::regclass AND s.deptype = 'o'
      JOIN pg_authid maker ON maker.oid = s.refobjid
    WHERE (starts_with(c.command_tag, 'CREATE ') OR c.command_tag = 'SELECT INTO')
      AND NOT c.in_extension
      AND c.schema_name IS DISTINCT FROM 'pg_temp'
      AND maker.oid <> shared AND NOT maker.rolsuper
      AND pg_has_role(maker.oid, shared, 'MEMBER')
      -- A sequence that is linked to a column follows its table.
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = c.objid
                        AND c.classid = 'pg_class'::regclass
                        AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0
                        AND d.deptype IN ('a', 'i')
                        AND c.object_type = 'sequence')
  LOOP
    IF made.kind = 'EXTENSION' THEN
      -- There is no ALTER EXTENSION … OWNER TO. These are the two rows that REASSIGN OWNED changes,
      -- which would give away everything else of the maker's too.
      UPDATE pg_extension SET extowner = shared WHERE oid = made.objid;
      UPDATE pg_shdepend SET refobjid = shared
      WHERE dbid = here AND classid = made.classid AND objid = made.objid AND objsubid = 0
        AND refclassid = 'pg_authid'::regclass AND deptype = 'o';
    ELSIF made.kind IS NOT NULL THEN
      EXECUTE format('ALTER %s %s OWNER TO %I', made.kind, made.object_identity, '${ownerRole}');
    END IF;
    IF made.kind = 'TYPE' THEN
      -- Up to Postgres 16 the multirange type of a range does not follow it by itself.
      FOR made IN
        SELECT i.identity FROM pg_range g JOIN pg_type m ON m.oid = g.rngmultitypid,
          pg_identify_object('pg_type'::regclass, m.oid, 0) i
        WHERE g.rngtypid = made.objid AND m.typowner <> shared
      LOOP
        EXECUTE format('ALTER TYPE %s OWNER TO %I', made.identity, '${ownerRole}');
      END LOOP;
    END IF;
  END LOOP;
END`

const functionName = 'lakelet_share_ownership'
const triggers = [
  { name: 'lakelet_adopt_database', event: 'ddl_command_start' },
  { name: 'lakelet_share_ownership', event: 'ddl_command_end' },
] as const

const tagList = tags.map((tag) => `'${tag}'`).join(', ')

/**
 * Needs a superuser in the database; leaves alone what is there in this very form. The function is
 * replaced when its body changed; other tags need a trigger of another name.
 */
export const triggerPlan = `
WITH found AS (
  SELECT p.oid, p.prosrc FROM pg_proc p
  WHERE p.proname = '${functionName}' AND p.pronamespace = 'pg_catalog'::regnamespace
), steps AS (
  SELECT 10 AS step, format(
    'CREATE OR REPLACE FUNCTION pg_catalog.${functionName}() RETURNS event_trigger '
    'LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS %L', $1::text
  ) AS statement
  WHERE NOT EXISTS (SELECT FROM found WHERE prosrc = $1::text)
  UNION ALL
  SELECT 20, 'ALTER EXTENSION plpgsql ADD FUNCTION pg_catalog.${functionName}()'
  WHERE NOT EXISTS (SELECT FROM found JOIN pg_depend d ON d.objid = found.oid
                    WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e')
  UNION ALL
  SELECT 30 + t.n, format(t.template, t.name, t.event)
  FROM (VALUES
${triggers
  .flatMap(({ name, event }) =>
    [
      `CREATE EVENT TRIGGER %I ON %s WHEN TAG IN (${tagList}) EXECUTE FUNCTION pg_catalog.${functionName}()`,
      'ALTER EVENT TRIGGER %I ENABLE ALWAYS',
      'ALTER EXTENSION plpgsql ADD EVENT TRIGGER %I',
    ].map((template, n) => `    (${n}, $$${template}$$, '${name}', '${event}')`),
  )
  .join(',\n')}
  ) AS t (n, template, name, event)
  WHERE NOT EXISTS (SELECT FROM pg_event_trigger e WHERE e.evtname = t.name)
)
SELECT statement FROM steps ORDER BY step, statement`

export const triggerPlanValues: readonly unknown[] = [body]
