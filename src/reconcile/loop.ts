/**
 * A level-triggered loop: runs at once, when poked, when the time that it asked for comes, and on a
 * slow tick in any case. One run at a time; a poke during a run means one more run.
 */
import type { Log } from '../lib/log.ts'
import { type Clock, type EpochMs, type Millis, millis, seconds, timer } from '../lib/time.ts'

export interface Loop {
  poke(): void
  /** Resolves when the run in progress, if any, has ended. */
  stop(): Promise<void>
}

export function startLoop(options: {
  readonly name: string
  /** Returns when it wants to run next; `undefined`: at the slow tick. */
  readonly run: () => Promise<EpochMs | undefined>
  readonly slowest: Millis
  /** A run follows a poke after so long: what poked is somebody's request, which comes first. Default: at once. */
  readonly giveWay?: Millis
  readonly clock: Clock
  readonly log: Log
}): Loop {
  const { name, run, slowest, giveWay, clock, log } = options
  let isStopped = false
  let isPoked = false
  let current: Promise<void> | undefined
  let next: { cancel(): void } | undefined
  let poked: { cancel(): void } | undefined

  const begin = () => {
    if (isStopped) return
    if (current !== undefined) {
      isPoked = true
      return
    }
    next?.cancel()
    isPoked = false
    current = run()
      .then(
        (at) => wait(at),
        (error: unknown) => {
          log.error({ err: error, loop: name }, 'reconcile loop failed')
          next = timer(seconds(1), begin)
        },
      )
      .finally(() => {
        current = undefined
        if (isPoked) begin()
      })
  }
  const wait = (at: EpochMs | undefined) => {
    const length = at === undefined ? slowest : Math.max(50, at - clock.now())
    next = timer(millis(Math.min(length, slowest)), begin)
  }

  const poke = () => {
    if (giveWay === undefined) return begin()
    poked ??= timer(giveWay, () => {
      poked = undefined
      begin()
    })
  }

  begin()
  return {
    poke,
    async stop() {
      isStopped = true
      next?.cancel()
      poked?.cancel()
      await current
    },
  }
}
