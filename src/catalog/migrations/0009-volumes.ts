/**
 * Volumes with ids of their own, so that a reset or restore can exchange them between a branch and the snapshot
 * of its previous state; and where the writes of a branch's volume begin.
 */
import { type Kysely, type Migration, sql } from 'kysely'

export const volumes: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`alter table branches
        add column volume_uid text,
        add column begin_lsn text,
        add column begin_xid text,
        add column begin_time timestamptz,
        add constraint branches_begin check (num_nulls(begin_lsn, begin_xid, begin_time) in (0, 3))`,
      sql`update branches set volume_uid = uid`,
      sql`alter table branches alter column volume_uid set not null`,
      sql`create unique index branches_volume on branches (volume_uid)`,
      sql`alter table snapshots add column volume_uid text`,
      sql`update snapshots set volume_uid = uid`,
      sql`alter table snapshots alter column volume_uid set not null`,
      sql`create unique index snapshots_volume on snapshots (volume_uid)`,
    ]) {
      await statement.execute(db)
    }
  },
}
