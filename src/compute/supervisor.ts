/**
 * The life of one compute. One union of states, one queue: starts, stops and adoptions run one after
 * another, everybody else waits for their promises. A start is joined by all who ask for it; a stop
 * that is asked for during a start cancels it.
 */
import { join } from 'node:path'
import { Fault } from '../domain/faults.ts'
import { type Lsn, parseLsn } from '../domain/lsn.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { Log } from '../lib/log.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { type Clock, type Millis, millis, minutes } from '../lib/time.ts'
import type { ComputeSpec, ComputeState, StopMode } from '../ports/compute.ts'
import { withOwnMajor } from './cluster-major.ts'
import { openComputeLog, readComputeLog, startProblem } from './compute-log.ts'
import { commandLine, type Places } from './configuration.ts'
import { sqlstate, withSession } from './connection.ts'
import { nextXid } from './observations.ts'
import { type Postmaster, spawnPostmaster, watchPostmaster } from './postmaster.ts'
import { findPostmaster, readPostmasterFile } from './postmaster-file.ts'
import { clearLeftovers, markStandby, writeConfiguration } from './prepare-start.ts'
import type { ProcessTable } from './process-table.ts'
import {
  askPromotion,
  awaitsPromotion,
  newestTimelineBegan,
  promotionSettings,
  withdrawPromotion,
} from './promotion.ts'
import { endOrphans, endPostmaster, type Ladder, shutdownLadder } from './shutdown.ts'
import type { Toolchains } from './toolchain.ts'
import type { WaitingShell } from './waiting-shell.ts'

/** Recovery of much WAL is slow and honest; this only ends a start that hangs. */
export const startPatience: Millis = minutes(5)

/** What the supervisors of one room share. */
export interface Room {
  readonly runDirectory: string
  readonly logDirectory: string
  readonly serviceUser: ServiceUser | undefined
  readonly log: Log
  readonly clock: Clock
  readonly processes: ProcessTable
  readonly toolchains: Toolchains
  readonly shell: WaitingShell
  readonly ladder?: Ladder
  changed(uid: ComputeSpec['uid'], state: ComputeState): void
}

interface Pending {
  readonly done: Promise<void>
  readonly cancel: AbortController
}

/** Of a compute that has just started: where its recovery ended, and which transaction id comes next. */
interface Answer {
  readonly lsn: Lsn | undefined
  readonly xid: bigint | undefined
}

export class Supervisor {
  readonly #uid: ComputeSpec['uid']
  readonly #room: Room
  #state: ComputeState = { kind: 'stopped' }
  #spec: ComputeSpec | undefined
  #postmaster: Postmaster | undefined
  #recoveredTo: Lsn | undefined
  #firstXid: bigint | undefined
  #queue: Promise<void> = Promise.resolve()
  #starting: Pending | undefined
  #stopping: { readonly done: Promise<void>; readonly mode: StopMode } | undefined

  constructor(uid: ComputeSpec['uid'], room: Room) {
    this.#uid = uid
    this.#room = room
  }

  get state(): ComputeState {
    return this.#state
  }

  /** The state as of now, not as of the last tick or event. */
  async look(): Promise<ComputeState> {
    if (this.#state.kind === 'ready') await this.#postmaster?.check()
    return this.#state
  }

  get logPath(): string {
    return join(this.#room.logDirectory, `${this.#uid}.log`)
  }

  /** Where recovery of the last start ended, if that start was ours. */
  get recoveredTo(): Lsn | undefined {
    return this.#recoveredTo
  }

  /** What was to be given out next as transaction id just after the last start, if that was ours. */
  get firstXid(): bigint | undefined {
    return this.#firstXid
  }

  /** Of the running compute; a broken caller when there is none. */
  get running(): ComputeSpec {
    if (this.#state.kind !== 'ready' || this.#spec === undefined) {
      throw new Error(`compute ${this.#uid} is ${this.#state.kind}`)
    }
    return this.#spec
  }

  async ensureReady(spec: ComputeSpec, signal?: AbortSignal): Promise<void> {
    if (this.#state.kind === 'ready' && this.#stopping === undefined) {
      await this.#postmaster?.check() // one that we took over may have died since the last tick
      if (this.#state.kind === 'ready' && this.#stopping === undefined) {
        if (this.#spec?.dataDirectory === spec.dataDirectory) return
        throw new Error(`compute ${this.#uid} runs on another data directory`)
      }
    }
    if (this.#starting === undefined) {
      const cancel = new AbortController()
      const done = this.#enqueue(async () => this.#start(await withOwnMajor(spec), cancel.signal))
      const pending = { done, cancel }
      this.#starting = pending
      this.#stopping = undefined // a stop that is asked for from now on is another one
      const clear = () => {
        if (this.#starting === pending) this.#starting = undefined
      }
      done.then(clear, clear)
    }
    const { done } = this.#starting
    if (signal === undefined) return done
    const late = new Fault('COMPUTE_STARTING', { endpoint: this.#uid })
    return new Promise((resolve, reject) => {
      const abort = () => reject(late)
      if (signal.aborted) abort()
      signal.addEventListener('abort', abort, { once: true })
      done.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
    })
  }

  async reload(spec: ComputeSpec): Promise<void> {
    await this.#enqueue(async () => {
      if (this.#state.kind !== 'ready' || this.#spec?.dataDirectory !== spec.dataDirectory) return
      writeConfiguration(spec, this.#placesOf(spec), this.#room.serviceUser, this.#room.log)
      await failpoint('compute.reload.written')
      this.#postmaster?.signal('SIGHUP')
      this.#spec = spec
    })
  }

  async stop(mode: StopMode): Promise<void> {
    const current = this.#stopping
    if (current !== undefined) {
      if (mode === 'immediate' && current.mode === 'fast') this.#postmaster?.signal('SIGQUIT')
      return current.done
    }
    this.#starting?.cancel.abort()
    this.#starting = undefined
    const done = this.#enqueue(() => this.#stop(mode))
    const pending = { done, mode }
    this.#stopping = pending
    const clear = () => {
      if (this.#stopping === pending) this.#stopping = undefined
    }
    done.then(clear, clear)
    return done
  }

  async adopt(asked: ComputeSpec): Promise<'adopted' | 'absent'> {
    const spec = await withOwnMajor(asked)
    let answer: 'adopted' | 'absent' = 'absent'
    await this.#enqueue(async () => {
      if (this.#state.kind !== 'ready') {
        const never = new AbortController().signal
        const isTaken = await this.#orFail(spec, () => this.#takeOver(spec, never))
        if (!isTaken) {
          if (this.#state.kind === 'starting') this.#set({ kind: 'stopped' }) // it was stopping
          return
        }
      }
      answer = 'adopted'
    })
    return answer
  }

  /** Stops watching; the compute stays. Resolves when what is under way has ended. */
  async release(): Promise<void> {
    await this.#queue
    this.#postmaster?.release()
  }

  /** Runs after everything that was asked for before. */
  #enqueue(work: () => Promise<void>): Promise<void> {
    const done = this.#queue.then(work)
    this.#queue = done.catch(() => undefined) // who waits for `done` hears of it
    return done
  }

  async #start(spec: ComputeSpec, cancelled: AbortSignal): Promise<void> {
    if (this.#state.kind === 'ready') return
    await this.#orFail(spec, async () => {
      this.#refuseIfCancelled(cancelled)
      if (await this.#takeOver(spec, cancelled)) return
      this.#set({ kind: 'starting' })
      try {
        await this.#launch(spec, cancelled)
      } catch (error) {
        const isAgain = (await this.#endOvertaker(spec)) || (await this.#wasKilled())
        if (!isAgain || cancelled.aborted) throw error
        await this.#launch(spec, cancelled)
      }
    })
  }

  /**
   * A server that died just after it had spawned a postmaster leaves one that had not yet written its
   * pid when we looked; it then has the directory before ours, and perhaps lost its socket to our
   * clearing up. `true`: it was there and has been ended.
   */
  async #endOvertaker(spec: ComputeSpec): Promise<boolean> {
    const { processes, clock, ladder = shutdownLadder } = this.#room
    if (this.#postmaster === undefined || !this.#postmaster.hasExited()) return false
    const found = await findPostmaster(processes, spec.dataDirectory)
    if (found === undefined || found.pid === this.#postmaster.pid) return false
    const overtaker = watchPostmaster(found, processes, clock)
    try {
      await endPostmaster(overtaker, 'fast', processes, clock, ladder)
    } finally {
      overtaker.release()
    }
    this.#postmaster.release()
    this.#postmaster = undefined
    return true
  }

  /** Ended by somebody's signal, such as the kernel's when memory ran out: that says nothing against another start. */
  async #wasKilled(): Promise<boolean> {
    if (this.#postmaster === undefined || !this.#postmaster.hasExited()) return false
    if (!(await this.#postmaster.exited).startsWith('signal')) return false
    this.#postmaster.release()
    this.#postmaster = undefined
    return true
  }

  /** A start that fails leaves no process and the state `crashed` with its reason. */
  async #orFail<T>(spec: ComputeSpec, work: () => Promise<T>): Promise<T> {
    const began = this.#room.clock.monotonic()
    try {
      return await work()
    } catch (error) {
      const { log, clock } = this.#room
      const ms = Math.round(clock.monotonic() - began)
      log.warn({ compute: this.#uid, err: error, ms }, 'fail to start compute')
      await this.#end('immediate').catch((failure) =>
        log.error({ compute: this.#uid, err: failure }, 'end a compute whose start failed'),
      )
      const problem = 'its server could not run it'
      const fault =
        error instanceof Fault
          ? error
          : new Fault('COMPUTE_FAILED', { endpoint: spec.uid, problem }, { cause: error })
      this.#set({ kind: 'crashed', problem: String(fault.facts.problem ?? fault.message) })
      throw fault
    }
  }

  /** Takes over a live postmaster on this data directory; waits for one that is starting or stopping. */
  async #takeOver(spec: ComputeSpec, cancelled: AbortSignal): Promise<boolean> {
    const { processes, clock, log } = this.#room
    const found = await findPostmaster(processes, spec.dataDirectory)
    if (found === undefined) return false
    const postmaster = watchPostmaster(found, processes, clock)
    this.#hold(postmaster, spec)
    this.#set({ kind: 'starting' })
    if (found.status === 'stopping') {
      await this.#end('fast') // the ladder's deadlines hold for it as well
      return false
    }
    await this.#awaitReady(spec, postmaster, 0, cancelled)
    await this.#becomeReady(postmaster, 0)
    this.#firstXid = undefined
    this.#recoveredTo = undefined // a checkpoint may have followed its start: asked when wanted
    log.info({ compute: this.#uid, postmaster: postmaster.pid }, 'adopt compute')
    return true
  }

  async #launch(spec: ComputeSpec, cancelled: AbortSignal): Promise<void> {
    const { processes, clock, serviceUser, log } = this.#room
    const began = clock.monotonic()
    const places = this.#placesOf(spec)
    const toolchain = await this.#room.toolchains.open(spec.major)
    writeConfiguration(spec, places, serviceUser, log)
    await clearLeftovers(places, processes, clock)
    if (spec.follows !== undefined) markStandby(spec.dataDirectory, serviceUser)
    await failpoint('compute.start.prepared')
    this.#refuseIfCancelled(cancelled)
    const begin = openComputeLog(this.logPath, serviceUser)
    const postmaster = await spawnPostmaster(
      this.#room.shell,
      {
        program: toolchain.postgres,
        args: commandLine(places, awaitsPromotion(spec) ? promotionSettings : undefined),
        log: this.logPath,
      },
      processes,
    )
    this.#hold(postmaster, spec)
    await failpoint('compute.start.spawned')
    const answer = await this.#awaitReady(spec, postmaster, begin, cancelled)
    this.#recoveredTo = answer.lsn
    this.#firstXid = answer.xid
    await failpoint('compute.start.ready')
    await this.#becomeReady(postmaster, begin)
    const ms = Math.round(clock.monotonic() - began)
    log.info({ compute: this.#uid, postmaster: postmaster.pid, ms }, 'start compute')
  }

  #placesOf(spec: ComputeSpec): Places {
    const { runDirectory } = this.#room
    return {
      uid: this.#uid,
      dataDirectory: spec.dataDirectory,
      runDirectory: join(runDirectory, this.#uid),
      ...(spec.follows === undefined ? {} : { followed: join(runDirectory, spec.follows) }),
      ...(spec.keepsWal === undefined ? {} : { keepsWal: spec.keepsWal }),
    }
  }

  /** Resolves when Postgres has answered a query. */
  async #awaitReady(
    spec: ComputeSpec,
    postmaster: Postmaster,
    logBegin: number,
    cancelled: AbortSignal,
  ): Promise<Answer> {
    const { clock } = this.#room
    const began = clock.monotonic()
    const isPromoted = awaitsPromotion(spec)
    for (let wait = 1; ; wait = Math.min(50, wait * 1.05)) {
      await postmaster.check()
      if (postmaster.hasExited()) throw await this.#startFault(await postmaster.exited, logBegin)
      this.#refuseIfCancelled(cancelled)
      if (clock.monotonic() - began > startPatience) {
        throw new Fault('COMPUTE_FAILED', {
          endpoint: this.#uid,
          problem: `it was not ready after ${startPatience / 1000} s`,
        })
      }
      const file = readPostmasterFile(spec.dataDirectory)
      if (file?.pid === postmaster.pid && file.status === 'ready') {
        const answer = await this.#ask(spec)
        if (answer !== undefined) {
          if (!isPromoted) return answer
          await withdrawPromotion(spec.dataDirectory)
          return { ...answer, lsn: await newestTimelineBegan(spec.dataDirectory) }
        }
      } else if (isPromoted && file?.pid === postmaster.pid) {
        await askPromotion(postmaster, spec.dataDirectory)
      }
      await clock.sleep(millis(wait))
    }
  }

  /** From here on its exit is a crash; one that came before was nobody's to see. */
  async #becomeReady(postmaster: Postmaster, logBegin: number): Promise<void> {
    if (postmaster.hasExited()) throw await this.#startFault(await postmaster.exited, logBegin)
    this.#set({ kind: 'ready', pid: postmaster.pid, since: this.#room.clock.now() })
  }

  /** One real query. `undefined`: not yet. */
  async #ask(spec: ComputeSpec): Promise<Answer | undefined> {
    const { major, firstDatabase } = spec
    const socketDirectory = join(this.#room.runDirectory, this.#uid)
    const to = { socketDirectory, major, firstDatabase }
    try {
      return await withSession(to, async (session) => {
        const [row] = await session.query(
          `SELECT checkpoint_lsn, ${nextXid} AS next FROM pg_control_checkpoint()`,
        )
        return { lsn: parseLsn(row?.checkpoint_lsn ?? ''), xid: BigInt(row?.next ?? '') }
      })
    } catch (error) {
      // Full of the superuser's own sessions: it answers, and the answer is that it runs.
      return sqlstate(error) === '53300' ? { lsn: undefined, xid: undefined } : undefined
    }
  }

  async #startFault(how: string, logBegin: number): Promise<Fault> {
    const said = startProblem(await readComputeLog(this.logPath, logBegin))
    return new Fault(
      'COMPUTE_FAILED',
      { endpoint: this.#uid, problem: said ?? `Postgres ended with ${how}` },
      { cause: new Error(`postgres ended with ${how}`) },
    )
  }

  #refuseIfCancelled(cancelled: AbortSignal): void {
    if (!cancelled.aborted) return
    const problem = 'it was stopped while it started'
    throw new Fault('COMPUTE_FAILED', { endpoint: this.#uid, problem })
  }

  async #stop(mode: StopMode): Promise<void> {
    if (this.#state.kind === 'crashed' && this.#spec !== undefined) {
      // Backends may have outlived their postmaster.
      await endOrphans(this.#spec.dataDirectory, this.#room.processes, this.#room.clock)
    }
    if (this.#postmaster !== undefined) {
      this.#set({ kind: 'stopping' })
      await failpoint('compute.stop.begun')
      const began = this.#room.clock.monotonic()
      await this.#end(mode)
      await failpoint('compute.stop.ended')
      const ms = Math.round(this.#room.clock.monotonic() - began)
      this.#room.log.info({ compute: this.#uid, mode, ms }, 'stop compute')
    }
    this.#set({ kind: 'stopped' })
  }

  async #end(mode: StopMode): Promise<void> {
    const postmaster = this.#postmaster
    if (postmaster === undefined) return
    const { processes, clock, ladder = shutdownLadder } = this.#room
    await endPostmaster(postmaster, mode, processes, clock, ladder)
    postmaster.release()
    this.#postmaster = undefined
  }

  #hold(postmaster: Postmaster, spec: ComputeSpec): void {
    this.#postmaster = postmaster
    this.#spec = spec
    void postmaster.exited.then((how) => {
      // While it starts or stops, who waits for it sees its end.
      if (this.#postmaster !== postmaster || this.#state.kind !== 'ready') return
      this.#postmaster = undefined
      postmaster.release()
      const problem = how === 'unknown' ? 'Postgres ended' : `Postgres ended with ${how}`
      this.#room.log.error(
        { compute: this.#uid, postmaster: postmaster.pid, how },
        'compute crashed',
      )
      this.#set({ kind: 'crashed', problem })
    })
  }

  #set(state: ComputeState): void {
    if (this.#state.kind === 'stopped' && state.kind === 'stopped') return
    this.#state = state
    this.#room.changed(this.#uid, state)
  }
}
