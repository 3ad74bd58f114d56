/** The end of an operation and its entry in the audit log are one transaction. */
import { operationName } from '../domain/operation.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { Clock } from '../lib/time.ts'
import type { Catalog, CatalogSession, Work, WorkLease, WorkRow } from '../ports/catalog.ts'

export type Changes = Parameters<Work['save']>[1]

export interface TellingWork extends Pick<Work, 'renew' | 'save'> {
  /** Saves what `write` answers, in the transaction in which it writes; when the lease is lost, neither is. */
  saveWith(lease: WorkLease, write: (session: CatalogSession) => Promise<Changes>): Promise<boolean>
}

/** The work of the catalog, whose saving of an ending state appends the entry. */
export function tellingWork(
  catalog: Pick<Catalog, 'work' | 'transaction'>,
  clock: Clock,
): TellingWork {
  const save = async (
    session: CatalogSession,
    lease: WorkLease,
    changes: Changes,
  ): Promise<boolean> => {
    const isHeld = await session.work.save(lease, changes)
    const { state, fault } = changes
    if (isHeld && (state === 'succeeded' || state === 'failed')) {
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
  }
  return {
    renew: (lease, until) => catalog.work.renew(lease, until),
    save(lease, changes) {
      const { state } = changes
      if (state !== 'succeeded' && state !== 'failed') return catalog.work.save(lease, changes)
      return catalog.transaction((session) => save(session, lease, changes))
    },
    async saveWith(lease, write) {
      const lost = new Error('the lease of an operation is lost') // rolls back what was written
      try {
        await catalog.transaction(async (session) => {
          const changes = await write(session)
          if (!(await save(session, lease, changes))) throw lost
        })
        return true
      } catch (error) {
        if (error === lost) return false
        throw error
      }
    },
  }
}

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
