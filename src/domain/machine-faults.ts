/** Refusals by the machine, and of logging in to Postgres; part of the one registry in `faults.ts`. */
import type { ReasonSpec } from './fault-codes.ts'

export const machineReasons = {
  // The machine
  STORAGE_FULL: {
    code: 'QUOTA_EXCEEDED',
    say: 'The storage pool has no room left: {free} free, {needed} needed.',
    next: 'Delete branches, or give the pool more room (lakelet up --pool-size).',
    sqlstate: '53100',
  },
  STORAGE_NEARLY_FULL: {
    code: 'QUOTA_EXCEEDED',
    say: 'The {place} has {free} of {total} free, and {reserve} are kept for the branches that are there.',
    next: 'Delete branches and snapshots that are no longer needed, for good (purge) since others keep their room for 7 days, {grow}.',
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
    // Not INTERNAL_ERROR: the next try ends the same way until somebody acts.
    code: 'INVALID_STATE',
    say: "The compute of endpoint '{endpoint}' cannot start: {problem}.",
    next: "If a setting is to blame, change the endpoint's spec.settings; else read log/{endpoint}.log in the server's state directory, or go on from another branch or a snapshot.",
    sqlstate: '58000',
  },
  BRANCH_DATA_MISSING: {
    code: 'INVALID_STATE',
    say: "The data of branch '{branch}' is not in the storage pool.",
    next: 'Put its volume {volume} back into the pool (lakelet status lists what was set aside), or delete the branch and create it again from a snapshot or another branch.',
    sqlstate: '58P01',
  },
  SNAPSHOT_DATA_MISSING: {
    code: 'INVALID_STATE',
    say: "The data of snapshot '{snapshot}' is not in the storage pool.",
    next: 'Put its volume {volume} back into the pool (lakelet status lists what was set aside), or delete the snapshot.',
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
} as const satisfies Record<string, ReasonSpec>
