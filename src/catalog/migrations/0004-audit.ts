/**
 * The audit log. Its order, its gapless numbers and its chain of hashes are made by the table itself,
 * under a lock that lasts until the commit: whoever writes an entry cannot get them wrong, and a reader
 * who has seen entry N has seen all before it.
 */
import { type Kysely, type Migration, sql } from 'kysely'

/** Everything that an entry says; a column that is added later needs a digest of its own. */
const digest = sql`
  create function audit_digest(line audit) returns bytea language sql stable as $$
    select sha256(line.previous || convert_to(jsonb_build_array(
      line.seq, (extract(epoch from line.time) * 1000000)::bigint, line.action, line.resource,
      line.resource_uid, line.project_uid, line.actor_kind, line.actor_uid, line.actor_name, line.agent,
      line.remote_address, line.user_agent, line.request_id, line.trace_id, line.result, line.reason,
      line.operation, to_jsonb(line.changed), line.details, line.count
    )::text, 'UTF8'))
  $$`

/** Two keys: the server's own lock is one of a single key. */
const append = sql`
  create function audit_append() returns trigger language plpgsql as $$
  declare
    head record;
  begin
    perform pg_advisory_xact_lock(1279347013, 4);
    select seq, hash into head from audit order by seq desc limit 1;
    new.seq := coalesce(head.seq, 0) + 1;
    new.previous := coalesce(head.hash, ''::bytea);
    new.hash := audit_digest(new);
    return new;
  end
  $$`

const refuse = sql`
  create function audit_refuse() returns trigger language plpgsql as $$
  begin
    if tg_op = 'DELETE' and tg_level = 'ROW' then
      if old.seq <= coalesce(nullif(current_setting('lakelet.audit_forget', true), ''), '0')::bigint then
        return old;
      end if;
    end if;
    raise exception 'the audit log is append-only: % is refused', tg_op
      using hint = 'Entries end by themselves after the setting audit-retention.';
  end
  $$`

export const audit: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`create table audit (
        seq bigint primary key,
        time timestamptz not null,
        action text not null,
        resource text not null,
        resource_uid text,
        project_uid text,
        actor_kind text not null check (actor_kind in ('USER', 'SERVICE_PRINCIPAL', 'SYSTEM', 'UNKNOWN')),
        actor_uid text,
        actor_name text,
        agent text,
        remote_address text,
        user_agent text,
        request_id text,
        trace_id text,
        result text not null check (result in ('accepted', 'succeeded', 'failed', 'refused')),
        reason text,
        operation text,
        changed text[] not null,
        details jsonb not null,
        count integer not null check (count > 0),
        previous bytea not null,
        hash bytea not null
      )`,
      sql`create index audit_time on audit (time)`,
      sql`create index audit_project on audit (project_uid, seq)`,
      digest,
      append,
      refuse,
      sql`create trigger audit_append before insert on audit for each row execute function audit_append()`,
      sql`create trigger audit_keep before update or truncate on audit
        for each statement execute function audit_refuse()`,
      sql`create trigger audit_keep_row before delete on audit for each row execute function audit_refuse()`,
      // Also where a session says that it replicates.
      sql`alter table audit enable always trigger audit_append`,
      sql`alter table audit enable always trigger audit_keep`,
      sql`alter table audit enable always trigger audit_keep_row`,
    ]) {
      await statement.execute(db)
    }
  },
}
