/** Refusals because a thing is absent, or there already; part of the one registry in `faults.ts`. */
import type { ReasonSpec } from './fault-codes.ts'

export const resourceReasons = {
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
  BINDING_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: "binding '{binding}' not found",
    next: 'List the bindings of the project: branches that are deleted have none.',
    traced: true,
  },
  WEBHOOK_NOT_FOUND: {
    code: 'NOT_FOUND',
    say: "webhook '{webhook}' not found",
    next: 'List the webhooks of the project.',
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

  WEBHOOKS_TOO_MANY: {
    code: 'QUOTA_EXCEEDED',
    say: 'The project has {limit} webhooks already.',
    next: 'Delete one that is no longer used.',
  },
  SECRETS_TOO_MANY: {
    code: 'QUOTA_EXCEEDED',
    say: "Service principal '{name}' has {limit} secrets already.",
    next: 'Delete one that is no longer used.',
  },
} as const satisfies Record<string, ReasonSpec>
