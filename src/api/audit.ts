/** The audit log. */
import { z } from 'zod'
import type { Actions } from '../actions/actions.ts'
import { auditResults } from '../domain/audit.ts'
import { rfc3339 } from '../lib/time.ts'
import { defined, integer, line, timestamp } from './fields.ts'
import { pageQuery, readPage, renderPage } from './page-query.ts'
import { ok, type Route, route } from './route.ts'

const path = '/api/lakelet/v1/audit'

const query = pageQuery.extend({
  who: line(1, 256).optional(),
  action: line(1, 100).optional(),
  resource: line(1, 400).optional(),
  result: z.enum(auditResults).optional(),
  from: timestamp.optional(),
  to: timestamp.optional(),
  after: integer(0, Number.MAX_SAFE_INTEGER).optional(),
})

/** `SEQ:HASH` of an entry, as an earlier verification told it. */
const kept = z
  .string()
  .regex(/^\d{1,15}:[0-9a-f]{64}$/, 'it must be SEQ:HASH as an earlier verification told it')
  .transform((text) => {
    const [seq = '', hash = ''] = text.split(':')
    return { seq: Number(seq), hash }
  })

type Line = Awaited<ReturnType<Actions['listAudit']>>['items'][number]

export const auditRoutes = (actions: Actions): readonly Route[] => [
  route({
    method: 'GET',
    path,
    summary: 'List the audit log, newest first',
    access: 'identity',
    query,
    async handle({ caller, query: asked }) {
      const { who, action, resource, result, from, to, after } = asked
      const filter = {
        who,
        action,
        resource: resource?.replace(/\/+$/, ''),
        result,
        from,
        to,
        after,
      }
      const { items, nextPageToken } = await actions.listAudit(caller, filter, readPage(asked))
      return ok(renderPage('entries', { items: items.map(render), nextPageToken }))
    },
  }),
  route({
    method: 'GET',
    path: `${path}/verify`,
    summary: 'Verify the chain of hashes of the audit log',
    access: 'identity',
    query: z.object({ kept: kept.optional() }),
    async handle({ caller, query: asked }) {
      const { lines, firstSeq, lastSeq, lastHash, broken } = await actions.verifyAudit(
        caller,
        asked.kept,
      )
      return ok({
        verified: broken === undefined,
        entries: lines,
        ...defined({ first_seq: firstSeq, last_seq: lastSeq, last_hash: lastHash, broken }),
      })
    },
  }),
]

const render = (entry: Line) => {
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
    changed_fields: entry.changed,
    details: entry.details,
    count: entry.count,
  }
}
