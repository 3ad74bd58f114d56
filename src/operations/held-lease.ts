/**
 * A worker's hold on its row: renews the lease while the work runs, tells the worker when it is lost,
 * and writes progress with patience for a catalog that is away for a moment.
 */
import { Fault } from '../domain/faults.ts'
import type { Log } from '../lib/log.ts'
import {
  after,
  type Clock,
  type EpochMs,
  type Millis,
  millis,
  minutes,
  seconds,
} from '../lib/time.ts'
import type { CatalogSession, JsonObject, WorkLease } from '../ports/catalog.ts'
import type { Changes, TellingWork } from './tell-end.ts'

export const leaseLength = seconds(30)
export const renewEvery = seconds(10)
export const longestBackoff = minutes(1)

/** What a worker found out could not be written down; its row is claimed again when its lease ends. */
export class NotSaved extends Error {
  override readonly name = 'NotSaved'
}

export interface HeldLease {
  readonly row: WorkLease['row']
  /** Aborts when the work should end where it is: the lease is lost, or the server stops. */
  readonly signal: AbortSignal
  /** Aborts also when somebody asked for its end. */
  readonly stepSignal: AbortSignal
  readonly isCancelled: boolean
  /** `false`: the lease is lost, stop. Throws NotSaved when the catalog stays away. */
  save(changes: Changes): Promise<boolean>
  /** As `save`, with what `write` writes, in one transaction. A fault that it throws is thrown on. */
  saveWith(write: (session: CatalogSession) => Promise<Changes>): Promise<boolean>
  /** Gives the row back, to be claimed again later each time. */
  tryLater(memory?: JsonObject): Promise<boolean>
  /** Another worker has the row. */
  lose(): void
  /** Somebody asked for its end. */
  cancel(): void
  /** Stops renewing. */
  end(): void
}

export function holdLease(options: {
  readonly lease: WorkLease
  readonly work: TellingWork
  readonly stopping: AbortSignal
  readonly clock: Clock
  readonly log: Log
}): HeldLease {
  const { lease, work, stopping, clock, log } = options
  const { row } = lease
  const lost = new AbortController()
  const ended = new AbortController()
  const cancelled = new AbortController()
  if (row.cancelTime !== undefined) cancelled.abort()

  /** A renewal that fails is tried again until the lease is lost. */
  const renewWhileHeld = async () => {
    let pause: Millis = renewEvery
    for (;;) {
      await clock.sleep(pause, ended.signal)
      try {
        const isHeld = await work.renew(lease, after(clock.now(), leaseLength))
        if (ended.signal.aborted) return
        if (!isHeld) {
          log.warn({ operation: row.uid }, 'the lease of an operation is lost')
          lost.abort()
          return
        }
        pause = renewEvery
      } catch (error) {
        log.warn({ err: error, operation: row.uid }, 'cannot renew a lease')
        pause = seconds(1)
      }
    }
  }
  renewWhileHeld().catch(() => undefined) // ends by the abort

  /**
   * Trying again is safe: a write that did arrive is written once more, or finds its row ended or
   * claimed by another and changes nothing.
   */
  const patiently = async (write: () => Promise<boolean>): Promise<boolean> => {
    const until = clock.monotonic() + leaseLength
    for (;;) {
      try {
        return await write()
      } catch (error) {
        if (error instanceof Fault) throw error
        if (stopping.aborted || clock.monotonic() > until) {
          throw new NotSaved('save an operation', { cause: error })
        }
        log.warn({ err: error, operation: row.uid }, 'cannot save an operation yet')
        await clock.sleep(millis(500))
      }
    }
  }
  const save: HeldLease['save'] = (changes) => patiently(() => work.save(lease, changes))

  return {
    row,
    signal: AbortSignal.any([stopping, lost.signal]),
    stepSignal: AbortSignal.any([stopping, lost.signal, cancelled.signal]),
    get isCancelled() {
      return cancelled.signal.aborted
    },
    save,
    saveWith: (write) => patiently(() => work.saveWith(lease, write)),
    tryLater: (memory) =>
      save({
        ...(memory === undefined ? {} : { memory }),
        releaseUntil: backoff(row.attempt, clock.now()),
      }),
    lose: () => lost.abort(),
    cancel: () => cancelled.abort(),
    end: () => ended.abort(),
  }
}

/** 0.2 s, doubling, at most a minute, with jitter. */
function backoff(attempt: number, now: EpochMs): EpochMs {
  const full = Math.min(longestBackoff, 200 * 2 ** Math.min(attempt, 12))
  return after(now, millis(full / 2 + (Math.random() * full) / 2))
}
