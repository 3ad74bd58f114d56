/** Refusals of what was sent, and of who sent it; part of the one registry in `faults.ts`. */
import type { ReasonSpec } from './fault-codes.ts'

export const requestReasons = {
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
} as const satisfies Record<string, ReasonSpec>
