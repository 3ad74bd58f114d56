/** Branches that are filled from another Postgres, and operations that report on the way and can be cancelled. */
import { type Kysely, type Migration, sql } from 'kysely'

export const imports: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`alter table operations add column report jsonb, add column cancel_time timestamptz`,
      sql`alter table branches
        add column is_imported boolean not null default false,
        drop constraint branches_state_check,
        add constraint branches_state_check
          check (state in ('INIT', 'IMPORTING', 'READY', 'RESETTING', 'DELETED'))`,
      sql`create table import_sources (
        operation_uid text primary key,
        sealed text not null
      )`,
    ]) {
      await statement.execute(db)
    }
  },
}
