/**
 * Ending a postmaster by a ladder with a deadline on each rung, and what may be left of one that
 * died without its backends. The postmaster alone is never killed: its backends would go on
 * in the data directory, so the last resort takes all of them.
 */
import { realpath } from 'node:fs/promises'
import { type Clock, type Millis, millis, minutes, seconds } from '../lib/time.ts'
import type { StopMode } from '../ports/compute.ts'
import { type Postmaster, signalProcess } from './postmaster.ts'
import type { ProcessFacts, ProcessTable } from './process-table.ts'

export interface Rung {
  readonly signal: NodeJS.Signals
  readonly patience: Millis
}

export type Ladder = Readonly<Record<StopMode, readonly Rung[]>>

/** SIGINT: fast, sessions are ended and a checkpoint is made. SIGQUIT: immediate, recovery follows. */
export const shutdownLadder: Ladder = {
  fast: [
    { signal: 'SIGINT', patience: minutes(1) },
    { signal: 'SIGQUIT', patience: seconds(15) },
  ],
  immediate: [{ signal: 'SIGQUIT', patience: seconds(15) }],
}

const afterKill = seconds(10)

/** Resolves when no process of it is left; throws only when the kernel cannot end them. */
export async function endPostmaster(
  postmaster: Postmaster,
  mode: StopMode,
  processes: ProcessTable,
  clock: Clock,
  ladder: Ladder = shutdownLadder,
): Promise<void> {
  for (const { signal, patience } of ladder[mode]) {
    postmaster.signal(signal)
    if (await exitsWithin(postmaster, patience, clock)) return
  }
  // Postgres gives every backend a session of its own, so a signal to the group reaches none.
  const children = await processes.childrenOf(postmaster.pid)
  postmaster.signal('SIGKILL')
  await killAll(children, processes)
  if (!(await exitsWithin(postmaster, afterKill, clock))) {
    throw new Error(`postmaster ${postmaster.pid} does not end`)
  }
}

async function exitsWithin(
  postmaster: Postmaster,
  patience: Millis,
  clock: Clock,
): Promise<boolean> {
  const until = clock.monotonic() + patience
  let wait = 2
  for (;;) {
    await postmaster.check()
    if (postmaster.hasExited()) return true
    if (clock.monotonic() >= until) return false
    const tick = new AbortController()
    await Promise.race([
      postmaster.exited,
      clock.sleep(millis(wait), tick.signal).catch(() => undefined),
    ])
    tick.abort()
    wait = Math.min(100, wait * 1.5)
  }
}

const orphanLadder = [
  ['wait', millis(500)],
  ['SIGQUIT', seconds(3)],
  ['SIGKILL', seconds(3)],
] as const

/**
 * Ends backends that outlived their postmaster: they hold the data directory's shared memory, and
 * Postgres would refuse to start beside them. Idle ones notice by themselves within a moment.
 */
export async function endOrphans(
  dataDirectory: string,
  processes: ProcessTable,
  clock: Clock,
): Promise<void> {
  const here = await realpath(dataDirectory).catch(() => undefined)
  if (here === undefined) return
  for (const [step, patience] of orphanLadder) {
    const until = clock.monotonic() + patience
    const first = (await processes.inDirectory(here)).filter(isBackend)
    if (step !== 'wait') {
      for (const { pid } of first) signalProcess(pid, step)
    }
    for (let left = first; ; left = (await processes.inDirectory(here)).filter(isBackend)) {
      if (left.length === 0) return
      if (clock.monotonic() >= until) break
      await clock.sleep(millis(20))
    }
  }
  throw new Error('processes of a dead postmaster do not end')
}

const isBackend = ({ command }: ProcessFacts): boolean => /^postgres: |\/postgres -D /.test(command)

async function killAll(found: readonly ProcessFacts[], processes: ProcessTable): Promise<void> {
  for (const { pid, start } of found) {
    if ((await processes.find(pid))?.start === start) signalProcess(pid, 'SIGKILL')
  }
}
