/** Entries of the audit log, begun: by whom and from where. */
import type { Actor, AuditDetails, AuditEntry, Origin } from '../domain/audit.ts'
import type { EpochMs } from '../lib/time.ts'
import type { Caller } from './actions.ts'

/** What is told of an act: `changed` holds names of fields, `details` no secret. */
export interface About {
  readonly resource: string
  readonly resourceUid?: string
  readonly changed?: readonly string[]
  readonly details?: AuditDetails
}

export type Begun = Omit<AuditEntry, 'result' | 'reason'>

export const actorOf = ({ identity, agent }: Caller): Actor => ({
  kind: identity.kind,
  uid: identity.uid,
  name: identity.loginName,
  ...(agent === undefined ? {} : { agent }),
})

export const originOf = ({
  remoteAddress,
  userAgent,
  requestId,
  traceId,
}: Omit<Caller, 'identity'>): Origin => ({
  userAgent,
  requestId,
  ...(remoteAddress === undefined ? {} : { remoteAddress }),
  ...(traceId === undefined ? {} : { traceId }),
})

export const begin = (
  action: string,
  { resource, resourceUid, changed = [], details = {} }: About,
  {
    actor,
    origin,
    time,
  }: { readonly actor: Actor; readonly origin: Origin; readonly time: EpochMs },
): Begun => ({
  time,
  action,
  resource,
  ...(resourceUid === undefined ? {} : { resourceUid }),
  actor,
  origin,
  changed,
  details,
  count: 1,
})

/** What the server does by itself: expiry, purge, first start. */
export const bySystem = (action: string, about: About, time: EpochMs): Begun =>
  begin(action, about, { actor: { kind: 'SYSTEM' }, origin: {}, time })
