/** Rows of the sign-in: OAuth records, passwords, set-up links and counted attempts. */
import { type Kysely, sql } from 'kysely'
import pg from 'pg'
import type { OAuthRecords, Passwords, SetupLinks, SignInAttempts } from '../ports/sign-in.ts'
import { readIdentity, toDate, toMoment } from './rows.ts'
import type { Schema } from './schema.ts'

export const oauthRecordsIn = (db: Kysely<Schema>): OAuthRecords => ({
  async save(record, now) {
    const changes = {
      sealed: record.sealed,
      alias_key: record.aliasKey ?? null,
      grant_key: record.grantKey ?? null,
      identity_uid: record.identityUid ?? null,
      client_id: record.clientId ?? null,
      secret_id: record.secretId ?? null,
      expire_time: record.expireTime === undefined ? null : toDate(record.expireTime),
    }
    try {
      await db
        .insertInto('oauth_records')
        .values({
          key: record.key,
          model: record.model,
          create_time: toDate(now),
          consume_time: null,
          ...changes,
        })
        .onConflict((conflict) => conflict.column('key').doUpdateSet(changes))
        .execute()
      return true
    } catch (error) {
      if (error instanceof pg.DatabaseError && error.code === '23503') return false
      throw error
    }
  },
  async find(key) {
    const row = await db
      .selectFrom('oauth_records')
      .select(['sealed', 'consume_time'])
      .where('key', '=', key)
      .executeTakeFirst()
    return row && readStored(row)
  },
  async findByAlias(aliasKey) {
    const row = await db
      .selectFrom('oauth_records')
      .select(['sealed', 'consume_time'])
      .where('alias_key', '=', aliasKey)
      .executeTakeFirst()
    return row && readStored(row)
  },
  async consume(key, now) {
    const { numUpdatedRows } = await db
      .updateTable('oauth_records')
      .set({ consume_time: toDate(now) })
      .where('key', '=', key)
      .where('consume_time', 'is', null)
      .executeTakeFirst()
    return numUpdatedRows === 1n
  },
  async remove(key) {
    await db.deleteFrom('oauth_records').where('key', '=', key).execute()
  },
  async removeOfGrant(model, grantKey) {
    await db
      .deleteFrom('oauth_records')
      .where('grant_key', '=', grantKey)
      .where('model', '=', model)
      .execute()
  },
  async removeOfIdentity(identity) {
    await db.deleteFrom('oauth_records').where('identity_uid', '=', identity).execute()
  },
  async holderOf(keys) {
    const row = await db
      .selectFrom('oauth_records')
      .innerJoin('identities', 'identities.uid', 'oauth_records.identity_uid')
      .selectAll('identities')
      .select('oauth_records.expire_time')
      .where('oauth_records.key', 'in', [...keys])
      .where('identities.is_active', '=', true)
      .executeTakeFirst()
    return (
      row && {
        identity: readIdentity(row),
        expireTime: row.expire_time === null ? undefined : toMoment(row.expire_time),
      }
    )
  },
  async forget(before) {
    const { numDeletedRows } = await db
      .deleteFrom('oauth_records')
      .where('expire_time', '<', toDate(before))
      .executeTakeFirst()
    return Number(numDeletedRows)
  },
})

const readStored = (row: { readonly sealed: string; readonly consume_time: Date | null }) => ({
  sealed: row.sealed,
  consumeTime: row.consume_time === null ? undefined : toMoment(row.consume_time),
})

export const passwordsIn = (db: Kysely<Schema>): Passwords => ({
  async verifierOf(identity) {
    const row = await db
      .selectFrom('passwords')
      .select('verifier')
      .where('identity_uid', '=', identity)
      .executeTakeFirst()
    return row?.verifier
  },
  async set(identity, verifier, now) {
    const changes = { verifier, update_time: toDate(now) }
    await db
      .insertInto('passwords')
      .values({ identity_uid: identity, ...changes })
      .onConflict((conflict) => conflict.column('identity_uid').doUpdateSet(changes))
      .execute()
  },
})

export const setupLinksIn = (db: Kysely<Schema>): SetupLinks => ({
  async replace({ hash, identityUid, createTime, expireTime }) {
    await db.deleteFrom('setup_links').where('identity_uid', '=', identityUid).execute()
    await db
      .insertInto('setup_links')
      .values({
        hash,
        identity_uid: identityUid,
        create_time: toDate(createTime),
        expire_time: toDate(expireTime),
      })
      .execute()
  },
  async identityOf(hash, now) {
    const row = await db
      .selectFrom('setup_links')
      .innerJoin('identities', 'identities.uid', 'setup_links.identity_uid')
      .selectAll('identities')
      .where('setup_links.hash', '=', hash)
      .where('setup_links.expire_time', '>', toDate(now))
      .where('identities.is_active', '=', true)
      .executeTakeFirst()
    return row && readIdentity(row)
  },
  async use(hash, now) {
    const { numDeletedRows } = await db
      .deleteFrom('setup_links')
      .where('hash', '=', hash)
      .where('expire_time', '>', toDate(now))
      .executeTakeFirst()
    return numDeletedRows === 1n
  },
  async forget(before) {
    const { numDeletedRows } = await db
      .deleteFrom('setup_links')
      .where('expire_time', '<', toDate(before))
      .executeTakeFirst()
    return Number(numDeletedRows)
  },
})

export const signInAttemptsIn = (db: Kysely<Schema>): SignInAttempts => ({
  async add(key, now, windowFrom) {
    const isOver = sql<boolean>`sign_in_attempts.since < ${toDate(windowFrom)}`
    const row = await db
      .insertInto('sign_in_attempts')
      .values({ key, count: 1, since: toDate(now) })
      .onConflict((conflict) =>
        conflict.column('key').doUpdateSet({
          count: sql<number>`case when ${isOver} then 1 else sign_in_attempts.count + 1 end`,
          since: sql<Date>`case when ${isOver} then ${toDate(now)} else sign_in_attempts.since end`,
        }),
      )
      .returning(['count', 'since'])
      .executeTakeFirstOrThrow()
    return { count: row.count, since: toMoment(row.since) }
  },
  async forgive(key, how) {
    if (how === 'all') {
      await db.deleteFrom('sign_in_attempts').where('key', '=', key).execute()
      return
    }
    await db
      .updateTable('sign_in_attempts')
      .set({ count: sql<number>`greatest(count - 1, 0)` })
      .where('key', '=', key)
      .execute()
  },
  async forget(before) {
    const { numDeletedRows } = await db
      .deleteFrom('sign_in_attempts')
      .where('since', '<', toDate(before))
      .executeTakeFirst()
    return Number(numDeletedRows)
  },
})
