/** The audit log. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { auditResults } from '../domain/audit.ts'
import { auditEntry, auditVerification, renderEntry } from './audit-resource.ts'
import { defined, integer, line, timestamp } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { pageOf } from './reply-fields.ts'
import { ok, type Route, route } from './route.ts'

const path = '/api/lakelet/v1/audit'

const query = pageQuery.extend({
  who: line(1, 256).optional().describe('Login name, uid or coding agent.'),
  action: line(1, 100).optional(),
  resource: line(1, 400).optional().describe('This resource and everything below it.'),
  result: z.enum(auditResults).optional(),
  from: timestamp.optional().describe('From this moment on.'),
  to: timestamp.optional().describe('Before this moment.'),
  after: integer(0, Number.MAX_SAFE_INTEGER).optional().describe('Younger than this `seq`.'),
})

/** `SEQ:HASH` of an entry, as an earlier verification told it. */
const kept = z
  .string()
  .regex(/^\d{1,15}:[0-9a-f]{64}$/, 'it must be SEQ:HASH as an earlier verification told it')
  .transform((text) => {
    const [seq = '', hash = ''] = text.split(':')
    return { seq: Number(seq), hash }
  })

export const auditRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'GET',
    path,
    summary: 'List the audit log, newest first',
    description:
      'Administrators read all of it; whoever manages a project, the entries of that project, when `resource` names it.',
    operationId: 'listAuditEntries',
    tag: 'Audit',
    reply: { 200: pageOf('entries', auditEntry) },
    refusals: [
      'AUDIT_NEEDS_PROJECT',
      'PERMISSION_DENIED',
      'PROJECT_NOT_FOUND',
      'PAGE_TOKEN_UNKNOWN',
    ],
    access: 'identity',
    query,
    async handle({ caller, query: asked }) {
      const { who, action, resource, result, from, to, after } = asked
      const about = resource?.replace(/\/+$/, '')
      const filter = { who, action, resource: about, result, from, to, after }
      const { items, nextPageToken } = await actions.listAudit(caller, filter, readPage(asked))
      return ok(renderPage('entries', { items: items.map(renderEntry), nextPageToken }))
    },
  }),
  route({
    method: 'GET',
    path: `${path}/verify`,
    summary: 'Verify the chain of hashes of the audit log',
    description: 'Administrators only. Reads every entry.',
    operationId: 'verifyAuditLog',
    tag: 'Audit',
    reply: { 200: auditVerification },
    refusals: ['PERMISSION_DENIED'],
    access: 'identity',
    query: z.object({
      kept: kept.optional().describe('`SEQ:HASH` of an earlier verification: must still be there.'),
    }),
    async handle({ caller, query: asked }) {
      const found = await actions.verifyAudit(caller, asked.kept)
      const { entries, firstSeq, lastSeq, lastHash, broken } = found
      return ok({
        verified: broken === undefined,
        entries,
        ...defined({ first_seq: firstSeq, last_seq: lastSeq, last_hash: lastHash, broken }),
      })
    },
  }),
]
