/**
 * A branch's durability; which secret gave an OAuth token, so that the token goes with it; and since when
 * files are seen that no row knows, across restarts.
 */
import { type Kysely, type Migration, sql } from 'kysely'

export const guards: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`alter table branches add column durability text not null default 'durable'
        check (durability in ('durable', 'relaxed'))`,
      sql`alter table oauth_records
        add column secret_id text references client_secrets on delete cascade`,
      sql`create index oauth_records_secret on oauth_records (secret_id) where secret_id is not null`,
      sql`create table sightings (
        kind text not null,
        id text not null,
        first_time timestamptz not null,
        primary key (kind, id)
      )`,
    ]) {
      await statement.execute(db)
    }
  },
}
