/** What a reason for a refusal says of itself; the reasons are in `faults.ts`. */

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
