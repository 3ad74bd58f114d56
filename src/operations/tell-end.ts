/** The end of an operation and its entry in the audit log are one transaction. */
import { operationName } from '../domain/operation.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { Clock } from '../lib/time.ts'
import type { Catalog, CatalogSession, Work, WorkRow } from '../ports/catalog.ts'

/** The work of the catalog, whose `save` of an ending state appends the entry. */
export const tellingWork = (
  catalog: Pick<Catalog, 'work' | 'transaction'>,
  clock: Clock,
): Pick<Work, 'renew' | 'save'> => ({
  renew: (lease, until) => catalog.work.renew(lease, until),
  save(lease, changes) {
    const { state, fault } = changes
    if (state !== 'succeeded' && state !== 'failed') return catalog.work.save(lease, changes)
    return catalog.transaction(async (session) => {
      const isHeld = await session.work.save(lease, changes)
      if (isHeld) {
        const { row } = lease
        await failpoint('audit.end:before')
        await session.audit.append({
          time: clock.now(),
          action: row.kind,
          resource: row.resource,
          ...uidOf(row),
          projectUid: row.projectUid,
          actor: await actorOf(session, row),
          origin: {},
          result: state,
          ...(fault === undefined ? {} : { reason: fault.reason }),
          operation: operationName(row),
          changed: [],
          details: {},
          count: 1,
        })
        await failpoint('audit.end:after')
      }
      return isHeld
    })
  },
})

function uidOf({ subject, projectUid, input }: WorkRow): { readonly resourceUid?: string } {
  const uid = subject === 'Project' ? projectUid : input[subject.toLowerCase()]
  return typeof uid === 'string' ? { resourceUid: uid } : {}
}

/** Whoever asked for it; the server itself for expiry and purge. */
async function actorOf({ identities }: CatalogSession, { callerUid }: WorkRow) {
  if (callerUid === undefined) return { kind: 'SYSTEM' } as const
  const identity = await identities.byUid(callerUid)
  return identity === undefined
    ? ({ kind: 'USER', uid: callerUid } as const) // deleted meanwhile: the entry of its deletion names it
    : { kind: identity.kind, uid: identity.uid, name: identity.loginName }
}
