/**
 * Keeps awake readers at the heels of their writers, for sessions that stay: a writer that wakes is
 * told to its readers at once, and a reader that has lost its place in the log is made anew. Each
 * awake reader is looked at every few seconds; what runs is known from the supervisor, not stored.
 */
import { catchUp } from '../actions/catch-up.ts'
import { writerOf } from '../actions/readers.ts'
import type { Services } from '../actions/services.ts'
import { isLive } from '../domain/branch.ts'
import { isReader } from '../domain/endpoint.ts'
import type { EndpointUid } from '../domain/names.ts'
import { after, type EpochMs, epochMs, millis, seconds } from '../lib/time.ts'

const lookEvery = seconds(10)
/** A replay that is merely on its way is no reason to do anything. */
const effort = { patience: millis(0), mayWake: false }

/** Answers when the next look is; to be run at once when a compute has woken. */
export function readerKeeper(services: Services): () => Promise<EpochMs | undefined> {
  const { catalog, computes, clock, log } = services
  /** Computes that have woken and are not known yet. */
  const arrived = new Set<EndpointUid>()
  const readers = new Map<EndpointUid, { readonly writer: EndpointUid; at: EpochMs }>()
  let isSeeded = false
  computes.onChange((uid, { kind }) => {
    readers.delete(uid)
    if (kind === 'ready') arrived.add(uid)
    else arrived.delete(uid)
  })

  const meet = async (uid: EndpointUid): Promise<void> => {
    for (const [reader, entry] of readers) {
      if (entry.writer !== uid) continue
      await computes.followNow(reader)
      entry.at = after(clock.now(), seconds(1))
    }
    const context = await catalog.endpoints.context(uid)
    if (context === undefined || !isReader(context.endpoint)) return
    const writer = await writerOf(catalog, context.branch)
    readers.set(uid, { writer: writer.uid, at: after(clock.now(), lookEvery) })
  }

  const look = async (uid: EndpointUid): Promise<void> => {
    const context = await catalog.endpoints.context(uid)
    if (context === undefined || !isLive(context) || context.endpoint.life !== 'READY') return
    await catchUp(services, context, effort)
  }

  const attempt = (uid: EndpointUid, work: Promise<void>): Promise<void> =>
    work.catch((error: unknown) =>
      log.warn({ err: error, endpoint: uid }, 'cannot see whether a reader keeps up'),
    )

  return async () => {
    if (!isSeeded) {
      // Those that were adopted before anybody listened here.
      for (const { uid } of await catalog.endpoints.everyReader()) {
        if (computes.state(uid).kind === 'ready') arrived.add(uid)
      }
      isSeeded = true
    }
    for (const uid of [...arrived]) {
      arrived.delete(uid)
      await attempt(uid, meet(uid))
    }
    for (const [uid, entry] of [...readers]) {
      if (entry.at > clock.now()) continue
      entry.at = after(clock.now(), lookEvery)
      await attempt(uid, look(uid))
    }
    const times = [...readers.values()].map(({ at }) => at)
    return times.length === 0 ? undefined : epochMs(Math.min(...times))
  }
}
