/**
 * What is asked of a source before it is read; one statement, so one moment. From Postgres 10 on. Sizes are
 * those of the last ANALYZE or VACUUM: to measure would be to wait for whoever has locked a table.
 */
import type { SourceFacts } from '../ports/transfer.ts'

export const oldestSource = 10

const isOfExtension = (catalog: string, oid: string): string =>
  `EXISTS (SELECT FROM pg_depend d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`

const listed = (value: string, from: string): string =>
  `(SELECT coalesce(json_agg(${value} ORDER BY 1), '[]') FROM ${from})`

/** Names that a branch has too: nothing of them is lost. */
const ours = "'cloud_admin', 'databricks_owner', 'databricks_superuser'"

export const sourceQuery = `
SELECT json_build_object(
  'version', current_setting('server_version_num')::int,
  'tables', (
    SELECT coalesce(json_agg(json_build_object(
      'oid', c.oid::int8, 'name', n.nspname || '.' || c.relname, 'bytes', greatest(c.relpages, 0)::int8 * current_setting('block_size')::int)), '[]')
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND c.oid >= 16384
      AND NOT ${isOfExtension('pg_class', 'c.oid')}),
  'extensions', ${listed('extname', "pg_extension WHERE extname <> 'plpgsql'")},
  'roles', ${listed(
    'rolname',
    `(SELECT DISTINCT r.rolname FROM pg_roles r
      WHERE r.rolname NOT IN (${ours}) AND r.rolname !~ '^(pg|databricks)_' AND (
        r.oid IN (SELECT relowner FROM pg_class WHERE oid >= 16384)
        OR r.oid IN (SELECT nspowner FROM pg_namespace WHERE oid >= 16384)
        OR r.oid IN (SELECT proowner FROM pg_proc WHERE oid >= 16384)
        OR r.oid IN (SELECT refobjid FROM pg_shdepend
                     WHERE refclassid = 'pg_authid'::regclass AND dbid = (
                       SELECT oid FROM pg_database WHERE datname = current_database())))) owners`,
  )},
  'policies', (
    SELECT coalesce(json_agg(json_build_object('oid', p.oid::int8, 'policy', p.polname,
      'name', n.nspname || '.' || c.relname || ': ' || p.polname) ORDER BY p.oid), '[]')
    FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE p.polroles <> '{0}'),
  'event_triggers', ${listed(
    "json_build_object('oid', e.oid::int8, 'name', e.evtname)::jsonb",
    `pg_event_trigger e WHERE NOT ${isOfExtension('pg_event_trigger', 'e.oid')}`,
  )},
  'publications', ${listed('pubname', 'pg_publication')},
  'subscriptions', ${listed(
    'subname',
    'pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())',
  )},
  'user_mappings', ${listed(
    "json_build_object('oid', umid::int8, 'name', usename || ' on ' || srvname)::jsonb",
    'pg_user_mappings',
  )})`

interface Named {
  readonly oid: number
  readonly name: string
}

interface Answer {
  readonly version: number
  readonly tables: SourceFacts['tables']
  readonly extensions: readonly string[]
  readonly roles: readonly string[]
  readonly policies: readonly (Named & { readonly policy: string })[]
  readonly event_triggers: readonly Named[]
  readonly publications: readonly string[]
  readonly subscriptions: readonly string[]
  readonly user_mappings: readonly Named[]
}

const names = (of: readonly Named[]): readonly string[] => of.map(({ name }) => name)

export function readAnswer(text: string): SourceFacts {
  const answer = JSON.parse(text) as Answer
  const { policies, event_triggers: eventTriggers, user_mappings: mappings } = answer
  return {
    major: Math.floor(answer.version / 10_000),
    tables: answer.tables,
    extensions: answer.extensions,
    leftOut: {
      roles: answer.roles,
      policies: names(policies),
      event_triggers: names(eventTriggers),
      publications: answer.publications,
      subscriptions: answer.subscriptions,
      user_mappings: names(mappings),
    },
    skipped: [
      ...policies.map(({ oid, policy }) => ({ oid, name: policy })),
      ...eventTriggers,
      ...mappings,
    ],
  }
}
