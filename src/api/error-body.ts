/** A refusal as clients read it: `render-fault.ts` writes it, and operations that failed hold one. */
import { z } from 'zod'
import { type Code, codes } from '../domain/fault-codes.ts'

export const errorCode = z
  .enum(Object.keys(codes) as [Code, ...Code[]])
  .meta({ id: 'ErrorCode', description: 'The kind of refusal; programs branch on it.' })

const type = <const Name extends string>(name: Name) =>
  z.literal(`type.googleapis.com/google.rpc.${name}`)

// Empty where there is nothing to say: the JavaScript SDK enumerates it on each detail.
const metadata = z.record(z.string(), z.string())

const detail = z
  .discriminatedUnion('@type', [
    z.strictObject({
      '@type': type('ErrorInfo'),
      reason: z.string(),
      domain: z.string(),
      metadata,
    }),
    z.strictObject({
      '@type': type('LocalizedMessage'),
      locale: z.string(),
      message: z.string().meta({ description: 'What to do about it.' }),
      metadata,
    }),
    z.strictObject({
      '@type': type('RequestInfo'),
      request_id: z.string().meta({ description: "Stands in the server's log." }),
      serving_data: z.string(),
      metadata,
    }),
  ])
  .meta({ id: 'ErrorDetail' })

export const errorBody = z
  .strictObject({
    error_code: errorCode,
    message: z.string(),
    details: z.array(detail),
    // For clients of SCIM (RFC 7644 §3.12), at its paths alone.
    schemas: z.array(z.literal('urn:ietf:params:scim:api:messages:2.0:Error')).optional(),
    status: z.string().optional(),
    scimType: z.string().optional(),
    detail: z.string().optional(),
  })
  .meta({ id: 'Error', description: 'A refusal: what happened, and what to do about it.' })
