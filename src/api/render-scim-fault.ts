/**
 * A refusal for clients of SCIM (RFC 7644 §3.12), in one body with the service's own form: the SDKs
 * read either. `detail` comes only with a `scimType`, since the Python SDK prints both or "None".
 */
import type { Fault, Reason } from '../domain/faults.ts'
import { renderFault, statusOf, type Trace } from './render-fault.ts'

const types: Partial<Record<Reason, string>> = {
  SCIM_FILTER_INVALID: 'invalidFilter',
  SCIM_PATH_INVALID: 'invalidPath',
  SCIM_NO_TARGET: 'noTarget',
  FIELD_INVALID: 'invalidValue',
  FIELD_REQUIRED: 'invalidValue',
  FIELD_IMMUTABLE: 'mutability',
  GROUP_BUILT_IN: 'mutability',
  BODY_NOT_JSON: 'invalidSyntax',
  IDENTITY_EXISTS: 'uniqueness',
}

export const isScimPath = (path: string): boolean => /\/scim\/v2(\/|$)/.test(path)

export function renderScimFault(fault: Fault, trace: Trace) {
  const body = renderFault(fault, trace)
  const scimType = types[fault.reason]
  return {
    ...body,
    schemas: ['urn:ietf:params:scim:api:messages:2.0:Error'],
    status: String(statusOf(fault)),
    ...(scimType === undefined ? {} : { scimType, detail: body.message }),
  }
}
