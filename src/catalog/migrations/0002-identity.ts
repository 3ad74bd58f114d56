/**
 * Groups, client secrets, and what lists of tokens show. A group is a row of `identities`: its name
 * becomes a Postgres role like any login name, so one unique index keeps all of them apart, and
 * permissions name either with one column.
 */
import { type Kysely, type Migration, sql } from 'kysely'

export const identity: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`alter table identities drop constraint identities_kind_check`,
      sql`alter table identities add constraint identities_kind_check
        check (kind in ('USER', 'SERVICE_PRINCIPAL', 'GROUP'))`,
      sql`alter table identities add column profile jsonb not null default '{}'`,
      sql`create table group_members (
        group_uid text not null references identities on delete cascade,
        member_uid text not null references identities on delete cascade,
        primary key (group_uid, member_uid),
        check (group_uid <> member_uid)
      )`,
      sql`create index group_members_member on group_members (member_uid)`,
      // The uids are those of domain/group.ts.
      sql`insert into identities (uid, kind, login_name, display_name, is_admin, is_active, create_time)
        values ('100000000000001', 'GROUP', 'admins', 'admins', false, true, now()),
               ('100000000000002', 'GROUP', 'users', 'users', false, true, now())`,
      // The identity itself, its groups, theirs, and the group of all.
      sql`create function principals_of(identity text) returns setof text
        language sql stable rows 4 as $$
          with recursive mine (uid) as (
            (select identity union all
             select uid from identities where uid = '100000000000002')
            union
            select g.group_uid from group_members g join mine on g.member_uid = mine.uid
          )
          select uid from mine
        $$`,
      sql`create table client_secrets (
        secret_id text primary key,
        hash text not null unique,
        identity_uid text not null references identities on delete cascade,
        create_time timestamptz not null,
        expire_time timestamptz,
        last_used_time timestamptz
      )`,
      sql`create index client_secrets_identity on client_secrets (identity_uid)`,
      sql`alter table access_tokens add column created_by text`,
      sql`alter table access_tokens add column last_used_time timestamptz`,
      sql`update access_tokens set created_by = identity_uid`,
      sql`alter table access_tokens alter column created_by set not null`,
      sql`create index access_tokens_identity on access_tokens (identity_uid)`,
      // Whoever may do less from now on, by whatever hand: live sessions are looked at again.
      sql`create function tell_access_changed() returns trigger language plpgsql as $$
        begin perform pg_notify('lakelet', 'access'); return null; end $$`,
      sql`create trigger access_changed after update of is_active, is_admin or delete on identities
        for each statement execute function tell_access_changed()`,
      sql`create trigger access_changed after delete on group_members
        for each statement execute function tell_access_changed()`,
      sql`create trigger access_changed after update or delete on permissions
        for each statement execute function tell_access_changed()`,
    ]) {
      await statement.execute(db)
    }
  },
}
