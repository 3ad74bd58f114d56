/** What branches are bound to: worktrees of repositories, each on a machine. */
import { type Kysely, type Migration, sql } from 'kysely'

export const bindings: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`create table bindings (
        uid text primary key,
        branch_uid text not null references branches on delete cascade,
        host text not null,
        git_dir text not null,
        common_dir text not null,
        root text not null,
        device text not null,
        root_device text not null,
        git_ref text,
        commit text,
        repository text,
        pull_request text,
        agent text,
        process text,
        is_own boolean not null,
        bound_by text not null,
        create_time timestamptz not null,
        update_time timestamptz not null,
        gone_since timestamptz,
        gone_what text,
        constraint bindings_place unique (branch_uid, host, git_dir),
        check ((gone_since is null) = (gone_what is null))
      )`,
      sql`create index bindings_host on bindings (host)`,
    ]) {
      await statement.execute(db)
    }
  },
}
