/** The catalog's tables as kysely sees them; `migrations.ts` makes them. */
import type { ColumnType, Generated, JSONColumnType } from 'kysely'
import type { AuditDetails } from '../domain/audit.ts'
import type { FaultRecord } from '../domain/faults.ts'
import type { Profile } from '../domain/principal.ts'
import type { CustomTag } from '../domain/project.ts'
import type { Cadence } from '../domain/snapshot-cadence.ts'
import type { TtlRule } from '../domain/ttl-policy.ts'
import type { JsonObject } from '../ports/catalog.ts'

/** timestamptz: a Date on both sides. */
type Moment = Date
type Int8 = ColumnType<string, number | bigint | string, number | bigint | string>

export interface SettingsTable {
  name: string
  value: string
}

export interface IdentitiesTable {
  uid: string
  kind: string
  login_name: string
  display_name: string
  is_admin: boolean
  is_active: boolean
  create_time: Moment
  profile: ColumnType<Profile, string | undefined, string>
}

export interface GroupMembersTable {
  group_uid: string
  member_uid: string
}

export interface ClientSecretsTable {
  secret_id: string
  hash: string
  identity_uid: string
  create_time: Moment
  expire_time: Moment | null
  last_used_time: Moment | null
}

export interface AccessTokensTable {
  token_id: string
  hash: string
  identity_uid: string
  comment: string
  create_time: Moment
  expire_time: Moment | null
  created_by: string
  last_used_time: Moment | null
}

export interface ProjectsTable {
  uid: string
  project_id: string
  display_name: string
  pg_version: number
  owner_uid: string
  history_retention_ms: Int8
  default_branch_uid: string | null
  min_cu: number
  max_cu: number
  suspend_timeout_ms: Int8 | null
  pg_settings: JSONColumnType<Record<string, string>>
  enable_pg_native_login: boolean
  custom_tags: JSONColumnType<readonly CustomTag[]>
  budget_policy_id: string | null
  create_time: Moment
  update_time: Moment
  delete_time: Moment | null
  purge_time: Moment | null
}

export interface PermissionsTable {
  project_uid: string
  identity_uid: string
  level: string
}

export interface BranchesTable {
  uid: string
  project_uid: string
  volume_uid: string
  begin_lsn: string | null
  begin_xid: string | null
  begin_time: Moment | null
  branch_id: string
  state: string
  pending_state: string | null
  state_change_time: Moment
  is_protected: boolean
  durability: Generated<string>
  sliding_ttl_ms: Int8 | null
  is_held_by_sessions: Generated<boolean>
  logical_size_bytes: Int8
  expire_time: Moment | null
  source_branch_uid: string | null
  source_branch_id: string | null
  source_lsn: string | null
  source_time_us: Int8 | null
  source_point: string | null
  source_snapshot_uid: string | null
  source_snapshot_id: string | null
  is_restored: boolean
  is_imported: boolean
  created_by: string
  create_time: Moment
  update_time: Moment
  delete_time: Moment | null
  purge_time: Moment | null
  window_start_time_us: Int8 | null
  window_start_lsn: string | null
  history_bytes: Int8
}

export interface BasesTable {
  uid: string
  project_uid: string
  branch_uid: string
  volume_uid: string
  state: string
  redo_lsn: string | null
  consistent_lsn: string | null
  consistent_time_us: Int8 | null
  exclusive_bytes: Int8 | null
  create_time: Moment
}

export interface EndpointsTable {
  uid: string
  branch_uid: string
  endpoint_id: string
  type: string
  life: Generated<string>
  min_cu: number
  max_cu: number
  is_disabled: boolean
  suspend_timeout_ms: Int8 | null
  pg_settings: JSONColumnType<Record<string, string>>
  address: string
  last_active_time: Moment | null
  suspend_time: Moment | null
  create_time: Moment
  update_time: Moment
}

export interface PasswordVerifiersTable {
  branch_uid: string
  role: string
  verifier: string
}

export interface OperationsTable {
  seq: Generated<string>
  uid: string
  kind: string
  resource: string
  subject: string
  project_uid: string
  caller_uid: string | null
  keys: string[]
  input: JSONColumnType<JsonObject>
  memory: JSONColumnType<JsonObject>
  report: JSONColumnType<JsonObject> | null
  cancel_time: Moment | null
  state: string
  step: string | null
  attempt: number
  response: JSONColumnType<JsonObject> | null
  fault: JSONColumnType<FaultRecord> | null
  lease_token: number
  lease_until: Moment | null
  next_at: Moment
  create_time: Moment
  end_time: Moment | null
}

export interface ImportSourcesTable {
  operation_uid: string
  sealed: string
}

export interface OAuthRecordsTable {
  key: string
  model: string
  alias_key: string | null
  grant_key: string | null
  identity_uid: string | null
  client_id: string | null
  secret_id: string | null
  sealed: string
  create_time: Moment
  expire_time: Moment | null
  consume_time: Moment | null
}

export interface PasswordsTable {
  identity_uid: string
  verifier: string
  update_time: Moment
}

export interface SetupLinksTable {
  hash: string
  identity_uid: string
  create_time: Moment
  expire_time: Moment
}

export interface SignInAttemptsTable {
  key: string
  count: number
  since: Moment
}

export interface SnapshotsTable {
  uid: string
  project_uid: string
  volume_uid: string
  snapshot_id: string
  state: string
  is_automatic: boolean
  source_branch_uid: string
  source_branch_id: string
  is_of_protected: boolean
  source_time: Moment | null
  expire_time: Moment | null
  full_size_bytes: Int8 | null
  diff_size_bytes: Int8 | null
  measure_time: Moment | null
  created_by: string | null
  create_time: Moment
}

export interface SnapshotSchedulesTable {
  branch_uid: string
  cadences: JSONColumnType<readonly Cadence[]>
  next_time: Moment | null
}

export interface BackupsTable {
  branch_uid: string
  place: string
  volume: string
  sequence: number
  hash: string
  reached: string
  time: Moment
}

export interface AuditTable {
  seq: Int8
  time: Moment
  action: string
  resource: string
  resource_uid: string | null
  project_uid: string | null
  actor_kind: string
  actor_uid: string | null
  actor_name: string | null
  agent: string | null
  remote_address: string | null
  user_agent: string | null
  request_id: string | null
  trace_id: string | null
  result: string
  reason: string | null
  operation: string | null
  changed: string[]
  details: JSONColumnType<AuditDetails>
  count: number
  previous: Buffer
  hash: Buffer
}

export interface BindingsTable {
  uid: string
  branch_uid: string
  host: string
  git_dir: string
  common_dir: string
  root: string
  device: string
  root_device: string
  git_ref: string | null
  commit: string | null
  repository: string | null
  pull_request: string | null
  agent: string | null
  process: string | null
  is_own: boolean
  bound_by: string
  create_time: Moment
  update_time: Moment
  gone_since: Moment | null
  gone_what: string | null
}

export interface TtlPoliciesTable {
  project_uid: string
  rules: JSONColumnType<readonly TtlRule[]>
}

export interface EndWarningsTable {
  branch_uid: string
  warned_end: Moment
}

export interface WebhooksTable {
  uid: string
  project_uid: string
  url: string
  sealed_secret: string
  created_by: string
  create_time: Moment
  last_time: Moment | null
  last_problem: string | null
  lost: number
}

export interface DeliveriesTable {
  uid: string
  webhook_uid: string
  body: string
  attempts: number
  next_time: Moment
}

export interface SightingsTable {
  kind: string
  id: string
  first_time: Moment
}

export interface Schema {
  audit: AuditTable
  backups: BackupsTable
  settings: SettingsTable
  identities: IdentitiesTable
  access_tokens: AccessTokensTable
  group_members: GroupMembersTable
  client_secrets: ClientSecretsTable
  projects: ProjectsTable
  permissions: PermissionsTable
  branches: BranchesTable
  endpoints: EndpointsTable
  password_verifiers: PasswordVerifiersTable
  operations: OperationsTable
  import_sources: ImportSourcesTable
  oauth_records: OAuthRecordsTable
  passwords: PasswordsTable
  setup_links: SetupLinksTable
  sign_in_attempts: SignInAttemptsTable
  snapshots: SnapshotsTable
  snapshot_schedules: SnapshotSchedulesTable
  bases: BasesTable
  bindings: BindingsTable
  sightings: SightingsTable
  ttl_policies: TtlPoliciesTable
  end_warnings: EndWarningsTable
  webhooks: WebhooksTable
  deliveries: DeliveriesTable
}
