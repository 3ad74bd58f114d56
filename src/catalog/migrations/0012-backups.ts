/** The last backup of a branch to each place: what the next one begins with, and which WAL it still needs; branches that come from one. */
import { type Kysely, type Migration, sql } from 'kysely'

export const backups: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`alter table branches add column is_restored boolean not null default false`,
      sql`create table backups (
        branch_uid text not null references branches on delete cascade,
        place text not null,
        volume text not null,
        sequence integer not null,
        hash text not null,
        reached pg_lsn not null,
        time timestamptz not null,
        primary key (branch_uid, place)
      )`,
    ]) {
      await statement.execute(db)
    }
  },
}
