/**
 * Every refusal that a client may see, in one registry: the type, the HTTP status, the SQLSTATE, the
 * CLI's text and the reference page all come from here. `say` may hold `{fact}` places. Texts marked
 * `recorded` are the service's own words that programs match on: they travel unchanged, and what to
 * do about them (`next`) travels beside them, in the error's details and in the SQL HINT.
 */

import { signInReasons } from './sign-in-faults.ts'

/** Databricks error codes and the HTTP status each travels with. */
export const codes = {
  BAD_REQUEST: 400,
  INVALID_PARAMETER_VALUE: 400,
  MALFORMED_REQUEST: 400,
  UNAUTHENTICATED: 401,
  PERMISSION_DENIED: 403,
  NOT_FOUND: 404,
  ENDPOINT_NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  ABORTED: 409,
  INVALID_STATE: 400,
  RESOURCE_CONFLICT: 409,
  RESOURCE_LIMIT_EXCEEDED: 429,
  RESOURCE_EXHAUSTED: 429,
  // 429 would make SDKs try again for five minutes; a limit stays until somebody acts.
  QUOTA_EXCEEDED: 400,
  INTERNAL_ERROR: 500,
  NOT_IMPLEMENTED: 501,
  TEMPORARILY_UNAVAILABLE: 503,
} as const
export type Code = keyof typeof codes

export interface ReasonSpec {
  readonly code: Code
  /** What happened. `{name}` is replaced by the fact of that name. */
  readonly say: string
  /** What to do next. Appended to `say` unless that is recorded. */
  readonly next?: string
  readonly recorded?: true
  /** SQLSTATE for refusals that a Postgres client may meet. */
  readonly sqlstate?: string
  /** Ends with ` [TraceId: …]`, as the service's own not-found texts do. */
  readonly traced?: true
  /** Carries the structured MANAGED_BY_PARENT marker that Terraform and bundles look for. */
  readonly managedByParent?: true
}

export const reasons = {
  // Requests
  FIELD_REQUIRED: {
    code: 'INVALID_PARAMETER_VALUE',
    say: `Field '{field}' is required, expected non-default value (not "")!`,
    recorded: true,
  },
  FIELD_INVALID: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "Field '{field}' is not valid: {problem}.",
  },
  ID_INVALID: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "Field {field} must match pattern {pattern}, got '{value}'.",
    next: 'Use 1 to 63 lower case letters, digits and hyphens, starting with a letter.',
  },
  CHILD_ID_INVALID: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "Field {field} must match pattern {pattern}, got '{value}'.",
    next: 'Use 1 to 63 lower case letters, digits and hyphens, from a letter to a letter or digit, or leave the id out.',
    recorded: true,
  },
  NAME_INVALID: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "'{name}' is not a resource name.",
    next: 'Resource names look like {form}.',
  },
  MASK_UNKNOWN_PATH: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'Unknown field path in update_mask',
    next: "'{path}' cannot be updated. Allowed: {allowed}.",
    recorded: true,
  },
  MASK_FIELD_ABSENT: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "update_mask names '{path}', but the request body does not hold it.",
    next: 'Send the field, or leave it out of the mask.',
  },
  FIELD_IMMUTABLE: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "Field '{field}' cannot be changed after creation.",
    next: 'Create a new resource instead.',
  },
  SCIM_FILTER_INVALID: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'The filter is not valid: {problem}.',
    next: 'Use for example displayName eq "x", with eq, ne, co, sw, ew, pr, and, or, not.',
  },
  SCIM_PATH_INVALID: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'The path of an operation is not valid: {problem}.',
    next: 'Use for example members, members[value eq "123"], active, displayName, entitlements.',
  },
  SCIM_NO_TARGET: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "Nothing matches the path '{path}'.",
    next: 'Read the resource to see what it holds.',
  },
  PAGE_TOKEN_UNKNOWN: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'page_token is not one that this list returned.',
    next: 'Start again without a page_token.',
  },
  REQUEST_UNREADABLE: {
    code: 'MALFORMED_REQUEST',
    say: 'The request cannot be read: {problem}.',
  },
  BODY_NOT_JSON: {
    code: 'MALFORMED_REQUEST',
    say: 'The request body is not valid JSON: {problem}.',
    next: 'Send the bare resource as JSON.',
  },
  BODY_TOO_LARGE: {
    code: 'MALFORMED_REQUEST',
    say: 'The request body is larger than {limit} bytes.',
    next: 'Send the bare resource only.',
  },
  CONTENT_TYPE_UNSUPPORTED: {
    code: 'MALFORMED_REQUEST',
    say: "Content-Type '{type}' is not supported.",
    next: 'Send application/json.',
  },
  API_UNKNOWN: {
    code: 'ENDPOINT_NOT_FOUND',
    say: "No API found for '{method} {path}'",
    recorded: true,
  },
  NOT_IMPLEMENTED: {
    code: 'NOT_IMPLEMENTED',
    say: '{what} is not available here.',
    next: '{instead}',
  },
  INTERNAL: {
    code: 'INTERNAL_ERROR',
    say: 'An internal error occurred (request {request}).',
    next: "Look for this request id in the server's log.",
    sqlstate: 'XX000',
  },
  UNAVAILABLE: {
    code: 'TEMPORARILY_UNAVAILABLE',
    say: 'The server is {doing}.',
    next: 'Try again in a moment.',
    sqlstate: '57P03',
  },

  // Who and whether
  UNAUTHENTICATED: {
    code: 'UNAUTHENTICATED',
    say: 'The request has no valid access token: {problem}.',
    next: 'Send "Authorization: Bearer <token>": from "lakelet auth login", or a personal access token, which "lakelet env" prints on the machine of the server.',
  },
  PERMISSION_DENIED: {
    code: 'PERMISSION_DENIED',
    say: '{who} may not {act}.',
    next: 'Ask someone with CAN_MANAGE on the project for {permission}.',
  },
  GROUP_NOT_MEMBER: {
    code: 'PERMISSION_DENIED',
    say: "{who} is not a member of a group '{group}'.",
    next: 'Ask an administrator to be added, or leave group_name out to log in as {who}.',
  },
  ADMINISTRATORS_ONLY: {
    code: 'PERMISSION_DENIED',
    say: '{who} may not {act}.',
    next: "Ask an administrator: a member of the group 'admins'.",
  },
  LAST_ADMINISTRATOR: {
    code: 'BAD_REQUEST',
    say: 'This would leave no active administrator.',
    next: "Add another user to the group 'admins' first.",
  },
  GROUP_BUILT_IN: {
    code: 'BAD_REQUEST',
    say: "The group '{name}' is built in: it cannot be renamed or deleted, and 'users' always holds everybody.",
    next: 'Make a group of your own.',
  },

  AUDIT_NEEDS_PROJECT: {
    code: 'PERMISSION_DENIED',
    say: '{who} may not read the whole audit log.',
    next: 'Name a project that you manage, with ?resource=projects/NAME (lakelet audit --resource projects/NAME), or ask an administrator.',
  },

  // Absent
  PROJECT_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: 'project id not found',
    next: 'List the projects to see those that you may use.',
    recorded: true,
    traced: true,
    sqlstate: '08004',
  },
  BRANCH_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: 'branch id not found',
    next: 'List the branches of the project; a branch is named by its id, never by its uid.',
    recorded: true,
    traced: true,
    sqlstate: '08004',
  },
  ENDPOINT_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: 'endpoint id not found',
    next: 'List the endpoints of the branch; every branch has one named primary.',
    recorded: true,
    traced: true,
    sqlstate: '08004',
  },
  ROLE_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: 'role id not found',
    next: 'List the roles of the branch; a role is named by its id, not by its name in Postgres.',
    recorded: true,
    traced: true,
  },
  DATABASE_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: 'database id not found',
    next: 'List the databases of the branch; a database is named by its id, not by its name in Postgres.',
    recorded: true,
    traced: true,
  },
  ROLE_REFERENCE_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: 'role not found; role_id:"{role}"',
    next: 'List the roles of the branch, or create this one first.',
    recorded: true,
    traced: true,
  },
  SNAPSHOT_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: 'snapshot id not found',
    next: 'List the snapshots of the project; one that is still being taken is not there yet.',
    traced: true,
  },
  COMPUTE_INSTANCE_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: 'compute instance id not found',
    next: 'List the compute instances of the endpoint; it has one.',
    traced: true,
  },
  OPERATION_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: 'operation id not found',
    next: 'Use the name that the write returned.',
    recorded: true,
    traced: true,
  },
  IDENTITY_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: "identity '{name}' not found",
    next: 'Create the user or service principal first.',
    traced: true,
  },

  TOKEN_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: "token '{token}' not found",
    next: 'List the tokens to see their ids; the value of a token is not its id.',
    traced: true,
  },
  SECRET_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: "secret '{secret}' not found",
    next: 'List the secrets of the service principal to see their ids.',
    traced: true,
  },

  // Taken
  PROJECT_EXISTS: {
    code: 'ALREADY_EXISTS',
    say: 'project with such id already exists in the workspace',
    next: 'Choose another id. A deleted project holds its id until it is purged.',
    recorded: true,
  },
  BRANCH_EXISTS: {
    code: 'ALREADY_EXISTS',
    say: 'branch with such id already exists',
    next: 'Choose another id, or send replace_existing=true to update the branch that is there.',
    recorded: true,
  },
  ENDPOINT_EXISTS: {
    code: 'ALREADY_EXISTS',
    say: 'endpoint with such id already exists',
    next: 'Choose another id, or send replace_existing=true to update the endpoint that is there.',
    recorded: true,
  },
  SNAPSHOT_EXISTS: {
    code: 'ALREADY_EXISTS',
    say: 'snapshot with such id already exists',
    next: 'Choose another id, or delete that snapshot first. One that is being taken has its id already.',
  },
  READ_WRITE_ENDPOINT_EXISTS: {
    code: 'ALREADY_EXISTS',
    say: 'read_write endpoint already exists',
    next: 'A branch has one read-write endpoint, made with it: use primary.',
    recorded: true,
  },
  ROLE_EXISTS: {
    code: 'BAD_REQUEST',
    say: 'role with that name already exists',
    next: "The role '{name}' has the id '{id}' here. Choose another, or send replace_existing=true with that id.",
    recorded: true,
  },
  DATABASE_EXISTS: {
    code: 'BAD_REQUEST',
    say: 'database with that name already exists',
    next: "The database '{name}' has the id '{id}' here. Choose another, or send replace_existing=true with that id.",
    recorded: true,
  },
  IDENTITY_EXISTS: { code: 'ALREADY_EXISTS', say: '{noun} {name} already exists.' },

  SECRETS_TOO_MANY: {
    code: 'QUOTA_EXCEEDED',
    say: "Service principal '{name}' has {limit} secrets already.",
    next: 'Delete one that is no longer used.',
  },

  // Branch rules
  EXPIRATION_REQUIRED: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'Expiration must be specified when creating a branch',
    next: 'Send one of spec.ttl ("21600s"), spec.expire_time or spec.no_expiry (true).',
    recorded: true,
  },
  EXPIRATION_AMBIGUOUS: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'Only one of ttl, expire_time and no_expiry may be set; this request sets {given}.',
    next: 'Send exactly one of them.',
  },
  EXPIRATION_INVALID: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'The expiration is not valid: {problem}.',
    next: 'Send spec.ttl as seconds ("21600s") above 0, spec.expire_time in the future, or spec.no_expiry (true).',
  },
  EXPIRATION_TOO_FAR: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'expiration time exceeds the maximum expiration time',
    next: 'The maximum is {maximum} from now.',
    recorded: true,
    traced: true,
  },
  BRANCH_MAY_NOT_EXPIRE: {
    code: 'BAD_REQUEST',
    say: 'A {kind} branch cannot have an expiration.',
    next: 'Send spec.no_expiry: true, or make it an ordinary branch first.',
  },
  BRANCH_EXPIRES: {
    code: 'BAD_REQUEST',
    say: 'A branch with an expiration cannot become {kind}.',
    next: 'Remove the expiration first: update it with spec.no_expiry: true.',
  },
  EXPIRING_BRANCH_HAS_CHILDREN: {
    code: 'BAD_REQUEST',
    say: 'Branches with an expiration date cannot have child branches',
    next: 'Remove the expiration of the source branch first, or branch from another one.',
    recorded: true,
  },
  SOURCE_OTHER_PROJECT: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'source_branch field must point to the branch from the same Project',
    recorded: true,
  },
  SOURCE_NOT_READY: {
    code: 'INVALID_STATE',
    say: "The branch '{branch}' is {state}.",
    next: 'Wait until it is READY.',
  },
  POINT_AMBIGUOUS: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'Only one of source_branch_time and source_branch_lsn may be set.',
    next: 'Send one of them, or neither to branch from now.',
  },
  POINT_UNAVAILABLE: {
    code: 'NOT_IMPLEMENTED',
    say: 'A past point of a branch is not available yet.',
    next: 'Leave source_branch_time and source_branch_lsn out for the branch as it is now, or branch from one of the snapshots of the project (spec.source_snapshot).',
  },
  SOURCE_AMBIGUOUS: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'A branch from a snapshot has no other source, and this request sets {field} too.',
    next: 'Send source_snapshot alone, or leave it out.',
  },
  SNAPSHOT_OTHER_PROJECT: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'source_snapshot names a snapshot of another project.',
    next: 'A branch and its snapshot belong to one project: create the branch there.',
  },
  SNAPSHOT_NOT_READY: {
    code: 'INVALID_STATE',
    say: "The snapshot '{snapshot}' is still being taken.",
    next: 'Wait for the operation that takes it.',
  },
  PROTECTED_LIMIT: {
    code: 'BAD_REQUEST',
    say: 'Project already has the protected branch {branches}.',
    next: 'Clear spec.is_protected there first, or start the server with a higher {setting}: the limit is {limit}.',
  },
  BRANCH_TOO_LARGE: {
    code: 'QUOTA_EXCEEDED',
    say: "The branch '{branch}' holds {size}; above {limit} a branch is not copied.",
    next: 'Drop what is no longer needed, or start the server with a higher {setting}.',
  },
  BRANCH_PROTECTED: {
    code: 'BAD_REQUEST',
    say: 'cannot delete protected branch',
    next: 'Clear it first: update the branch with mask spec.is_protected and is_protected: false.',
    recorded: true,
  },
  PROJECT_HAS_PROTECTED: {
    code: 'BAD_REQUEST',
    say: "cannot delete a project with the protected branch '{branch}'",
    next: 'Clear spec.is_protected of that branch first.',
  },
  BRANCH_IS_DEFAULT: {
    code: 'BAD_REQUEST',
    say: 'cannot delete the default branch',
    next: 'Make another branch the default first: update spec.default_branch of the project.',
  },
  BRANCH_IS_ROOT: {
    code: 'BAD_REQUEST',
    say: "Cannot delete root branch '{branch}'. It is deleted with its project.",
    next: 'Delete the project instead.',
    recorded: true,
    managedByParent: true,
  },
  BRANCH_HAS_CHILDREN: {
    code: 'BAD_REQUEST',
    say: 'cannot delete a branch with child branches: {children}',
    next: 'Delete the child branches first.',
  },
  BRANCH_NOT_DELETED: {
    code: 'INVALID_STATE',
    say: 'The {kind} is not deleted.',
    next: 'There is nothing to undelete.',
  },
  LIMIT_REACHED: {
    code: 'QUOTA_EXCEEDED',
    say: '{what}: the limit of {limit} is reached.',
    next: 'Delete what is no longer needed, or start the server with a higher {setting}.',
  },

  // Endpoint rules
  READ_WRITE_ENDPOINT_STAYS: {
    code: 'BAD_REQUEST',
    say: "Cannot delete read-write endpoint '{endpoint}'. Read-write endpoints cannot be deleted.",
    next: 'It is deleted with its branch.',
    recorded: true,
    managedByParent: true,
  },
  READ_ONLY_ENDPOINTS_LIMIT: {
    code: 'QUOTA_EXCEEDED',
    say: "Branch '{branch}' has {limit} read-only endpoints, which is the most.",
    next: 'Delete one of them, or give an existing one a larger size.',
  },
  ACTIVE_COMPUTES_LIMIT: {
    code: 'QUOTA_EXCEEDED',
    say: "{limit} computes of project '{project}' are awake beside those of its default branch, which is the most at once.",
    next: 'Disable or delete endpoints, let them go to sleep sooner (suspend_timeout_duration), or start the server with a higher --max-active-computes.',
    sqlstate: '53400',
  },
  CREDENTIAL_ENDPOINT_FORM: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "Field 'endpoint' must be a full endpoint name, got '{value}'.",
    next: 'It looks like projects/PROJECT/branches/BRANCH/endpoints/primary: a branch name is not enough.',
  },
  TTL_OUT_OF_RANGE: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'The lifetime of a credential must be between {minimum} and {maximum}.',
    next: 'Send ttl as seconds, for example "3600s".',
  },

  // Roles and databases
  ROLE_OWNS_OBJECTS: {
    code: 'BAD_REQUEST',
    say: "cannot delete role '{role}': it owns {what}",
    next: 'Name a role in reassign_owned_to that owns all of it from then on.',
  },
  OWNER_ROLE_STAYS: {
    code: 'BAD_REQUEST',
    say: "cannot delete owner role '{role}' of the branch: it owns {what}",
    next: 'It is deleted with its branch. To delete it before, name a role in reassign_owned_to.',
    managedByParent: true,
  },
  ROLE_REASSIGN_SELF: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'reassign_owned_to names the role that is to be deleted.',
    next: 'Name another role of the branch.',
  },
  ROLE_HAS_NO_PASSWORD: {
    code: 'BAD_REQUEST',
    say: "The role '{role}' does not log in by password: its auth_method is {auth}.",
    next: 'Identities log in with a token: lakelet postgres generate-database-credential.',
  },
  ROLE_OTHER_BRANCH: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "Field '{field}' must name a role of the same branch, got '{value}'.",
    next: 'Roles of the branch look like {form}.',
  },
  ROLE_KIND_MIXED: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'identity_type {identity} and auth_method {auth} do not go together.',
    next: 'Identities log in by LAKEBASE_OAUTH_V1 or not at all (NO_LOGIN); roles without identity_type by PG_PASSWORD_SCRAM_SHA_256 or not at all.',
  },
  DATABASE_IN_USE: {
    code: 'BAD_REQUEST',
    say: "Postgres keeps the database '{database}' as it is: {problem}.",
    next: 'End what uses it (prepared transactions, replication slots, subscriptions) and try again.',
  },
  DATABASE_CLOSED: {
    code: 'BAD_REQUEST',
    say: "The database '{database}' allows no connections, and the role '{role}' has rights or objects in it.",
    next: 'Open it first: ALTER DATABASE … ALLOW_CONNECTIONS true.',
  },

  // The machine
  STORAGE_FULL: {
    code: 'QUOTA_EXCEEDED',
    say: 'The storage pool has no room left: {free} free, {needed} needed.',
    next: 'Delete branches, or give the pool more room (lakelet up --pool-size).',
    sqlstate: '53100',
  },
  STORAGE_UNAVAILABLE: {
    code: 'TEMPORARILY_UNAVAILABLE',
    say: 'The storage pool is not available: {problem}.',
    next: 'Mount it again, or restart the server, which mounts the pools that it made.',
    sqlstate: '58030',
  },
  TOOLCHAIN_MISSING: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'Postgres {major} is not installed here.',
    next: 'Available: {available}.',
  },
  COMPUTE_FAILED: {
    code: 'INTERNAL_ERROR',
    say: "The compute of endpoint '{endpoint}' cannot start: {problem}.",
    next: "Read its log with the server's state directory: log/{endpoint}.log.",
    sqlstate: '58000',
  },
  COMPUTE_STARTING: {
    code: 'TEMPORARILY_UNAVAILABLE',
    say: "The compute of endpoint '{endpoint}' is still starting.",
    next: 'Try again in a moment.',
    sqlstate: '57P03',
  },

  READER_BEHIND: {
    code: 'TEMPORARILY_UNAVAILABLE',
    say: "The read-only endpoint '{endpoint}' has not yet received the role that this login needs.",
    next: 'Try again in a moment. A long query on this endpoint may hold up what it receives.',
    sqlstate: '57P03',
  },

  // Logging in to Postgres
  TLS_REQUIRED: {
    code: 'UNAUTHENTICATED',
    say: 'connection is insecure',
    next: 'Connect with sslmode=require.',
    sqlstate: '28000',
  },
  PROTOCOL_VIOLATION: {
    code: 'MALFORMED_REQUEST',
    say: 'protocol violation: {problem}',
    sqlstate: '08P01',
  },
  PROTOCOL_UNSUPPORTED: {
    code: 'MALFORMED_REQUEST',
    say: 'unsupported frontend protocol {version}: server supports 3.0 to 3.2',
    sqlstate: '0A000',
  },
  ENDPOINT_UNNAMED: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'endpoint is not specified',
    next: 'Connect to the host of the endpoint, or add options=endpoint=<endpoint uid>.',
    sqlstate: '08004',
  },
  ENDPOINT_CONTRADICTED: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "The host name means endpoint '{host}', but the connection asks for '{option}'.",
    next: 'Leave out one of them.',
    sqlstate: '08004',
  },
  ENDPOINT_DISABLED: {
    code: 'INVALID_STATE',
    say: 'endpoint is disabled',
    next: 'Enable it: update the endpoint with mask spec.disabled and disabled: false.',
    sqlstate: '08004',
  },
  LOGIN_FAILED: {
    code: 'UNAUTHENTICATED',
    say: `password authentication failed for user "{user}"`,
    next: 'Use a credential of this endpoint as the password: lakelet postgres generate-database-credential.',
    sqlstate: '28P01',
  },
  ROLE_MISSING: {
    code: 'UNAUTHENTICATED',
    say: `password authentication failed for user "{user}": the branch has no such role`,
    next: "Ask someone who may manage the project for it: SELECT databricks_create_role('{user}', 'USER').",
    sqlstate: '28P01',
  },
  TOKEN_EXPIRED: {
    code: 'UNAUTHENTICATED',
    say: 'OAuth: User is not authorized: the token has expired',
    next: 'Get a new one: lakelet postgres generate-database-credential.',
    sqlstate: '28P01',
  },
  TOKEN_OTHER_ENDPOINT: {
    code: 'UNAUTHENTICATED',
    say: 'OAuth: User is not authorized: the token belongs to another endpoint',
    next: 'Get one for this endpoint: lakelet postgres generate-database-credential.',
    sqlstate: '28P01',
  },
  TOKEN_OTHER_ROLE: {
    code: 'UNAUTHENTICATED',
    say: `the token belongs to "{identity}", who may not log in as role "{user}"`,
    next: 'Set the user name of the connection to "{identity}".',
    sqlstate: '28000',
  },
  NATIVE_LOGIN_DISABLED: {
    code: 'UNAUTHENTICATED',
    say: 'native postgres login is disabled for this endpoint',
    next: 'Log in with a token, or update the project with spec.enable_pg_native_login: true.',
    sqlstate: '28000',
    recorded: true,
  },
  TOO_MANY_CONNECTIONS: {
    code: 'RESOURCE_EXHAUSTED',
    say: 'too many connections for {what}',
    next: 'Close idle connections, or use a pool.',
    sqlstate: '53300',
  },
  HANDSHAKE_TIMEOUT: {
    code: 'UNAUTHENTICATED',
    say: 'canceling authentication due to timeout',
    sqlstate: '57014',
  },
  ACCESS_ENDED: {
    code: 'PERMISSION_DENIED',
    say: 'terminating connection: its rights on this branch have been taken away or lowered',
    next: 'Connect again to work with the rights that are left, or ask someone who may manage the project.',
    sqlstate: '57P01',
  },
  ENDING: {
    code: 'TEMPORARILY_UNAVAILABLE',
    say: 'terminating connection due to administrator command',
    sqlstate: '57P01',
  },
  ...signInReasons,
} as const satisfies Record<string, ReasonSpec>

export type Reason = keyof typeof reasons
export type Facts = Readonly<Record<string, string | number | boolean>>

/** An expected refusal. Facts are shown to clients: never a path, host, SQL text or secret. */
export class Fault extends Error {
  override readonly name = 'Fault'
  readonly reason: Reason
  readonly facts: Facts

  constructor(reason: Reason, facts: Facts = {}, options?: ErrorOptions) {
    super(fill(reasons[reason].say, facts), options) // `cause` is for the log alone
    this.reason = reason
    this.facts = facts
  }

  get spec(): ReasonSpec {
    return reasons[this.reason]
  }

  get code(): Code {
    return this.spec.code
  }

  /** What to do next, if the registry knows. */
  get next(): string | undefined {
    return this.spec.next === undefined ? undefined : fill(this.spec.next, this.facts)
  }

  /** The whole text for clients that show one: what happened, and what to do unless recorded. */
  get text(): string {
    const { next, message } = this
    if (next === undefined || this.spec.recorded) return message
    return /[.!?]$/.test(message) ? `${message} ${next}` : `${message}. ${next}`
  }
}

const fill = (template: string, facts: Facts): string =>
  template.replace(/\{(\w+)\}/g, (_, key: string) => String(facts[key] ?? '?').slice(0, 500))

/** A fault as it is stored in an operation or sent to another process. */
export interface FaultRecord {
  readonly reason: Reason
  readonly facts: Facts
}

export const toRecord = ({ reason, facts }: Fault): FaultRecord => ({ reason, facts })
export const fromRecord = ({ reason, facts }: FaultRecord): Fault => new Fault(reason, facts)
