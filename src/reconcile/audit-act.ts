/** The audit line of what the server does by itself because its time has come. */
import { bySystem } from '../actions/audit-entry.ts'
import { operationName } from '../domain/operation.ts'
import type { EpochMs } from '../lib/time.ts'
import type { CatalogSession, NewWork } from '../ports/catalog.ts'

/** The last thing in the transaction; the end of the operation is a line of its own. */
export async function auditAct(
  session: CatalogSession,
  action: string,
  work: NewWork,
  resourceUid: string,
  now: EpochMs,
): Promise<void> {
  const { resource, projectUid } = work
  await session.audit.append({
    ...bySystem(action, { resource, resourceUid }, now),
    projectUid,
    operation: operationName(work),
    result: 'accepted',
  })
}
