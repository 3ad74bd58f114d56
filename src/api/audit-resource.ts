/** Entries of the audit log and their verification, as clients read them. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { auditResults } from '../domain/audit.ts'
import { rfc3339 } from '../lib/time.ts'
import { defined } from './fields.ts'
import { int64, moment } from './reply-fields.ts'

const actorKinds = ['USER', 'SERVICE_PRINCIPAL', 'SYSTEM', 'UNKNOWN'] as const

export const auditEntry = z
  .strictObject({
    seq: int64.describe('1, 2, 3 … without gaps, in the order of the commits.'),
    time: moment,
    action: z.string().meta({ examples: ['create-branch'] }),
    resource: z.string().meta({ examples: ['projects/app/branches/dev'] }),
    resource_uid: z.string().optional(),
    result: z
      .enum(auditResults)
      .describe('accepted: the end of the operation is an entry of its own.'),
    reason: z.string().optional().describe('Why it was refused or failed.'),
    actor: z.strictObject({
      kind: z.enum(actorKinds).describe('UNKNOWN: nothing was proven; name is what was claimed.'),
      uid: z.string().optional(),
      name: z.string().optional().describe('Login name at the time.'),
      agent: z.string().optional().describe('The coding agent, as the client told.'),
    }),
    origin: z.strictObject({
      remote_address: z.string().optional(),
      user_agent: z.string().optional(),
      request_id: z.string().optional(),
      trace_id: z.string().optional(),
    }),
    operation: z.string().optional(),
    changed_fields: z.array(z.string()).describe('Names of the fields that were set; no values.'),
    details: z.record(
      z.string(),
      z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]),
    ),
    count: z.int().min(1).describe('More than 1: this many repetitions, put together.'),
  })
  .meta({ id: 'AuditEntry' })

export const auditVerification = z
  .strictObject({
    verified: z.boolean(),
    entries: int64,
    first_seq: int64.optional(),
    last_seq: int64.optional(),
    last_hash: z.string().optional().describe('SHA-256 in hex. Kept elsewhere, it proves the end.'),
    broken: z
      .strictObject({ seq: int64, problem: z.string() })
      .optional()
      .describe('The first entry that does not follow from the one before it.'),
  })
  .meta({ id: 'AuditVerification' })

type Line = Awaited<ReturnType<Actions['listAudit']>>['items'][number]

export const renderEntry = (entry: Line): z.output<typeof auditEntry> => {
  const { actor, origin } = entry
  return {
    seq: entry.seq,
    time: rfc3339(entry.time),
    action: entry.action,
    resource: entry.resource,
    ...defined({ resource_uid: entry.resourceUid }),
    result: entry.result,
    ...defined({ reason: entry.reason }),
    actor: {
      kind: actor.kind,
      ...defined({ uid: actor.uid, name: actor.name, agent: actor.agent }),
    },
    origin: defined({
      remote_address: origin.remoteAddress,
      user_agent: origin.userAgent,
      request_id: origin.requestId,
      trace_id: origin.traceId,
    }),
    ...defined({ operation: entry.operation }),
    changed_fields: [...entry.changed],
    details: entry.details as z.output<typeof auditEntry>['details'],
    count: entry.count,
  }
}
