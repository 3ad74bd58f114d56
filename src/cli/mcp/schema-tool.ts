/** What is in a branch's database: names of all tables, or everything about some of them. Read from the catalog, as everything that `query` reads. */
import { z } from 'zod'
import { seconds } from '../../lib/time.ts'
import { runStatement } from './sql-session.ts'
import { branchInput, databaseInput, databaseOf } from './sql-tools.ts'
import { chosenBranch, tool } from './tool.ts'

const input = z.strictObject({
  tables: z
    .array(z.string().min(1).max(130))
    .max(50)
    .default([])
    .describe('SCHEMA.TABLE or TABLE, with all about them. Left out: the names of everything.'),
  branch: branchInput,
  database: databaseInput,
})

/** Tables, views and sequences of people, one JSON object each; `$1`: full names, or none for all. */
const from = `
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT c.relispartition
  AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp%'`
const kind = `CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END`

const names = `
SELECT n.nspname || '.' || c.relname AS name, ${kind} AS kind,
  (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  CASE WHEN c.reltuples >= 0 THEN c.reltuples::bigint END AS about_rows,
  obj_description(c.oid, 'pg_class') AS comment
${from}
ORDER BY 1`

const details = `
SELECT n.nspname || '.' || c.relname AS name, ${kind} AS kind,
  (SELECT string_agg(format('%I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
      CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END,
      CASE WHEN a.attidentity <> '' THEN ' GENERATED AS IDENTITY'
           WHEN a.attgenerated <> '' THEN ' GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ')'
           WHEN d.adbin IS NOT NULL THEN ' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) ELSE '' END), E'\\n' ORDER BY a.attnum)
   FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
   WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
  (SELECT string_agg(format('%I %s', k.conname, pg_get_constraintdef(k.oid)), E'\\n' ORDER BY k.contype, k.conname)
   FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype <> 'n') AS constraints,
  (SELECT string_agg(pg_get_indexdef(i.indexrelid), E'\\n' ORDER BY i.indexrelid)
   FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid) AS indexes,
  (SELECT string_agg(pg_get_triggerdef(t.oid), E'\\n' ORDER BY t.tgname)
   FROM pg_catalog.pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS triggers,
  CASE WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid) END AS definition,
  obj_description(c.oid, 'pg_class') AS comment
${from} AND (n.nspname || '.' || c.relname = ANY ($1::text[]) OR c.relname = ANY ($1::text[]))
ORDER BY 1`

export const schemaTool = tool({
  name: 'schema',
  title: 'Show the schema',
  describe:
    "Tables and views of this worktree's branch by name, or with columns, constraints, indexes and triggers for those that are named.",
  effect: 'reads',
  input,
  run: async ({ tables, branch: text, database }, session) => {
    const branch = await chosenBranch(text, session)
    const { columns, rows, isCut } = await runStatement(
      branch,
      {
        text: tables.length === 0 ? names : details,
        params: tables.length === 0 ? [] : [arrayLiteral(tables)],
        database: database ?? (await databaseOf(session)),
        does: 'read',
        timeout: seconds(30),
        bounds: { rows: 1000, size: 60_000 },
      },
      session,
    )
    const cut = isCut ? ' Not all of them: ask for single tables, or read pg_class with query.' : ''
    return { note: `The schema of ${branch.name}.${cut}`, data: { columns, rows } }
  },
})

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-INPUT */
const arrayLiteral = (texts: readonly string[]): string =>
  `{${texts.map((text) => `"${text.replace(/[\\"]/g, '\\$&')}"`).join(',')}}`
