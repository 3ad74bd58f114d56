/**
 * The durable operations engine. Workers claim rows under a lease with a fencing token, run the steps
 * of their kind, and save after each one. Whoever dies leaves a row that the next start claims again.
 *
 * Who may be doing this now? One server holds the catalog's lock, and inside it a row is claimed once;
 * the token guards against a worker that was slow enough to lose its lease.
 */
import { Fault, type FaultRecord, toRecord } from '../domain/faults.ts'
import type { OperationUid } from '../domain/names.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { Log } from '../lib/log.ts'
import {
  after,
  type Clock,
  type EpochMs,
  type Millis,
  millis,
  minutes,
  seconds,
  timer,
} from '../lib/time.ts'
import type { Catalog, WorkLease } from '../ports/catalog.ts'
import type { Kind, StepContext } from './kind.ts'

const leaseLength = seconds(30)
const renewEvery = seconds(10)
const concurrency = 16
/** A create that was cut short this often (the server died each time) is undone instead. */
const attemptsBeforeUndo = 5
const longestBackoff = minutes(1)

export interface Engine {
  start(): Promise<void>
  /** Takes no more work, then waits for the steps that run. */
  stop(): Promise<void>
  /** Resolves when the operation is over or the patience is; never rejects. */
  wait(operation: OperationUid, patience: Millis): Promise<void>
}

export function createEngine(options: {
  readonly catalog: Catalog
  readonly kinds: readonly Kind[]
  readonly clock: Clock
  readonly log: Log
}): Engine {
  const { catalog, clock, log } = options
  const kinds = new Map(options.kinds.map((kind) => [kind.name, kind]))
  const running = new Map<
    OperationUid,
    { readonly lease: WorkLease; readonly done: Promise<void> }
  >()
  const waiting = new Map<OperationUid, Set<() => void>>()
  const stopping = new AbortController()
  let isPumping = false
  let pumpAgain = false
  let wakeUp: { cancel(): void } | undefined
  let unlisten = () => {}

  const pump = async (): Promise<void> => {
    if (stopping.signal.aborted) return
    if (isPumping) {
      pumpAgain = true
      return
    }
    isPumping = true
    try {
      do {
        pumpAgain = false
        const free = concurrency - running.size
        if (free <= 0) break
        const now = clock.now()
        const leases = await catalog.work.claim(now, after(now, leaseLength), free)
        for (const lease of leases) launch(lease)
        await sleepUntilDue()
      } while (pumpAgain && !stopping.signal.aborted)
    } catch (error) {
      log.error({ err: error }, 'cannot claim operations')
      wakeIn(seconds(1))
    } finally {
      isPumping = false
    }
  }
  const wakeIn = (length: Millis) => {
    wakeUp?.cancel()
    wakeUp = timer(length, () => void pump())
  }
  const sleepUntilDue = async () => {
    const due = await catalog.work.nextDue(clock.now())
    const patience = due === undefined ? renewEvery : millis(Math.max(5, due - clock.now()))
    wakeIn(millis(Math.min(patience, renewEvery)))
  }

  const launch = (lease: WorkLease) => {
    const { uid } = lease.row
    const renewing = renew(lease)
    const done = work(lease)
      .catch((error: unknown) => {
        log.error({ err: error, operation: uid }, 'operation worker failed')
        return giveBack(lease)
      })
      .finally(() => {
        renewing.abort()
        running.delete(uid)
        void pump()
      })
    running.set(uid, { lease, done })
  }

  /** The catalog was away: as soon as it is back the row can be claimed, not when the lease ends. */
  const giveBack = async (lease: WorkLease): Promise<void> => {
    const end = clock.monotonic() + leaseLength
    while (!stopping.signal.aborted && clock.monotonic() < end) {
      try {
        await catalog.work.save(lease, { releaseUntil: backoff(lease.row.attempt, clock.now()) })
        return
      } catch (error) {
        log.warn({ err: error, operation: lease.row.uid }, 'cannot give an operation back')
        await clock.sleep(seconds(1), stopping.signal).catch(() => undefined)
      }
    }
  }

  /** Keeps the lease while the work runs. */
  const renew = (lease: WorkLease): AbortController => {
    const ended = new AbortController()
    const loop = async () => {
      while (!ended.signal.aborted) {
        await clock.sleep(renewEvery, ended.signal)
        await catalog.work.renew(lease, after(clock.now(), leaseLength))
      }
    }
    loop().catch((error: unknown) => {
      if (!ended.signal.aborted) log.error({ err: error }, 'cannot renew a lease')
    })
    return ended
  }

  const work = async (lease: WorkLease): Promise<void> => {
    const { row } = lease
    const kind = kinds.get(row.kind)
    if (kind === undefined) {
      log.error({ operation: row.uid, kind: row.kind }, 'no such kind of operation')
      await catalog.work.save(lease, { releaseUntil: after(clock.now(), longestBackoff) })
      return
    }
    const context: StepContext = { row, memory: row.memory }
    if (row.state === 'undoing') {
      await undo(kind, context, lease, row.fault ?? internal(row.uid), row.step)
      return
    }
    if (kind.onFailure === 'undo' && row.attempt > attemptsBeforeUndo) {
      await undo(kind, context, lease, internal(row.uid), undefined)
      return
    }
    await forward(kind, context, lease)
  }

  const forward = async (kind: Kind, context: StepContext, lease: WorkLease): Promise<void> => {
    const { row } = context
    const started = kind.steps.findIndex((step) => step.name === row.step)
    try {
      for (const step of kind.steps.slice(started + 1)) {
        if (stopping.signal.aborted) return // the row stays; the next start resumes it
        const began = clock.monotonic()
        await failpoint(`${kind.name}.${step.name}:before`)
        await step.run(context, stopping.signal)
        await failpoint(`${kind.name}.${step.name}:after`)
        const ms = Math.round(clock.monotonic() - began)
        log.debug({ operation: row.uid, kind: kind.name, step: step.name, ms }, 'step done')
        if (!(await catalog.work.save(lease, { step: step.name, memory: context.memory }))) return
      }
      const response = await kind.finish(context)
      await failpoint(`${kind.name}.finish:after`)
      await catalog.work.save(lease, { state: 'succeeded', response, memory: context.memory })
    } catch (error) {
      if (stopping.signal.aborted) return
      const at = { err: error, operation: row.uid, kind: kind.name, resource: row.resource }
      if (kind.onFailure === 'retry') {
        log.warn(at, 'operation will be tried again')
        await catalog.work.save(lease, {
          memory: context.memory,
          releaseUntil: backoff(row.attempt, clock.now()),
        })
        return
      }
      if (error instanceof Fault) log.warn(at, 'operation failed')
      else log.error(at, 'operation failed')
      const fault = error instanceof Fault ? toRecord(error) : internal(row.uid)
      await undo(kind, context, lease, fault, undefined)
    }
  }

  /** Every step backwards, the one that failed and those never begun too: absent is success. */
  const undo = async (
    kind: Kind,
    context: StepContext,
    lease: WorkLease,
    fault: FaultRecord,
    undone: string | undefined,
  ): Promise<void> => {
    const { row } = context
    try {
      if (
        row.state !== 'undoing' &&
        !(await catalog.work.save(lease, {
          state: 'undoing',
          fault,
          step: undefined,
          memory: context.memory,
        }))
      )
        return
      const backwards = [...kind.steps].reverse()
      const from = backwards.findIndex((step) => step.name === undone) + 1
      for (const step of backwards.slice(from)) {
        await failpoint(`${kind.name}.${step.name}:undo`)
        await step.undo?.(context)
        if (!(await catalog.work.save(lease, { step: step.name }))) return
      }
      await failpoint(`${kind.name}.undo:after`)
      await catalog.work.save(lease, { state: 'failed', fault })
    } catch (error) {
      log.error({ err: error, operation: row.uid }, 'undo failed and will be tried again')
      await catalog.work.save(lease, { releaseUntil: backoff(row.attempt, clock.now()) })
    }
  }

  return {
    async start() {
      const released = await catalog.work.releaseAll()
      if (released > 0) log.info({ operations: released }, 'resuming operations')
      unlisten = catalog.onEvent((event) => {
        if (event.kind === 'work') void pump()
        else if (event.kind === 'done') {
          for (const resolve of waiting.get(event.operation) ?? []) resolve()
        }
      })
      await pump()
    },
    async stop() {
      stopping.abort()
      wakeUp?.cancel()
      unlisten()
      await Promise.allSettled([...running.values()].map(({ done }) => done))
    },
    wait(operation, patience) {
      return new Promise((resolve) => {
        const set = waiting.get(operation) ?? new Set()
        waiting.set(operation, set)
        const end = () => {
          late.cancel()
          set.delete(end)
          if (set.size === 0) waiting.delete(operation)
          resolve()
        }
        const late = timer(patience, end)
        set.add(end)
      })
    },
  }
}

const internal = (uid: OperationUid): FaultRecord => ({
  reason: 'INTERNAL',
  facts: { request: uid },
})

/** 0.2 s, doubling, at most a minute, with jitter. */
function backoff(attempt: number, now: EpochMs): EpochMs {
  const full = Math.min(longestBackoff, 200 * 2 ** Math.min(attempt, 12))
  return after(now, millis(full / 2 + (Math.random() * full) / 2))
}
