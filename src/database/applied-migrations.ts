/** What a migration tool's own table says that the database has had. */
import { quoteName, type Session } from './open-database.ts'

/** Rows of `query`, given the table's quoted name; none when there is no such table. */
export async function readApplied(
  session: Session,
  table: string,
  query: (table: string) => string,
): Promise<
  readonly { readonly id: string; readonly isFailed: boolean; readonly isBaseline: boolean }[]
> {
  const name = table.split('.').map(quoteName).join('.')
  const [seen] = await session.read('SELECT to_regclass($1) IS NOT NULL AS is_there', [name])
  if (seen?.is_there !== true) return []
  const rows = await session.read(query(name))
  return rows.map(({ id, is_failed, is_baseline }) => ({
    id: String(id),
    isFailed: is_failed === true,
    isBaseline: is_baseline === true,
  }))
}
