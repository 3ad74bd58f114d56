/** Operations for writes that are over when they are accepted: the row says so from its birth. */

import type { ProjectUid } from '../domain/names.ts'
import {
  type OperationResource,
  type OperationSubject,
  renderOperation,
} from '../domain/operation.ts'
import type { EpochMs } from '../lib/time.ts'
import type { CatalogSession, JsonObject } from '../ports/catalog.ts'
import type { Caller } from './actions.ts'
import { newOperationUid } from './new-uid.ts'

export async function recordDone(
  session: CatalogSession,
  {
    caller,
    kind,
    resource,
    subject,
    projectUid,
    response,
    now,
  }: {
    readonly caller: Caller
    readonly kind: string
    readonly resource: string
    readonly subject: OperationSubject
    readonly projectUid: ProjectUid
    readonly response: JsonObject
    readonly now: EpochMs
  },
): Promise<OperationResource> {
  const uid = newOperationUid()
  const work = { uid, kind, resource, subject, projectUid, callerUid: caller.identity.uid }
  await session.work.insertDone({ ...work, keys: [], input: {}, createTime: now }, response)
  return renderOperation({ uid, resource, subject, outcome: { kind: 'succeeded', response } })
}
