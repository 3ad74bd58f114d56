/** Personal access tokens and client secrets: rows by hash. */
import { type Kysely, type Selectable, sql } from 'kysely'
import type { IdentityUid } from '../domain/names.ts'
import type { EpochMs } from '../lib/time.ts'
import type {
  AccessToken,
  AccessTokens,
  ClientSecret,
  ClientSecrets,
} from '../ports/access-tokens.ts'
import { readIdentity, toDate, toMoment } from './rows.ts'
import type { AccessTokensTable, ClientSecretsTable, IdentitiesTable, Schema } from './schema.ts'

/** The identity as one column, so that its columns and the token's cannot be mistaken. */
const owner = sql<Selectable<IdentitiesTable>>`to_jsonb(identities)`.as('owner')

const createdByName = sql<
  string | null
>`(select made.login_name from identities made where made.uid = access_tokens.created_by)`.as(
  'created_by_name',
)

const ownerOf = ({ owner: row }: { readonly owner: Selectable<IdentitiesTable> }) =>
  readIdentity({ ...row, create_time: new Date(row.create_time) }) // jsonb holds it as text

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
        expire_time: maybeDate(token.expireTime),
        created_by: token.createdBy,
        last_used_time: null,
      })
      .execute()
  },
  async find(hash, now) {
    const row = await db
      .selectFrom('access_tokens')
      .innerJoin('identities', 'identities.uid', 'access_tokens.identity_uid')
      .selectAll('access_tokens')
      .select(createdByName)
      .select(owner)
      .where('access_tokens.hash', '=', hash)
      .where('identities.is_active', '=', true)
      .where((inner) =>
        inner.or([
          inner('access_tokens.expire_time', 'is', null),
          inner('access_tokens.expire_time', '>', toDate(now)),
        ]),
      )
      .executeTakeFirst()
    return row && { identity: ownerOf(row), token: readToken(row) }
  },
  async byId(tokenId) {
    const row = await db
      .selectFrom('access_tokens')
      .selectAll()
      .select(createdByName)
      .where('token_id', '=', tokenId)
      .executeTakeFirst()
    return row && readToken(row)
  },
  async list(ownerUid) {
    let query = db
      .selectFrom('access_tokens')
      .selectAll()
      .select(createdByName)
      .orderBy('create_time')
      .orderBy('token_id')
    if (ownerUid !== undefined) query = query.where('identity_uid', '=', ownerUid)
    return (await query.execute()).map(readToken)
  },
  async remove(tokenId) {
    await db.deleteFrom('access_tokens').where('token_id', '=', tokenId).execute()
  },
  async noteUse(tokenId, at) {
    await db
      .updateTable('access_tokens')
      .set({ last_used_time: toDate(at) })
      .where('token_id', '=', tokenId)
      .execute()
  },
})

export const clientSecretsIn = (db: Kysely<Schema>): ClientSecrets => ({
  async insert(secret) {
    await db
      .insertInto('client_secrets')
      .values({
        secret_id: secret.secretId,
        hash: secret.hash,
        identity_uid: secret.identityUid,
        create_time: toDate(secret.createTime),
        expire_time: maybeDate(secret.expireTime),
        last_used_time: null,
      })
      .execute()
  },
  async list(ownerUid) {
    const rows = await db
      .selectFrom('client_secrets')
      .selectAll()
      .where('identity_uid', '=', ownerUid)
      .orderBy('create_time')
      .orderBy('secret_id')
      .execute()
    return rows.map(readSecret)
  },
  async remove(ownerUid, secretId) {
    const { numDeletedRows } = await db
      .deleteFrom('client_secrets')
      .where('identity_uid', '=', ownerUid)
      .where('secret_id', '=', secretId)
      .executeTakeFirst()
    return numDeletedRows > 0n
  },
  async find(clientId, hash, now) {
    const row = await db
      .selectFrom('client_secrets')
      .innerJoin('identities', 'identities.uid', 'client_secrets.identity_uid')
      .selectAll('client_secrets')
      .select(owner)
      .where('client_secrets.hash', '=', hash)
      .where('identities.kind', '=', 'SERVICE_PRINCIPAL')
      .where('identities.login_name', '=', clientId)
      .where('identities.is_active', '=', true)
      .where((inner) =>
        inner.or([
          inner('client_secrets.expire_time', 'is', null),
          inner('client_secrets.expire_time', '>', toDate(now)),
        ]),
      )
      .executeTakeFirst()
    return row && { identity: ownerOf(row), secret: readSecret(row) }
  },
  async noteUse(secretId, at) {
    await db
      .updateTable('client_secrets')
      .set({ last_used_time: toDate(at) })
      .where('secret_id', '=', secretId)
      .execute()
  },
})

const maybeDate = (moment: EpochMs | undefined): Date | null =>
  moment === undefined ? null : toDate(moment)
const maybeMoment = (date: Date | null): EpochMs | undefined =>
  date === null ? undefined : toMoment(date)

const readToken = (
  row: Selectable<AccessTokensTable> & { readonly created_by_name: string | null },
): AccessToken => ({
  tokenId: row.token_id,
  identityUid: row.identity_uid as IdentityUid,
  comment: row.comment,
  createTime: toMoment(row.create_time),
  expireTime: maybeMoment(row.expire_time),
  createdBy: row.created_by as IdentityUid,
  createdByName: row.created_by_name ?? undefined,
  lastUsedTime: maybeMoment(row.last_used_time),
})

const readSecret = (row: Selectable<ClientSecretsTable>): ClientSecret => ({
  secretId: row.secret_id,
  hash: row.hash,
  identityUid: row.identity_uid as IdentityUid,
  createTime: toMoment(row.create_time),
  expireTime: maybeMoment(row.expire_time),
  lastUsedTime: maybeMoment(row.last_used_time),
})
