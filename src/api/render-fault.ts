/**
 * A refusal as clients read it: `{error_code, message, details}`. Every item of `details` carries a
 * `metadata` object, since the JavaScript SDK enumerates it on each and fails where it is missing.
 */
import { codes } from '../domain/fault-codes.ts'
import type { Fault } from '../domain/faults.ts'

export interface Trace {
  readonly requestId: string
  /** 32 hex digits. */
  readonly traceId: string
}

const type = (name: string): string => `type.googleapis.com/google.rpc.${name}`

/** What Terraform and bundles look for: the parent takes this child along when it is deleted. */
const managedByParent = {
  '@type': type('ErrorInfo'),
  reason: 'RESOURCE_CONFLICT',
  domain: 'databricks.com',
  metadata: { declarative_context: 'MANAGED_BY_PARENT' },
} as const

export function renderFault(fault: Fault, { requestId, traceId }: Trace) {
  const { spec, next } = fault
  return {
    error_code: fault.code,
    message: spec.traced ? `${fault.text} [TraceId: ${traceId}]` : fault.text,
    details: [
      ...(spec.managedByParent ? [managedByParent] : []),
      // Recorded texts travel unchanged, so what to do about them travels beside them.
      ...(spec.recorded && next !== undefined
        ? [{ '@type': type('LocalizedMessage'), locale: 'en-US', message: next, metadata: {} }]
        : []),
      {
        '@type': type('RequestInfo'),
        request_id: requestId,
        serving_data: '',
        metadata: {},
      },
    ],
  }
}

export const statusOf = (fault: Fault): (typeof codes)[keyof typeof codes] => codes[fault.code]
