/**
 * Snapshots and their schedules. A snapshot refers to its project without a cascade: a project cannot go
 * while the volume of one of its snapshots may still be there. It refers to no branch, which it outlives.
 */
import { type Kysely, type Migration, sql } from 'kysely'

export const snapshots: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`create table snapshots (
        uid text primary key,
        project_uid text not null references projects,
        snapshot_id text not null,
        state text not null check (state in ('CREATING', 'AVAILABLE', 'DELETING')),
        is_automatic boolean not null,
        source_branch_uid text not null,
        source_branch_id text not null,
        is_of_protected boolean not null,
        source_time timestamptz,
        expire_time timestamptz,
        full_size_bytes bigint,
        diff_size_bytes bigint,
        measure_time timestamptz,
        created_by text,
        create_time timestamptz not null
      )`,
      sql`create unique index snapshots_live_id on snapshots (project_uid, snapshot_id) where state <> 'DELETING'`,
      sql`create index snapshots_project on snapshots (project_uid)`,
      sql`create index snapshots_expire on snapshots (expire_time) where state <> 'DELETING' and expire_time is not null`,
      sql`create table snapshot_schedules (
        branch_uid text primary key references branches on delete cascade,
        cadences jsonb not null,
        next_time timestamptz
      )`,
      sql`create index snapshot_schedules_next on snapshot_schedules (next_time) where next_time is not null`,
      sql`alter table branches add column source_snapshot_uid text, add column source_snapshot_id text`,
      sql`create index branches_source_snapshot on branches (source_snapshot_uid) where delete_time is null`,
    ]) {
      await statement.execute(db)
    }
  },
}
