/**
 * Which refusals a route can answer: those it declares, and those that follow from what it takes. The
 * API document lists them, and the tests refuse a status that is not among them.
 */
import { codes } from '../domain/fault-codes.ts'
import { type Reason, reasons } from '../domain/faults.ts'
import type { Route } from './route.ts'

/** Ids in the path: what is said of one that is not there. */
const absent: Readonly<Record<string, Reason>> = {
  project: 'PROJECT_NOT_FOUND',
  branch: 'BRANCH_NOT_FOUND',
  endpoint: 'ENDPOINT_NOT_FOUND',
  role: 'ROLE_NOT_FOUND',
  database: 'DATABASE_NOT_FOUND',
  snapshot: 'SNAPSHOT_NOT_FOUND',
}

const readingBody = [
  'BODY_NOT_JSON',
  'BODY_TOO_LARGE',
  'CONTENT_TYPE_UNSUPPORTED',
  'FIELD_REQUIRED',
] as const satisfies readonly Reason[]

const readingMask = [
  'MASK_UNKNOWN_PATH',
  'MASK_FIELD_ABSENT',
  'FIELD_IMMUTABLE',
] as const satisfies readonly Reason[]

export const statusOfReason = (reason: Reason): number => codes[reasons[reason].code]

/** Ordered by status, each once. */
export function refusalsOf(route: Route): readonly Reason[] {
  const ids = Object.keys(absent).filter((name) => route.path.includes(`{${name}}`))
  const found: readonly (Reason | undefined)[] = [
    'FIELD_INVALID', // a NUL in any query
    ...(route.query === undefined ? [] : (['FIELD_REQUIRED', 'ID_INVALID'] as const)),
    ...(route.body === undefined || route.body.isLenient ? [] : readingBody),
    ...(route.body?.mask === undefined ? [] : readingMask),
    ...(route.access === 'identity' ? (['UNAUTHENTICATED'] as const) : []),
    ...(ids.length > 0 ? (['ID_INVALID', 'PERMISSION_DENIED'] as const) : []),
    ...ids.map((name) => absent[name]),
    ...(route.refusals ?? []),
    'INTERNAL',
    'UNAVAILABLE',
  ]
  const each = new Set(found.filter((reason) => reason !== undefined))
  return [...each].sort((one, other) => statusOfReason(one) - statusOfReason(other))
}
