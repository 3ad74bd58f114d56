/** Users and service principals: who can call and log in. Groups are rows here too, but no identities. */
import type { Kysely } from 'kysely'
import type { Identities } from '../ports/catalog.ts'
import { readIdentity, writeIdentity } from './rows.ts'
import type { Schema } from './schema.ts'

export const identitiesIn = (db: Kysely<Schema>): Identities => ({
  async insert(identity) {
    await db.insertInto('identities').values(writeIdentity(identity)).execute()
  },
  async byUid(uid) {
    const row = await db
      .selectFrom('identities')
      .selectAll()
      .where('uid', '=', uid)
      .where('kind', '<>', 'GROUP')
      .executeTakeFirst()
    return row && readIdentity(row)
  },
  async byLoginName(name) {
    const row = await db
      .selectFrom('identities')
      .selectAll()
      .where('login_name', '=', name)
      .where('kind', '<>', 'GROUP')
      .executeTakeFirst()
    return row && readIdentity(row)
  },
  async list(kind) {
    const rows = await db
      .selectFrom('identities')
      .selectAll()
      .where('kind', '=', kind)
      .orderBy('login_name')
      .execute()
    return rows.map(readIdentity)
  },
  async remove(uid) {
    await db.deleteFrom('identities').where('uid', '=', uid).execute()
  },
  async count() {
    const row = await db
      .selectFrom('identities')
      .select((inner) => inner.fn.countAll<string>().as('count'))
      .where('kind', '<>', 'GROUP')
      .executeTakeFirstOrThrow()
    return Number(row.count)
  },
})
