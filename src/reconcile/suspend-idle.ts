/**
 * Suspends computes that nobody uses. Each awake one is asked only when its time may be up, so an
 * idle compute is disturbed once per timeout; what runs is known from the supervisor, not stored.
 */
import { suspend } from '../actions/fleet.ts'
import type { Services } from '../actions/services.ts'
import type { EndpointUid } from '../domain/names.ts'
import { planSuspend, type SuspendPlan } from '../domain/plan-suspend.ts'
import { after, type EpochMs, epochMs, minutes, seconds } from '../lib/time.ts'
import type { EndpointContext } from '../ports/catalog.ts'

/** Settings may have changed since an endpoint was looked at: so long is a plan kept. */
const planKept = minutes(1)
/** Nobody who has just been woken goes to sleep: the shortest timeout is a minute. */
const firstLook = seconds(10)

/** Remembers which endpoints are awake, and when each is worth a look. */
export function idleSuspender(services: Services): () => Promise<EpochMs | undefined> {
  const { catalog, computes, clock, log } = services
  const lookAt = new Map<EndpointUid, EpochMs>()
  let isSeeded = false
  computes.onChange((uid, { kind }) => {
    if (kind === 'ready') lookAt.set(uid, after(clock.now(), firstLook))
    else lookAt.delete(uid)
  })

  const look = async (uid: EndpointUid): Promise<EpochMs | undefined> => {
    const context = await catalog.endpoints.context(uid)
    const state = computes.state(uid)
    if (context === undefined || state.kind !== 'ready') return undefined // no endpoint's, or asleep
    const now = clock.now()
    const { endpoint, branch } = context
    if (branch.state !== 'READY') return after(now, firstLook)
    const { since } = state
    const quick = planSuspend(
      { ...endpoint, awakeSince: since, busy: 0, lastActive: endpoint.lastActiveTime },
      now,
    )
    const plan = quick.do === 'suspend' ? await planFor(services, context, since) : quick
    if (plan.do === 'suspend') {
      log.info({ endpoint: uid }, 'suspending an idle compute')
      // Somebody may have come while a clone of the volume was waited for.
      await suspend(services, context, 'fast', async () => {
        const fresh = await catalog.endpoints.context(uid)
        if (fresh === undefined || computes.state(uid).kind !== 'ready') return false
        return (await planFor(services, fresh, since)).do === 'suspend'
      })
      return computes.state(uid).kind === 'ready' ? after(clock.now(), firstLook) : undefined
    }
    const latest = after(now, planKept)
    return plan.do === 'wait' && plan.until < latest ? plan.until : latest
  }

  return async () => {
    if (!isSeeded) {
      // Those that were adopted before anybody listened here.
      for (const { endpoint } of await catalog.endpoints.everyContext()) {
        if (computes.state(endpoint.uid).kind === 'ready') lookAt.set(endpoint.uid, clock.now())
      }
      isSeeded = true
    }
    for (const [uid, at] of [...lookAt]) {
      if (at > clock.now()) continue
      let next: EpochMs | undefined
      try {
        next = await look(uid)
      } catch (error) {
        log.warn({ err: error, endpoint: uid }, 'cannot see whether a compute is idle')
        next = after(clock.now(), seconds(5))
      }
      if (next === undefined) lookAt.delete(uid)
      else lookAt.set(uid, next)
    }
    const times = [...lookAt.values()]
    return times.length === 0 ? undefined : epochMs(Math.min(...times))
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
