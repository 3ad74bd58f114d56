/** Ends entries of the audit log that are older than their retention, and says so in the log itself. */
import { bySystem } from '../actions/audit-entry.ts'
import type { Services } from '../actions/services.ts'
import { before, type EpochMs, hours, after as later, type Millis } from '../lib/time.ts'
import { sweepAction } from '../ports/audit.ts'

/** An entry a day at most, besides those that a backlog takes. */
const every = hours(24)

/** Returns when it wants to run next. */
export async function sweepAudit(
  { catalog, clock, log }: Pick<Services, 'catalog' | 'clock' | 'log'>,
  retention: Millis,
): Promise<EpochMs> {
  for (;;) {
    const now = clock.now()
    const swept = await catalog.transaction(async (session) => {
      const gone = await session.audit.forget(before(now, retention))
      if (gone === undefined) return undefined
      const { entries, through, hash } = gone
      const about = { resource: 'audit', details: { entries, through, hash } }
      await session.audit.append({ ...bySystem(sweepAction, about, now), result: 'succeeded' })
      return gone
    })
    if (swept === undefined) return later(now, every)
    log.info(swept, 'swept the audit log')
  }
}
