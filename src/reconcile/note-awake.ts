/**
 * Keeps size and last activity of awake branches fresh in the catalog, so that a read of the API
 * asks no compute. Only endpoints with sessions are looked at: while sessions last, once a minute;
 * soon after one has ended, since that is when people look at what it did. Idle computes are left
 * alone.
 */
import { noteAwake } from '../actions/fleet.ts'
import type { Services } from '../actions/services.ts'
import type { EndpointUid } from '../domain/names.ts'
import { after, type EpochMs, epochMs, seconds } from '../lib/time.ts'

const whileOpen = seconds(60)
/** Some sessions come in bursts: a look after each would be a look too many. */
const afterEnd = seconds(1)
const atMostEvery = seconds(10)

export interface AwakeNoter {
  /** A session of this endpoint was opened or has ended. */
  touched(uid: EndpointUid, what: 'opened' | 'closed'): void
  /** Looks at what is due; answers when the next look is. */
  run(): Promise<EpochMs | undefined>
}

export function awakeNoter(
  services: Pick<Services, 'catalog' | 'computes' | 'clock' | 'log'>,
): AwakeNoter {
  const { catalog, computes, clock, log } = services
  const due = new Map<EndpointUid, EpochMs>()
  const lastLook = new Map<EndpointUid, EpochMs>()
  computes.onChange((uid, { kind }) => {
    if (kind === 'ready') return
    due.delete(uid)
    lastLook.delete(uid)
  })

  const look = async (uid: EndpointUid): Promise<void> => {
    due.delete(uid)
    const context = await catalog.endpoints.context(uid)
    if (context === undefined || computes.state(uid).kind !== 'ready') return
    lastLook.set(uid, clock.now())
    try {
      const { sessions } = await noteAwake(services, context)
      if (sessions > 0 && !due.has(uid)) due.set(uid, after(clock.now(), whileOpen))
    } catch (error) {
      log.debug({ err: error, endpoint: uid }, 'cannot note size and activity')
    }
  }

  return {
    touched(uid, what) {
      const now = clock.now()
      const last = lastLook.get(uid)
      const wanted =
        what === 'opened'
          ? after(now, whileOpen)
          : Math.max(after(now, afterEnd), last === undefined ? 0 : after(last, atMostEvery))
      const planned = due.get(uid) ?? Number.POSITIVE_INFINITY
      due.set(uid, epochMs(Math.min(planned, wanted)))
    },
    async run() {
      const now = clock.now()
      for (const [uid, at] of [...due]) if (at <= now) await look(uid)
      return due.size === 0 ? undefined : epochMs(Math.min(...due.values()))
    },
  }
}
