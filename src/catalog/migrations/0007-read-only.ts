/** Endpoints that come and go by themselves: made by an operation, their id free when they are deleted. */
import { type Kysely, type Migration, sql } from 'kysely'

export const readOnly: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`alter table endpoints
        add column life text not null default 'READY' check (life in ('INIT', 'READY', 'DELETED')),
        add column suspend_time timestamptz,
        drop constraint endpoints_id`,
      sql`create unique index endpoints_id on endpoints (branch_uid, endpoint_id) where life <> 'DELETED'`,
    ]) {
      await statement.execute(db)
    }
  },
}
