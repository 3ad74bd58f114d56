/** Identities and their personal access tokens, of which only hashes are kept. */
import type { Kysely } from 'kysely'
import type { AccessTokens, Identities } from '../ports/catalog.ts'
import { readIdentity, toDate, writeIdentity } from './rows.ts'
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
      .executeTakeFirst()
    return row && readIdentity(row)
  },
  async byLoginName(name) {
    const row = await db
      .selectFrom('identities')
      .selectAll()
      .where('login_name', '=', name)
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
      .executeTakeFirstOrThrow()
    return Number(row.count)
  },
})

export const accessTokensIn = (db: Kysely<Schema>): AccessTokens => ({
  async insert(token) {
    await db
      .insertInto('access_tokens')
      .values({
        token_id: token.tokenId,
        hash: token.hash,
        identity_uid: token.identityUid,
        comment: token.comment,
        create_time: toDate(token.createTime),
        expire_time: token.expireTime === undefined ? null : toDate(token.expireTime),
      })
      .execute()
  },
  async identityOf(hash, now) {
    const row = await db
      .selectFrom('access_tokens')
      .innerJoin('identities', 'identities.uid', 'access_tokens.identity_uid')
      .selectAll('identities')
      .where('access_tokens.hash', '=', hash)
      .where('identities.is_active', '=', true)
      .where((inner) =>
        inner.or([
          inner('access_tokens.expire_time', 'is', null),
          inner('access_tokens.expire_time', '>', toDate(now)),
        ]),
      )
      .executeTakeFirst()
    return row && readIdentity(row)
  },
})
