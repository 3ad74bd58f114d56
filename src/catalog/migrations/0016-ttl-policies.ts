/** Rules of a project by which its branches end. */
import { type Kysely, type Migration, sql } from 'kysely'

export const ttlPolicies: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    await sql`create table ttl_policies (
      project_uid text primary key references projects on delete cascade,
      rules jsonb not null
    )`.execute(db)
  },
}
