/**
 * The table of contents of a dump, as `pg_restore --list` prints it and `--use-list` takes it back. Pure:
 * a line of it is `ID; CATALOG OID TYPE SCHEMA NAME OWNER`.
 */

const LINE = /^(\d+); \d+ (\d+) (.*)$/
const SKIPPED = /^(POLICY|EVENT TRIGGER|USER MAPPING) /
const SKIPPED_COMMENT = /^COMMENT \S+ (POLICY|EVENT TRIGGER) (.*)$/

/** Without what refers to roles and rights that a branch does not have. */
export function cutList(
  list: string,
  skipped: readonly { readonly oid: number; readonly name: string }[],
): string {
  const oids = new Set(skipped.map(({ oid }) => oid))
  return list
    .split('\n')
    .filter((line) => {
      const [, , oid, rest = ''] = LINE.exec(line) ?? []
      if (SKIPPED.test(rest) && oids.has(Number(oid))) return false
      const about = SKIPPED_COMMENT.exec(rest)?.[2]?.replaceAll('"', '')
      return about === undefined || !skipped.some(({ name }) => about.startsWith(`${name} `))
    })
    .join('\n')
}

/** Table of each entry of data, by the id of the entry. */
export function dataEntries(list: string): ReadonlyMap<number, number> {
  const entries = new Map<number, number>()
  for (const line of list.split('\n')) {
    const [, id, oid, rest = ''] = LINE.exec(line) ?? []
    if (rest.startsWith('TABLE DATA ')) entries.set(Number(id), Number(oid))
  }
  return entries
}

/** What `pg_dump --verbose` begins with: `schema.table`. It dumps one table after another. */
export const dumpedTable = (line: string): string | undefined =>
  /^pg_dump: dumping contents of table "(.*)"$/.exec(line)?.[1]

/** What `pg_restore --verbose --jobs` is done with: the id of an entry. */
export function loadedEntry(line: string): number | undefined {
  const id = /^pg_restore: finished item (\d+) TABLE DATA /.exec(line)?.[1]
  return id === undefined ? undefined : Number(id)
}
