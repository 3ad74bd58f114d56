/**
 * A mark of the schema as this transaction sees it: equal marks, no DDL in between, whether it came as a statement or from inside
 * of a DO block or a function. Every change of a row in the catalog moves it (`ctid`) or makes it another
 * transaction's (`xmin`); sequences and statistics change without either. TRUNCATE counts, since it gives a table a new file.
 * Not seen: what nobody but the superuser may read, such as a role's password.
 */
import type pg from 'pg'

const catalogs = [
  'pg_attrdef',
  'pg_attribute',
  'pg_auth_members',
  'pg_cast',
  'pg_class',
  'pg_collation',
  'pg_constraint',
  'pg_conversion',
  'pg_database',
  'pg_db_role_setting',
  'pg_default_acl',
  'pg_description',
  'pg_enum',
  'pg_event_trigger',
  'pg_extension',
  'pg_foreign_data_wrapper',
  'pg_foreign_server',
  'pg_index',
  'pg_inherits',
  'pg_language',
  'pg_namespace',
  'pg_operator',
  'pg_policy',
  'pg_proc',
  'pg_publication',
  'pg_publication_rel',
  'pg_range',
  'pg_rewrite',
  'pg_sequence',
  'pg_shdescription',
  'pg_statistic_ext',
  'pg_trigger',
  'pg_type',
] as const

const rows = catalogs.map(
  (name) => `SELECT '${name}' || c.ctid::text || c.xmin::text AS t FROM pg_catalog.${name} c`,
)
/** A view, whose rows have neither. */
const roles = "SELECT 'pg_roles' || r::text AS t FROM pg_catalog.pg_roles r"
const question = `SELECT md5(string_agg(t, ',' ORDER BY t COLLATE "C")) AS mark FROM (${[...rows, roles].join(' UNION ALL ')}) all_of_it`

export async function catalogMark(postgres: pg.Client): Promise<string> {
  // Else a statement before could have put operators of its own in the way.
  await postgres.query('SET LOCAL search_path = pg_catalog, pg_temp')
  const { rows: found } = await postgres.query<{ mark: string }>(question)
  await postgres.query('SET LOCAL search_path = DEFAULT')
  return found[0]?.mark ?? ''
}
