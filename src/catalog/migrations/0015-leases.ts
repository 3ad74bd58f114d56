/** Ends of branches that move away with activity, or while somebody is connected. */
import { type Kysely, type Migration, sql } from 'kysely'

export const leases: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`alter table branches
        add column sliding_ttl_ms bigint,
        add column is_held_by_sessions boolean not null default false`,
      sql`create index branches_leased on branches (expire_time)
        where delete_time is null and expire_time is not null
          and (sliding_ttl_ms is not null or is_held_by_sessions)`,
    ]) {
      await statement.execute(db)
    }
  },
}
