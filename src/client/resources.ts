/**
 * The published resources as a reader may count on them. Everything that the contract does not always
 * send is optional, and fields unknown to this build are kept as they came.
 */

interface Resource {
  readonly name: string
  readonly uid?: string
  readonly create_time?: string
  readonly update_time?: string
  readonly [field: string]: unknown
}

export interface Project extends Resource {
  readonly project_id?: string
  readonly status?: {
    readonly default_branch?: string
    readonly owner?: string
    readonly [field: string]: unknown
  }
}

export interface Branch extends Resource {
  readonly branch_id?: string
  readonly parent?: string
  readonly status?: {
    readonly current_state?: string
    readonly default?: boolean
    readonly expire_time?: string
    readonly source_branch?: string
    readonly [field: string]: unknown
  }
}

export interface Endpoint extends Resource {
  readonly endpoint_id?: string
  readonly parent?: string
  readonly status?: {
    readonly current_state?: string
    readonly endpoint_type?: string
    readonly hosts?: { readonly host?: string; readonly [field: string]: unknown }
    readonly [field: string]: unknown
  }
}

export interface Role extends Resource {
  readonly role_id?: string
  readonly parent?: string
  readonly status?: {
    readonly postgres_role?: string
    readonly identity_type?: string
    readonly auth_method?: string
    readonly membership_roles?: readonly string[]
    readonly attributes?: Readonly<Record<string, boolean>>
    readonly [field: string]: unknown
  }
}

export interface Snapshot extends Resource {
  readonly snapshot_id?: string
  readonly status?: {
    readonly source_branch?: string
    readonly expire_time?: string
    readonly full_size_bytes?: number
    readonly diff_size_bytes?: number
    readonly [field: string]: unknown
  }
}

export interface Database extends Resource {
  readonly database_id?: string
  readonly parent?: string
  readonly status?: {
    readonly postgres_database?: string
    readonly role?: string
    readonly [field: string]: unknown
  }
}

/** Shown once: the server keeps what proves it, not the password. */
export interface RolePassword {
  readonly postgres_role: string
  readonly password: string
  readonly [field: string]: unknown
}

export interface SnapshotSchedule extends Resource {
  readonly schedule?: readonly Readonly<Record<string, unknown>>[]
}

export interface DatabaseCredential {
  readonly token: string
  readonly expire_time: string
  readonly [field: string]: unknown
}

export interface CurrentUser {
  readonly userName: string
  readonly [field: string]: unknown
}

/** What a reset or restore of a branch would lose. */
export interface ResetPreview {
  readonly branch?: string
  readonly source_branch?: string
  readonly source_snapshot?: string
  readonly time?: string
  readonly lsn?: string
  readonly lost?: {
    readonly since?: string
    readonly transactions?: number
    readonly wal_bytes?: number
    readonly sessions?: number
  }
}

/** A worktree that uses a branch. */
export interface Binding {
  readonly uid: string
  /** Full name. */
  readonly branch: string
  readonly git_dir: string
  readonly common_dir: string
  readonly root: string
  readonly device: string
  readonly root_device: string
  readonly update_time: string
  readonly git_ref?: string
  readonly pull_request?: string
  readonly process?: string
  readonly [field: string]: unknown
}

/** What becomes of a branch, by what was found of its bindings. */
export interface CollectPlan {
  /** Full name. */
  readonly branch: string
  readonly act: 'keep' | 'wait' | 'collect'
  readonly because: string
  readonly collect_time?: string
  readonly problem?: string
}

/** Work that goes on after the answer; exactly one of `response` and `error` when done. */
export interface Operation {
  readonly name: string
  readonly done?: boolean
  readonly metadata?: {
    /** How far it has come, where the server tells. */
    readonly progress?: { readonly doing?: string; readonly done?: number; readonly total?: number }
    readonly [field: string]: unknown
  }
  readonly response?: unknown
  readonly error?: {
    readonly error_code?: string
    readonly message?: string
    readonly details?: readonly unknown[]
  }
  readonly [field: string]: unknown
}
