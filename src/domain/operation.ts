/**
 * Long-running operations (Google AIP-151) as clients poll them. The same row is the work that a
 * worker claims.
 */
import { type Fault, type FaultRecord, fromRecord } from './faults.ts'
import type { OperationUid } from './names.ts'

/** What an operation works on: decides the metadata type that clients see. */
export type OperationSubject =
  | 'Project'
  | 'Branch'
  | 'Endpoint'
  | 'Role'
  | 'Database'
  | 'Snapshot'
  | 'SnapshotSchedule'
  | 'Backup'

export type OperationOutcome =
  | { readonly kind: 'pending' }
  | { readonly kind: 'succeeded'; readonly response: Readonly<Record<string, unknown>> }
  | { readonly kind: 'failed'; readonly fault: FaultRecord }

/** How far work has come, for whoever waits; not kept over a restart. */
export interface Progress {
  /** What is being done, as a phrase: `checking tables and indexes`. */
  readonly doing: string
  readonly done: number
  readonly total: number
}

export interface Operation {
  readonly uid: OperationUid
  /** Name of the resource worked on; the operation's own name hangs below it. */
  readonly resource: string
  readonly subject: OperationSubject
  /** What it has to say beside its outcome, on the way and at the end. */
  readonly report?: Readonly<Record<string, unknown>> | undefined
  readonly outcome: OperationOutcome
}

export const operationName = ({ resource, uid }: Pick<Operation, 'resource' | 'uid'>): string =>
  `${resource}/operations/${uid}`

export const empty = { '@type': 'type.googleapis.com/google.protobuf.Empty' } as const

export type OperationResource = ReturnType<typeof renderOperation>

export function renderOperation(operation: Operation, progress?: Progress) {
  const { outcome } = operation
  const isAtWork = outcome.kind === 'pending' && progress !== undefined
  return {
    name: operationName(operation),
    done: outcome.kind !== 'pending', // explicit false: the modular JavaScript SDK insists on it
    metadata: {
      '@type': `type.googleapis.com/databricks.postgres.v1.${operation.subject}OperationMetadata`,
      ...(isAtWork ? { progress } : {}),
      ...(operation.report === undefined ? {} : { report: operation.report }),
    },
    ...(outcome.kind === 'succeeded' ? { response: outcome.response } : {}),
    ...(outcome.kind === 'failed' ? { error: renderError(fromRecord(outcome.fault)) } : {}),
  }
}

const renderError = (fault: Fault) => ({
  error_code: fault.code,
  message: fault.text,
  details: [],
})
