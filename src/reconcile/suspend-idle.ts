/**
 * Suspends computes that nobody uses. Each awake one is asked only when its time may be up, so an
 * idle compute is disturbed once per timeout; what runs is known from the supervisor, not stored.
 */
import { suspend } from '../actions/fleet.ts'
import type { Services } from '../actions/services.ts'
import type { EndpointUid } from '../domain/names.ts'
import { planSuspend, type SuspendPlan } from '../domain/plan-suspend.ts'
import { after, type EpochMs, epochMs, seconds } from '../lib/time.ts'
import type { EndpointContext } from '../ports/catalog.ts'

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
        const since = state.since
        const quick = planSuspend(
          { ...endpoint, awakeSince: since, busy: 0, lastActive: endpoint.lastActiveTime },
          now,
        )
        const plan = quick.do === 'suspend' ? await planFor(services, context, since) : quick
        if (plan.do === 'suspend') {
          log.info({ endpoint: endpoint.uid }, 'suspending an idle compute')
          // Somebody may have come while a clone of the volume was waited for.
          await suspend(services, context, 'fast', async () => {
            const fresh = await catalog.endpoints.context(endpoint.uid)
            if (fresh === undefined || computes.state(endpoint.uid).kind !== 'ready') return false
            return (await planFor(services, fresh, since)).do === 'suspend'
          })
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

/** By what Postgres says of its sessions, and by the last login, whose session may yet be to come. */
async function planFor(
  { computes, clock }: Pick<Services, 'computes' | 'clock'>,
  { endpoint }: Pick<EndpointContext, 'endpoint'>,
  awakeSince: EpochMs,
): Promise<SuspendPlan> {
  const { busy, lastActive = epochMs(0) } = await computes.activity(endpoint.uid)
  const latest = epochMs(Math.max(lastActive, endpoint.lastActiveTime ?? 0))
  return planSuspend({ ...endpoint, awakeSince, busy, lastActive: latest }, clock.now())
}
