/**
 * The durable operations engine. Workers claim rows under a lease with a fencing token, run the steps
 * of their kind, and save after each one. Whoever dies leaves a row that the next start claims again.
 *
 * Who may be doing this now? One server holds the catalog's lock, and inside it a row is claimed once;
 * the token guards against a worker that was slow enough to lose its lease.
 */
import { Fault, type FaultRecord, toRecord } from '../domain/faults.ts'
import type { OperationUid } from '../domain/names.ts'
import type { Progress } from '../domain/operation.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { Log } from '../lib/log.ts'
import {
  after,
  type Clock,
  type EpochMs,
  type Millis,
  millis,
  seconds,
  timer,
} from '../lib/time.ts'
import type { Catalog, WorkLease } from '../ports/catalog.ts'
import {
  type HeldLease,
  holdLease,
  leaseLength,
  longestBackoff,
  NotSaved,
  renewEvery,
} from './held-lease.ts'
import type { Kind, Step, StepContext } from './kind.ts'
import { tellingWork } from './tell-end.ts'

const concurrency = 16
/** A create that was cut short this often (the server died each time) is undone instead. */
const attemptsBeforeUndo = 5
/** An error that nobody expected (the catalog was away) is met this often before the undo. */
const attemptsAtUnexpected = 3
/** What runs longer than this at a stop is left behind, as by a crash: the next start resumes it. */
const stopPatience = seconds(30)

interface Worker {
  readonly held: HeldLease
  readonly done: Promise<void>
}

export interface Engine {
  start(): Promise<void>
  /** Takes no more work, then waits for the steps that run, within bounds. */
  stop(): Promise<void>
  /** Whether operations of this kind can be ended before they are done. */
  isCancellable(kind: string): boolean
  /** Resolves when the operation is over or the patience is; never rejects. */
  wait(operation: OperationUid, patience: Millis): Promise<void>
  /** Of an operation that is at work and tells. */
  progress(operation: OperationUid): Progress | undefined
}

export function createEngine(options: {
  readonly catalog: Catalog
  readonly kinds: readonly Kind[]
  readonly clock: Clock
  readonly log: Log
}): Engine {
  const { catalog, clock, log } = options
  const telling = tellingWork(catalog, clock)
  const kinds = new Map(options.kinds.map((kind) => [kind.name, kind]))
  const running = new Map<OperationUid, Worker>()
  const progress = new Map<OperationUid, Progress>()
  const waiting = new Map<OperationUid, Set<() => void>>()
  const stopping = new AbortController()
  let pumping: Promise<void> | undefined
  let pumpAgain = false
  let isClaimLost = false
  let clockOffset = clock.now() - clock.monotonic()
  let wakeUp: { cancel(): void } | undefined
  let unlisten = () => {}

  const pump = (): Promise<void> => {
    if (stopping.signal.aborted) return Promise.resolve()
    if (pumping === undefined) {
      pumping = claimAll().finally(() => {
        pumping = undefined
        if (pumpAgain) void pump() // asked for between the last look and now
      })
    } else pumpAgain = true
    return pumping
  }
  /** Whether the calendar clock was set back since this was asked last. */
  const wasSetBack = (): boolean => {
    const before = clockOffset
    clockOffset = clock.now() - clock.monotonic()
    return clockOffset < before - seconds(1)
  }
  const claimAll = async (): Promise<void> => {
    try {
      do {
        pumpAgain = false
        const free = concurrency - running.size
        if (free <= 0) break // whoever ends pumps
        if (wasSetBack()) isClaimLost = true // leases that nobody holds seem to run for longer
        if (isClaimLost) await catalog.work.releaseAll([...running.keys()])
        isClaimLost = false
        const now = clock.now()
        const leases = await catalog.work.claim(now, {
          until: after(now, leaseLength),
          latest: after(now, longestBackoff),
          limit: free,
        })
        if (stopping.signal.aborted) return // claimed in vain: the next start releases them
        for (const lease of leases) launch(lease)
        await sleepUntilDue(now)
      } while (pumpAgain && !stopping.signal.aborted)
    } catch (error) {
      log.error({ err: error }, 'cannot claim operations')
      isClaimLost = true // rows may have been claimed by an answer that never came
      wakeIn(seconds(1))
    }
  }
  const wakeIn = (length: Millis) => {
    wakeUp?.cancel()
    wakeUp = timer(length, () => void pump())
  }
  /** Asked as of the last claim: what fell due since then would be seen by neither. */
  const sleepUntilDue = async (claimed: EpochMs) => {
    const due = await catalog.work.nextDue(claimed)
    const patience = due === undefined ? renewEvery : millis(Math.max(5, due - clock.now()))
    wakeIn(millis(Math.min(patience, renewEvery)))
  }

  const launch = (lease: WorkLease) => {
    const { uid } = lease.row
    // A row of ours comes back when we could not renew its lease in time (the machine slept, the catalog
    // was away). Two workers on one volume would be a disaster, so the new one waits for the old to end.
    const earlier = running.get(uid)
    earlier?.held.lose()
    const held = holdLease({ lease, work: telling, stopping: stopping.signal, clock, log })
    const done = (earlier?.done ?? Promise.resolve())
      .then(() => work(held))
      .catch((error: unknown) =>
        log.error({ err: error, operation: uid }, 'operation worker failed'),
      )
      .finally(() => {
        held.end()
        if (running.get(uid)?.held === held) {
          running.delete(uid)
          progress.delete(uid)
        }
        void pump()
      })
    running.set(uid, { held, done })
  }

  const work = async (held: HeldLease): Promise<void> => {
    const { row, signal } = held
    if (signal.aborted) return
    const kind = kinds.get(row.kind)
    if (kind === undefined) {
      log.error({ operation: row.uid, kind: row.kind }, 'no such kind of operation')
      await held.save({ releaseUntil: after(clock.now(), longestBackoff) })
      return
    }
    const context: StepContext = {
      row,
      memory: row.memory,
      show: (shown) => void progress.set(row.uid, shown),
      async report(report) {
        await held.save({ report, memory: context.memory })
      },
    }
    if (row.state === 'undoing') {
      await undo(kind, context, held, row.fault ?? internal(row.uid), row.step)
      return
    }
    const isWhole = row.step !== undefined && row.step === kind.steps.at(-1)?.name
    if (kind.onFailure === 'undo' && row.attempt > attemptsBeforeUndo && !isWhole) {
      await undo(kind, context, held, internal(row.uid), undefined)
      return
    }
    await forward(kind, context, held)
  }

  const forward = async (kind: Kind, context: StepContext, held: HeldLease): Promise<void> => {
    const { row, signal } = held
    const isCancelled = () => kind.isCancellable === true && held.isCancelled
    const started = kind.steps.findIndex((step) => step.name === row.step)
    try {
      for (const step of kind.steps.slice(started + 1)) {
        if (signal.aborted) return // the row stays; whoever claims it next resumes it
        if (isCancelled()) return await undo(kind, context, held, cancelled, undefined)
        if (step.run === undefined && step.write === undefined) continue
        const began = clock.monotonic()
        await failpoint(`${kind.name}.${step.name}:before`)
        await step.run?.(context, kind.isCancellable === true ? held.stepSignal : signal)
        const isHeld = step.write === undefined || (await write(kind, step, context, held))
        await failpoint(`${kind.name}.${step.name}:after`)
        const ms = Math.round(clock.monotonic() - began)
        log.debug({ operation: row.uid, kind: kind.name, step: step.name, ms }, 'step done')
        if (!isHeld) return
        if (step.write !== undefined || step.isUnsaved) continue
        if (!(await held.save({ step: step.name, memory: context.memory }))) return
      }
      if (kind.steps.at(-1)?.write !== undefined) return // which was its end
    } catch (error) {
      if (error instanceof NotSaved) throw error
      if (signal.aborted) return
      if (isCancelled()) return await undo(kind, context, held, cancelled, undefined)
      const at = { err: error, operation: row.uid, kind: kind.name, resource: row.resource }
      const isExpected = error instanceof Fault
      if (kind.onFailure === 'retry' || (!isExpected && row.attempt < attemptsAtUnexpected)) {
        log.warn(at, 'operation will be tried again')
        await held.tryLater(context.memory)
        return
      }
      if (isExpected) log.warn(at, 'operation failed')
      else log.error(at, 'operation failed')
      await undo(kind, context, held, isExpected ? toRecord(error) : internal(row.uid), undefined)
      return
    }
    await answer(kind, context, held)
  }

  const write = (kind: Kind, step: Step, context: StepContext, held: HeldLease): Promise<boolean> =>
    held.saveWith(async (session) => {
      await step.write?.(context, session)
      const { memory } = context
      if (step !== kind.steps.at(-1)) return { step: step.name, memory }
      return { state: 'succeeded', response: await kind.finish(context, session), memory }
    })

  /**
   * All steps are done: clients may already use what was made, so nothing is undone any more, whatever
   * happens to the answer. A refusal (what it worked on is gone) is the answer.
   */
  const answer = async (kind: Kind, context: StepContext, held: HeldLease): Promise<void> => {
    const { row, signal } = held
    if (signal.aborted) return
    try {
      const response = await kind.finish(context, catalog)
      await failpoint(`${kind.name}.finish:after`)
      await held.save({ state: 'succeeded', response, memory: context.memory })
    } catch (error) {
      if (error instanceof NotSaved) throw error
      if (signal.aborted) return
      log.warn({ err: error, operation: row.uid, kind: kind.name }, 'operation cannot be answered')
      if (error instanceof Fault) await held.save({ state: 'failed', fault: toRecord(error) })
      else if (row.attempt <= attemptsBeforeUndo) await held.tryLater(context.memory)
      else await held.save({ state: 'failed', fault: internal(row.uid) })
    }
  }

  /** Every step backwards, the one that failed and those never begun too: absent is success. */
  const undo = async (
    kind: Kind,
    context: StepContext,
    held: HeldLease,
    fault: FaultRecord,
    undone: string | undefined,
  ): Promise<void> => {
    const { row, signal } = held
    const { memory } = context
    try {
      const isBegun = row.state === 'undoing'
      if (!isBegun && !(await held.save({ state: 'undoing', fault, step: undefined, memory })))
        return
      const backwards = [...kind.steps].reverse()
      const from = backwards.findIndex((step) => step.name === undone) + 1
      for (const step of backwards.slice(from)) {
        if (signal.aborted) return
        await failpoint(`${kind.name}.${step.name}:undo`)
        await step.undo?.(context)
        if (!(await held.save({ step: step.name }))) return
      }
      await failpoint(`${kind.name}.undo:after`)
      await held.save({ state: 'failed', fault })
    } catch (error) {
      if (error instanceof NotSaved) throw error
      if (signal.aborted) return
      log.error({ err: error, operation: row.uid }, 'undo failed and will be tried again')
      await held.tryLater()
    }
  }

  const endOfWork = async () => {
    await pumping
    await Promise.allSettled([...running.values()].map(({ done }) => done))
  }

  return {
    async start() {
      const released = await catalog.work.releaseAll()
      if (released > 0) log.info({ operations: released }, 'resuming operations')
      unlisten = catalog.onEvent((event) => {
        if (event.kind === 'work') void pump()
        else if (event.kind === 'cancel') running.get(event.operation)?.held.cancel()
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
      const enough = new AbortController()
      const patience = clock.sleep(stopPatience, enough.signal).then(
        () => true,
        () => false,
      )
      const isLate = await Promise.race([endOfWork().then(() => false), patience])
      enough.abort()
      if (isLate) log.warn({ operations: [...running.keys()] }, 'operations left to the next start')
      for (const { held } of running.values()) held.end()
    },
    progress: (operation) => progress.get(operation),
    isCancellable: (kind) => kinds.get(kind)?.isCancellable === true,
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

const cancelled: FaultRecord = { reason: 'OPERATION_CANCELLED', facts: {} }

const internal = (uid: OperationUid): FaultRecord => ({
  reason: 'INTERNAL',
  facts: { request: uid },
})
