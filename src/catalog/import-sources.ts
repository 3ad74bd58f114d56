/** Addresses of the sources of running imports, sealed by `tokens/secret-box.ts`. */
import type { Kysely } from 'kysely'
import type { ImportSources } from '../ports/catalog.ts'
import type { Schema } from './schema.ts'

export const importSourcesIn = (db: Kysely<Schema>): ImportSources => ({
  async insert(operation, sealed) {
    await db.insertInto('import_sources').values({ operation_uid: operation, sealed }).execute()
  },
  async sealed(operation) {
    const row = await db
      .selectFrom('import_sources')
      .select('sealed')
      .where('operation_uid', '=', operation)
      .executeTakeFirst()
    return row?.sealed
  },
  async remove(operation) {
    await db.deleteFrom('import_sources').where('operation_uid', '=', operation).execute()
  },
})
