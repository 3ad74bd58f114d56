/** Names: of the role that a narrowed credential logs in as, and of the tables that it may read. */
import { createHash } from 'node:crypto'
import type { Narrowing } from '../ports/roles.ts'

const longestName = 63

/**
 * Stable for equal narrowings, different for different ones, and begins with the login name for
 * people who read `current_user`. Everything but tables holds in all databases.
 */
export function narrowedRoleName(
  loginName: string,
  database: string,
  { permission, tables }: Narrowing,
): string {
  const facts =
    tables === undefined
      ? [loginName, permission]
      : [loginName, permission, database, [...new Set(tables)].sort()]
  const suffix = `/ro-${createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 16)}`
  return cutToBytes(loginName, longestName - suffix.length) + suffix
}

/** The longest prefix that takes at most this many bytes of UTF-8; never half a character. */
function cutToBytes(text: string, bytes: number): string {
  let cut = ''
  for (const character of text) {
    if (Buffer.byteLength(cut + character) > bytes) break
    cut += character
  }
  return cut
}

export interface TableName {
  readonly schema: string
  readonly table: string
}

/**
 * `table` (of schema public), `schema.table` or `catalog.schema.table`, each part as it is or in
 * double quotes. `undefined`: no such form, so it names no table.
 */
export function parseTableName(text: string): TableName | undefined {
  const part = '(?:"((?:[^"]|"")+)"|([^".]+))'
  const match = new RegExp(`^(?:(?:${part}\\.)?${part}\\.)?${part}$`).exec(text)
  if (match === null) return undefined
  const pick = (n: number) => match[n]?.replaceAll('""', '"') ?? match[n + 1]
  const table = pick(5)
  return table === undefined ? undefined : { schema: pick(3) ?? 'public', table }
}
