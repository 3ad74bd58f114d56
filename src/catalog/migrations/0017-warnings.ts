/** Which end of a branch somebody was told of; web addresses that are told, and what they have not got yet. */
import { type Kysely, type Migration, sql } from 'kysely'

export const warnings: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`create table end_warnings (
        branch_uid text primary key references branches on delete cascade,
        warned_end timestamptz not null
      )`,
      sql`create table webhooks (
        uid text primary key,
        project_uid text not null references projects on delete cascade,
        url text not null,
        sealed_secret text not null,
        created_by text not null,
        create_time timestamptz not null,
        last_time timestamptz,
        last_problem text,
        lost integer not null default 0
      )`,
      sql`create index webhooks_project on webhooks (project_uid)`,
      sql`create table deliveries (
        uid text primary key,
        webhook_uid text not null references webhooks on delete cascade,
        body text not null,
        attempts integer not null,
        next_time timestamptz not null
      )`,
      sql`create index deliveries_next on deliveries (next_time)`,
    ]) {
      await statement.execute(db)
    }
  },
}
