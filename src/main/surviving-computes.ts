/** Computes outlive the server; it takes them over at its start and, when asked to end, ends them all. */
import { suspend } from '../actions/fleet.ts'
import { anyComputeSpec } from '../actions/readers.ts'
import type { Services } from '../actions/services.ts'
import { millis, seconds } from '../lib/time.ts'

/**
 * Computes outlive the server: those that still run are taken over before anything else happens. One
 * that cannot be (it was starting, and did not get there) has been ended; its next connection starts it.
 */
export async function adoptComputes(services: Services): Promise<void> {
  const { catalog, computes, log } = services
  const contexts = await catalog.endpoints.everyContext()
  await Promise.all(
    contexts.map(async (context) => {
      const facts = { endpoint: context.endpoint.uid }
      try {
        const spec = await anyComputeSpec(services, context)
        if ((await computes.adopt(spec)) !== 'adopted') return
        log.info(facts, 'adopted a running compute')
        await computes.reload(spec) // a change may have been accepted and not yet told
      } catch (error) {
        log.warn({ err: error, ...facts }, 'cannot adopt a compute')
      }
    }),
  )
}

/**
 * All of them, whatever becomes of one: the pool cannot be unmounted under the others. Each first notes
 * what logins need; a catalog that is being started again is waited for.
 */
export async function stopComputes(services: Services): Promise<void> {
  const { catalog, clock, log } = services
  const end = clock.monotonic() + seconds(15)
  for (;;) {
    try {
      const contexts = await catalog.endpoints.everyContext()
      const results = await Promise.allSettled(
        contexts.map((context) => suspend(services, context)),
      )
      const failures = results.flatMap((result) =>
        result.status === 'rejected' ? [result.reason as unknown] : [],
      )
      if (failures.length === 0) return
      throw new AggregateError(failures, 'stop computes')
    } catch (error) {
      log.error({ err: error }, 'cannot suspend the computes')
      if (clock.monotonic() > end) throw error
      await clock.sleep(millis(200))
    }
  }
}

/** In the background: copies of Postgres from before an upgrade, once nothing runs from them. */
export function sweepToolchains({ computes, log }: Services): void {
  computes
    .sweepToolchains()
    .then((removed) => {
      if (removed.length > 0) log.info({ removed }, 'removed copies of Postgres that nothing uses')
    })
    .catch((error: unknown) => log.warn({ err: error }, 'cannot remove old copies of Postgres'))
}
