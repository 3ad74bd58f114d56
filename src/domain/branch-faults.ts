/** Refusals by the rules of branches, endpoints, roles and databases; part of the one registry in `faults.ts`. */
import type { ReasonSpec } from './fault-codes.ts'

export const branchReasons = {
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
  POINT_IN_FUTURE: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'The time {time} has not come yet: here it is {now}.',
    next: 'Send a time in the past, or none for the branch as it is now.',
  },
  POINT_OUTSIDE_HISTORY: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "The history of the branch '{branch}' begins at {time} (log position {lsn}).{elsewhere}",
    next: 'Send a point from there on, or neither for the branch as it is now.',
  },
  POINT_AFTER_END: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "The log of the branch '{branch}' ends at {end}, before {lsn}.",
    next: 'Send a position before its end, or none for the branch as it is now.',
  },
  HISTORY_NOT_BEGUN: {
    code: 'INVALID_STATE',
    say: "The branch '{branch}' has no history yet.",
    next: 'It begins a moment after the branch is READY; leave source_branch_time and source_branch_lsn out for the branch as it is now.',
  },
  HISTORY_DAMAGED: {
    code: 'INTERNAL_ERROR',
    say: "The history of the branch '{branch}' cannot be read up to this point: WAL segment {segment} is {problem}.",
    next: 'What can still be reached: {reachable}; and the branch as it is now.',
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
  BRANCH_IS_NO_LEFT_OVER: {
    code: 'INVALID_STATE',
    say: "The branch '{branch}' is not collected: {problem}.",
    next: 'To delete it all the same, delete it by its name.',
  },
  BRANCH_IS_DEFAULT: {
    code: 'BAD_REQUEST',
    say: 'cannot delete the default branch',
    next: 'Make another branch the default first: update spec.default_branch of the project.',
  },
  RESET_NEEDS_SOURCE: {
    code: 'BAD_REQUEST',
    say: "cannot reset branch '{branch}': it has no source branch",
    next: 'Restore it in place from one of its snapshots or from a point of its history.',
  },
  RESET_SOURCE_GONE: {
    code: 'BAD_REQUEST',
    say: "cannot reset branch '{branch}': its source branch '{source}' is deleted",
    next: 'Undelete the source branch, or restore the branch from one of its snapshots.',
  },
  BRANCH_KEEPS_DATA: {
    code: 'BAD_REQUEST',
    say: 'cannot {act} protected branch',
    next: 'Clear it first: update the branch with mask spec.is_protected and is_protected: false.',
  },
  BRANCH_RESETTING: {
    code: 'INVALID_STATE',
    say: "The branch '{branch}' is being reset or restored.",
    next: 'Wait for that operation.',
  },
  BRANCH_BEING_COPIED: {
    code: 'INVALID_STATE',
    say: "cannot {act} branch '{branch}' while branches are made from it: {children}",
    next: 'Wait until they are READY.',
  },
  RESTORE_POINT_REQUIRED: {
    code: 'INVALID_PARAMETER_VALUE',
    say: 'Exactly one of snapshot, time and lsn says what to restore; this request sets {given}.',
    next: 'Send one of them.',
  },
  SNAPSHOT_OF_ANOTHER: {
    code: 'INVALID_PARAMETER_VALUE',
    say: "The snapshot '{snapshot}' is not of branch '{branch}' but of '{source}'.",
    next: 'Create a branch from it (spec.source_snapshot), or name a snapshot of this branch.',
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
} as const satisfies Record<string, ReasonSpec>
