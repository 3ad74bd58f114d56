/**
 * Sign-in: what the OAuth issuer keeps, passwords, links that set one, and counts of attempts.
 * `oauth_records` knows ids by their hashes alone, and its contents are sealed with a key that is not
 * in the catalog. What belongs to an identity or to a grant goes with it, in the same statement.
 */
import { type Kysely, type Migration, sql } from 'kysely'

export const oauth: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`create table oauth_records (
        key text primary key,
        model text not null,
        alias_key text unique,
        grant_key text references oauth_records on delete cascade,
        identity_uid text references identities on delete cascade,
        client_id text,
        sealed text not null,
        create_time timestamptz not null,
        expire_time timestamptz,
        consume_time timestamptz
      )`,
      sql`create index oauth_records_grant on oauth_records (grant_key) where grant_key is not null`,
      sql`create index oauth_records_identity on oauth_records (identity_uid) where identity_uid is not null`,
      sql`create index oauth_records_expire on oauth_records (expire_time) where expire_time is not null`,
      sql`create table passwords (
        identity_uid text primary key references identities on delete cascade,
        verifier text not null,
        update_time timestamptz not null
      )`,
      sql`create table setup_links (
        hash text primary key,
        identity_uid text not null references identities on delete cascade,
        create_time timestamptz not null,
        expire_time timestamptz not null
      )`,
      sql`create index setup_links_identity on setup_links (identity_uid)`,
      sql`create table sign_in_attempts (
        key text primary key,
        count integer not null,
        since timestamptz not null
      )`,
      sql`create index sign_in_attempts_since on sign_in_attempts (since)`,
    ]) {
      await statement.execute(db)
    }
  },
}
