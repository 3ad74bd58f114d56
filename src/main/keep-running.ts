/**
 * Starts a compute again whenever it ends by itself: for the embedded catalog, without which nothing
 * works. Computes of branches need no such thing, since the next connection starts them.
 */
import type { Log } from '../lib/log.ts'
import { type Clock, millis } from '../lib/time.ts'
import type { ComputeSpec, Computes } from '../ports/compute.ts'

/** Returns how to end it: afterwards the compute may be stopped. */
export function keepRunning(
  computes: Pick<Computes, 'ensureReady' | 'onChange'>,
  spec: ComputeSpec,
  { log, clock }: { readonly log: Log; readonly clock: Clock },
): () => void {
  let isOver = false
  let isStarting = false
  const startAgain = async () => {
    for (let tries = 0; !isOver; tries += 1) {
      try {
        await computes.ensureReady(spec)
        log.info({ compute: spec.uid, tries }, 'started again')
        return
      } catch (error) {
        log.error({ err: error, compute: spec.uid }, 'cannot start it again')
        await clock.sleep(millis(Math.min(5000, 100 * 2 ** tries)))
      }
    }
  }
  const unlisten = computes.onChange((uid, { kind }) => {
    const hasEnded = kind === 'crashed' || kind === 'stopped'
    if (uid !== spec.uid || !hasEnded || isOver || isStarting) return
    log.error({ compute: uid }, 'ended by itself: starting it again')
    isStarting = true
    void startAgain().finally(() => {
      isStarting = false
    })
  })
  return () => {
    isOver = true
    unlisten()
  }
}
