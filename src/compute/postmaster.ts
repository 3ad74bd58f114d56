/**
 * One live postmaster, whether we spawned it or took it over. It is a process group and session of
 * its own with its stderr on a file, so it outlives the server; a later server finds it through
 * `postmaster.pid` and watches it by its pid and start.
 */
import { type Clock, millis } from '../lib/time.ts'
import type { ProcessFacts, ProcessTable } from './process-table.ts'
import type { Becoming, WaitingShell } from './waiting-shell.ts'

export interface Postmaster {
  readonly pid: number
  /** Resolves with how it ended: `code 1`, `signal SIGKILL`, `unknown` for one that we took over. */
  readonly exited: Promise<string>
  readonly hasExited: () => boolean
  /** Looks now rather than at the next tick. */
  check(): Promise<void>
  /** Sends a signal unless it has exited. */
  signal(name: NodeJS.Signals): void
  /** Stops watching; the process stays. */
  release(): void
}

export async function spawnPostmaster(
  shell: WaitingShell,
  becoming: Becoming,
  processes: ProcessTable,
): Promise<Postmaster> {
  const child = await shell.become(becoming)
  const { pid } = child
  if (pid === undefined) throw new Error('a spawned process has no pid')
  let isGone = false
  const exited = new Promise<string>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) => {
      isGone = true
      resolve(signal === null ? `code ${code}` : `signal ${signal}`)
    }
    if (child.exitCode !== null || child.signalCode !== null) end(child.exitCode, child.signalCode)
    else child.once('exit', end)
  })
  return {
    pid,
    exited,
    hasExited: () => isGone,
    // The kernel tells us soon, and /proc sooner; where that is a command, soon is enough.
    check: async () => {
      if (isGone || process.platform !== 'linux') return
      if ((await processes.find(pid)) === undefined) await exited
    },
    // Through the child object: after its exit was seen, the pid is never signalled again.
    signal: (name) => void (isGone || child.kill(name)),
    release: () => undefined,
  }
}

/** How often a postmaster that is not our child is looked at. */
const watchInterval = millis(500)

export function watchPostmaster(
  facts: ProcessFacts,
  processes: ProcessTable,
  clock: Clock,
): Postmaster {
  const watching = new AbortController()
  let isGone = false
  let resolveExited: (how: string) => void = () => undefined
  const exited = new Promise<string>((resolve) => {
    resolveExited = resolve
  })
  const check = async () => {
    if (isGone) return
    const found = await processes.find(facts.pid)
    if (found?.start === facts.start) return
    isGone = true
    watching.abort()
    resolveExited('unknown')
  }
  const watch = async () => {
    while (!watching.signal.aborted) {
      await clock.sleep(watchInterval, watching.signal)
      await check()
    }
  }
  watch().catch(() => undefined) // ends by the abort
  return {
    pid: facts.pid,
    exited,
    hasExited: () => isGone,
    check,
    signal: (name) => {
      if (isGone) return
      signalProcess(facts.pid, name)
    },
    release: () => watching.abort(),
  }
}

/** A process that is gone has got what it was to get. */
export function signalProcess(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error
  }
}
