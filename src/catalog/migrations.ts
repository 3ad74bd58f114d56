/**
 * The catalog's schema, one migration after another, forward only. A landed migration is never
 * edited. Resource rows carry no foreign key to `operations`: those outlive what they worked on.
 */
import { type Kysely, type Migration, type MigrationProvider, sql } from 'kysely'
import { identity } from './migrations/0002-identity.ts'
import { oauth } from './migrations/0003-oauth.ts'
import { audit } from './migrations/0004-audit.ts'
import { snapshots } from './migrations/0005-snapshots.ts'
import { readOnly } from './migrations/0007-read-only.ts'
import { history } from './migrations/0008-history.ts'
import { volumes } from './migrations/0009-volumes.ts'
import { imports } from './migrations/0011-imports.ts'
import { backups } from './migrations/0012-backups.ts'
import { guards } from './migrations/0013-guards.ts'
import { bindings } from './migrations/0014-bindings.ts'
import { leases } from './migrations/0015-leases.ts'
import { ttlPolicies } from './migrations/0016-ttl-policies.ts'
import { warnings } from './migrations/0017-warnings.ts'

const foundation: Migration = {
  async up(db: Kysely<unknown>): Promise<void> {
    for (const statement of [
      sql`create table settings (name text primary key, value text not null)`,
      sql`create table identities (
        uid text primary key,
        kind text not null check (kind in ('USER', 'SERVICE_PRINCIPAL')),
        login_name text not null unique,
        display_name text not null,
        is_admin boolean not null,
        is_active boolean not null,
        create_time timestamptz not null
      )`,
      sql`create table access_tokens (
        token_id text primary key,
        hash text not null unique,
        identity_uid text not null references identities on delete cascade,
        comment text not null,
        create_time timestamptz not null,
        expire_time timestamptz
      )`,
      sql`create table projects (
        uid text primary key,
        project_id text not null unique,
        display_name text not null,
        pg_version integer not null,
        owner_uid text not null,
        history_retention_ms bigint not null,
        default_branch_uid text,
        min_cu double precision not null,
        max_cu double precision not null,
        suspend_timeout_ms bigint,
        pg_settings jsonb not null,
        enable_pg_native_login boolean not null,
        custom_tags jsonb not null,
        budget_policy_id text,
        create_time timestamptz not null,
        update_time timestamptz not null,
        delete_time timestamptz,
        purge_time timestamptz
      )`,
      sql`create table permissions (
        project_uid text not null references projects on delete cascade,
        identity_uid text not null references identities on delete cascade,
        level text not null check (level in ('CAN_USE', 'CAN_BRANCH', 'CAN_MANAGE')),
        primary key (project_uid, identity_uid)
      )`,
      sql`create index permissions_identity on permissions (identity_uid)`,
      sql`create table branches (
        uid text primary key,
        project_uid text not null references projects,
        branch_id text not null,
        state text not null check (state in ('INIT', 'READY', 'RESETTING', 'DELETED')),
        pending_state text,
        state_change_time timestamptz not null,
        is_protected boolean not null,
        logical_size_bytes bigint not null,
        expire_time timestamptz,
        source_branch_uid text,
        source_branch_id text,
        source_lsn pg_lsn,
        source_time timestamptz,
        created_by text not null,
        create_time timestamptz not null,
        update_time timestamptz not null,
        delete_time timestamptz,
        purge_time timestamptz
      )`,
      sql`create unique index branches_live_id on branches (project_uid, branch_id) where delete_time is null`,
      sql`create index branches_list on branches (project_uid, branch_id, uid)`,
      sql`create index branches_source on branches (source_branch_uid) where delete_time is null`,
      sql`create index branches_expire on branches (expire_time) where delete_time is null and expire_time is not null`,
      sql`create index branches_purge on branches (purge_time) where purge_time is not null`,
      sql`create table endpoints (
        uid text primary key,
        branch_uid text not null references branches on delete cascade,
        endpoint_id text not null,
        type text not null,
        min_cu double precision not null,
        max_cu double precision not null,
        is_disabled boolean not null,
        suspend_timeout_ms bigint,
        pg_settings jsonb not null,
        address text not null unique,
        last_active_time timestamptz,
        create_time timestamptz not null,
        update_time timestamptz not null,
        constraint endpoints_id unique (branch_uid, endpoint_id)
      )`,
      sql`create unique index endpoints_one_read_write on endpoints (branch_uid) where type = 'ENDPOINT_TYPE_READ_WRITE'`,
      sql`create sequence endpoint_addresses minvalue 2 maxvalue 65023 cycle`,
      sql`create table password_verifiers (
        branch_uid text not null references branches on delete cascade,
        role text not null,
        verifier text not null,
        primary key (branch_uid, role)
      )`,
      sql`create table operations (
        seq bigint generated always as identity,
        uid text primary key,
        kind text not null,
        resource text not null,
        subject text not null,
        project_uid text not null,
        caller_uid text,
        keys text[] not null,
        input jsonb not null,
        memory jsonb not null,
        state text not null check (state in ('pending', 'running', 'undoing', 'succeeded', 'failed')),
        step text,
        attempt integer not null,
        response json,
        fault jsonb,
        lease_token integer not null,
        lease_until timestamptz,
        next_at timestamptz not null,
        create_time timestamptz not null,
        end_time timestamptz,
        check ((state = 'succeeded') = (response is not null)),
        check ((state in ('failed', 'undoing')) = (fault is not null))
      )`,
      sql`create index operations_open on operations (seq) where state in ('pending', 'running', 'undoing')`,
      sql`create index operations_ended on operations (end_time) where end_time is not null`,
    ]) {
      await statement.execute(db)
    }
  },
}

/** Names sort in the order in which they run. */
export const migrations: MigrationProvider = {
  getMigrations: () =>
    Promise.resolve({
      '0001-foundation': foundation,
      '0002-identity': identity,
      '0003-oauth': oauth,
      '0004-audit': audit,
      '0005-snapshots': snapshots,
      '0007-read-only': readOnly,
      '0008-history': history,
      '0009-volumes': volumes,
      '0012-backups': backups,
      '0011-imports': imports,
      '0013-guards': guards,
      '0014-bindings': bindings,
      '0015-leases': leases,
      '0016-ttl-policies': ttlPolicies,
      '0017-warnings': warnings,
    }),
}
