/**
 * Suspends computes that nobody uses. Each awake one is asked only when its time may be up, so an
 * idle compute is disturbed once per timeout; what runs is known from the supervisor, not stored.
 */
import { suspend } from '../actions/fleet.ts'
import type { Services } from '../actions/services.ts'
import type { EndpointUid } from '../domain/names.ts'
import { planSuspend } from '../domain/plan-suspend.ts'
import { after, type EpochMs, epochMs, seconds } from '../lib/time.ts'

/** Remembers when each endpoint is worth a look; forgetting it costs one look. */
export function idleSuspender(services: Services): () => Promise<EpochMs | undefined> {
  const lookAt = new Map<EndpointUid, EpochMs>()
  services.computes.onChange((uid) => lookAt.delete(uid))
  return async () => {
    const { catalog, computes, clock, log } = services
    let next: EpochMs | undefined
    const sooner = (at: EpochMs) => {
      next = next === undefined ? at : epochMs(Math.min(next, at))
    }
    for (const context of await catalog.endpoints.everyContext()) {
      const { endpoint, branch } = context
      const state = computes.state(endpoint.uid)
      if (state.kind !== 'ready' || branch.state !== 'READY') {
        lookAt.delete(endpoint.uid)
        continue
      }
      const now = clock.now()
      const planned = lookAt.get(endpoint.uid)
      if (planned !== undefined && planned > now && !endpoint.isDisabled) {
        sooner(planned)
        continue
      }
      try {
        const quick = planSuspend(
          { ...endpoint, awakeSince: state.since, busy: 0, lastActive: endpoint.lastActiveTime },
          now,
        )
        const plan =
          quick.do === 'suspend'
            ? planSuspend(
                {
                  ...endpoint,
                  awakeSince: state.since,
                  ...(await computes.activity(endpoint.uid)),
                },
                now,
              )
            : quick
        if (plan.do === 'suspend') {
          log.info({ endpoint: endpoint.uid }, 'suspending an idle compute')
          await suspend(services, context)
        } else if (plan.do === 'wait') {
          lookAt.set(endpoint.uid, plan.until)
          sooner(plan.until)
        }
      } catch (error) {
        log.warn({ err: error, endpoint: endpoint.uid }, 'cannot see whether a compute is idle')
        sooner(after(now, seconds(5)))
      }
    }
    return next
  }
}
