/**
 * Bases of branches, and points in their history. A base refers to its branch without a cascade: a branch
 * cannot go while the volume of one of its bases may still be there. Where a branch began is kept to the
 * microsecond, as Postgres stamps its commits; `timestamptz` would lose that on its way through a Date.
 */
import { type Kysely, type Migration, sql } from 'kysely'

export const history: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`create table bases (
        uid text primary key,
        project_uid text not null references projects,
        branch_uid text not null references branches,
        volume_uid text not null,
        state text not null check (state in ('TAKING', 'READY', 'DELETING')),
        redo_lsn pg_lsn,
        consistent_lsn pg_lsn,
        consistent_time_us bigint,
        exclusive_bytes bigint,
        create_time timestamptz not null
      )`,
      sql`create index bases_branch on bases (branch_uid)`,
      sql`alter table branches
        add column source_time_us bigint,
        add column source_point text,
        add column window_start_time_us bigint,
        add column window_start_lsn pg_lsn,
        add column history_bytes bigint not null default 0`,
      sql`update branches set source_time_us = (extract(epoch from source_time) * 1000000)::bigint`,
      sql`alter table branches drop column source_time`,
    ]) {
      await statement.execute(db)
    }
  },
}
