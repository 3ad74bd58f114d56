/**
 * What a database's catalog says of its schema, as a flat list of things with properties that are texts: easy to compare, to
 * show and to keep. Names are qualified, so that the search path of nobody counts. Left out: owners, grants, comments, the
 * order of columns, and whatever belongs to an extension.
 */
import type { Session } from './open-database.ts'

/** In the order in which they are told. */
export const schemaKinds = [
  'extension',
  'schema',
  'type',
  'enum',
  'sequence',
  'table',
  'column',
  'constraint',
  'index',
  'view',
  'function',
  'trigger',
  'policy',
] as const
export type SchemaKind = (typeof schemaKinds)[number]

export interface SchemaObject {
  readonly kind: SchemaKind
  /** Of a column, constraint, trigger or policy with its table's before it. */
  readonly name: string
  readonly properties: Readonly<Record<string, string>>
}

/** At one moment; in a transaction of its own, which is over afterwards. */
export async function readSchema(session: Session): Promise<readonly SchemaObject[]> {
  await session.read('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
  try {
    await session.read('SET LOCAL search_path = pg_catalog')
    const objects: SchemaObject[] = []
    for (const kind of schemaKinds) {
      for (const { name, properties } of await session.read(queries[kind])) {
        objects.push({ kind, name: String(name), properties: textsOf(properties) })
      }
    }
    return objects
  } finally {
    await session.read('ROLLBACK')
  }
}

/** A property that is null says nothing, and is not there. */
const textsOf = (properties: unknown): Readonly<Record<string, string>> =>
  Object.fromEntries(
    Object.entries(properties as Readonly<Record<string, unknown>>).flatMap(([key, value]) =>
      value === null ? [] : [[key, String(value)]],
    ),
  )

const ofPeople = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'`
const ofNoExtension = (catalog: string, oid: string) =>
  `NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = '${catalog}'::regclass AND d.objid = ${oid} AND d.deptype = 'e')`

const tables = `pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace`
const tableName = `format('%I.%I', n.nspname, c.relname)`
const isTable = `c.relkind IN ('r', 'p', 'f') AND ${ofPeople} AND ${ofNoExtension('pg_class', 'c.oid')}`

const queries: Readonly<Record<SchemaKind, string>> = {
  extension: `
    SELECT quote_ident(extname) AS name, json_build_object('version', extversion, 'schema', n.nspname) AS properties
    FROM pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace ORDER BY 1`,
  schema: `
    SELECT quote_ident(n.nspname) AS name, '{}'::json AS properties
    FROM pg_namespace AS n WHERE ${ofPeople} AND ${ofNoExtension('pg_namespace', 'n.oid')} ORDER BY 1`,
  type: `
    SELECT format('%I.%I', n.nspname, t.typname) AS name,
      CASE t.typtype
      WHEN 'd' THEN json_build_object('domain of', format_type(t.typbasetype, t.typtypmod), 'not null', nullif(t.typnotnull, false), 'default', t.typdefault,
        'check', (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY k.conname) FROM pg_constraint AS k WHERE k.contypid = t.oid AND k.contype = 'c'))
      WHEN 'r' THEN (SELECT json_build_object('range of', format_type(r.rngsubtype, NULL)) FROM pg_range AS r WHERE r.rngtypid = t.oid)
      ELSE json_build_object('attributes', (SELECT string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
        FROM pg_attribute AS a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)) END AS properties
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE (t.typtype IN ('d', 'r') OR t.typtype = 'c' AND (SELECT c.relkind FROM pg_class AS c WHERE c.oid = t.typrelid) = 'c')
      AND ${ofPeople} AND ${ofNoExtension('pg_type', 't.oid')} ORDER BY 1`,
  enum: `
    SELECT format('%I.%I', n.nspname, t.typname) AS name,
      json_build_object('values', (SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder) FROM pg_enum AS e WHERE e.enumtypid = t.oid)) AS properties
    FROM pg_type AS t JOIN pg_namespace AS n ON n.oid = t.typnamespace
    WHERE t.typtype = 'e' AND ${ofPeople} AND ${ofNoExtension('pg_type', 't.oid')} ORDER BY 1`,
  sequence: `
    SELECT ${tableName} AS name, json_build_object('type', format_type(s.seqtypid, NULL), 'start', s.seqstart, 'increment', s.seqincrement,
      'min', s.seqmin, 'max', s.seqmax, 'cache', s.seqcache, 'cycle', nullif(s.seqcycle, false)) AS properties
    FROM ${tables} JOIN pg_sequence AS s ON s.seqrelid = c.oid
    WHERE ${ofPeople} AND ${ofNoExtension('pg_class', 'c.oid')}
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'i') ORDER BY 1`,
  table: `
    SELECT ${tableName} AS name, json_build_object(
      'kind', CASE c.relkind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign' END,
      'unlogged', nullif(c.relpersistence = 'u', false),
      'partition by', CASE c.relkind WHEN 'p' THEN pg_get_partkeydef(c.oid) END,
      'partition of', CASE WHEN c.relispartition THEN (SELECT i.inhparent::regclass::text || ' ' || pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits AS i WHERE i.inhrelid = c.oid) END,
      'inherits', CASE WHEN NOT c.relispartition THEN (SELECT string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno) FROM pg_inherits AS i WHERE i.inhrelid = c.oid) END,
      'row security', CASE WHEN c.relforcerowsecurity THEN 'forced' WHEN c.relrowsecurity THEN 'enabled' END,
      'options', array_to_string(c.reloptions, ', ')) AS properties
    FROM ${tables} WHERE ${isTable} ORDER BY 1`,
  column: `
    SELECT format('%s.%I', ${tableName}, a.attname) AS name, json_build_object(
      'type', format_type(a.atttypid, a.atttypmod),
      'not null', nullif(a.attnotnull, false),
      'default', CASE WHEN a.attgenerated = '' THEN pg_get_expr(e.adbin, e.adrelid) END,
      'generated', CASE WHEN a.attgenerated <> '' THEN pg_get_expr(e.adbin, e.adrelid) END,
      'identity', CASE a.attidentity WHEN 'a' THEN 'always' WHEN 'd' THEN 'by default' END,
      'collation', (SELECT o.collname FROM pg_collation AS o, pg_type AS t WHERE o.oid = a.attcollation AND t.oid = a.atttypid AND t.typcollation <> o.oid)) AS properties
    FROM ${tables} JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN pg_attrdef AS e ON e.adrelid = c.oid AND e.adnum = a.attnum
    WHERE ${isTable} ORDER BY n.nspname, c.relname, a.attnum`,
  constraint: `
    SELECT format('%s.%I', ${tableName}, k.conname) AS name, json_build_object('definition', pg_get_constraintdef(k.oid)) AS properties
    FROM pg_constraint AS k JOIN ${tables} ON c.oid = k.conrelid
    WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND ${isTable} ORDER BY 1`,
  index: `
    SELECT ${tableName} AS name, json_build_object('definition', pg_get_indexdef(c.oid), 'invalid', nullif(NOT i.indisvalid, false)) AS properties
    FROM ${tables} JOIN pg_index AS i ON i.indexrelid = c.oid
    WHERE ${ofPeople} AND ${ofNoExtension('pg_class', 'i.indrelid')}
      AND NOT EXISTS (SELECT FROM pg_constraint AS k WHERE k.conindid = c.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')) ORDER BY 1`,
  view: `
    SELECT ${tableName} AS name, json_build_object('materialized', nullif(c.relkind = 'm', false), 'definition', pg_get_viewdef(c.oid), 'options', array_to_string(c.reloptions, ', ')) AS properties
    FROM ${tables} WHERE c.relkind IN ('v', 'm') AND ${ofPeople} AND ${ofNoExtension('pg_class', 'c.oid')} ORDER BY 1`,
  function: `
    SELECT format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name,
      CASE p.prokind WHEN 'a' THEN (SELECT json_build_object('aggregate', format('%s, %s, %s', g.aggtransfn, format_type(g.aggtranstype, NULL), g.aggfinalfn)) FROM pg_aggregate AS g WHERE g.aggfnoid = p.oid)
      ELSE json_build_object('definition', pg_get_functiondef(p.oid)) END AS properties
    FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
    WHERE ${ofPeople} AND ${ofNoExtension('pg_proc', 'p.oid')} ORDER BY 1`,
  trigger: `
    SELECT format('%s.%I', ${tableName}, t.tgname) AS name, json_build_object('definition', pg_get_triggerdef(t.oid),
      'fires', CASE t.tgenabled WHEN 'D' THEN 'never' WHEN 'R' THEN 'on replicas' WHEN 'A' THEN 'always' END) AS properties
    FROM pg_trigger AS t JOIN ${tables} ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND ${ofPeople} ORDER BY 1`,
  policy: `
    SELECT format('%s.%I', ${tableName}, p.polname) AS name, json_build_object(
      'for', CASE p.polcmd WHEN 'r' THEN 'select' WHEN 'a' THEN 'insert' WHEN 'w' THEN 'update' WHEN 'd' THEN 'delete' ELSE 'all' END,
      'restrictive', nullif(NOT p.polpermissive, false),
      'to', (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE pg_get_userbyid(r) END, ', ' ORDER BY 1) FROM unnest(p.polroles) AS r),
      'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)) AS properties
    FROM pg_policy AS p JOIN ${tables} ON c.oid = p.polrelid
    WHERE ${ofPeople} ORDER BY 1`,
}
