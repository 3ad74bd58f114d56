/**
 * One live postmaster, whether we spawned it or took it over. It is a process group and session of
 * its own with its stderr on a file, so it outlives the server; a later server finds it through
 * `postmaster.pid` and watches it by its pid and start.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import type { FileHandle } from 'node:fs/promises'
import type { ServiceUser } from '../lib/service-user.ts'
import { type Clock, millis } from '../lib/time.ts'
import type { ProcessFacts, ProcessTable } from './process-table.ts'

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

export interface Launch {
  readonly program: string
  readonly args: readonly string[]
  readonly log: FileHandle
  readonly serviceUser: ServiceUser | undefined
  readonly processes: ProcessTable
}

export async function spawnPostmaster(launch: Launch): Promise<Postmaster> {
  const { serviceUser: user, processes } = launch
  const child = spawn(launch.program, [...launch.args], {
    detached: true,
    cwd: '/',
    stdio: ['ignore', launch.log.fd, launch.log.fd],
    // Nothing of the server's own environment: no LD_LIBRARY_PATH, no PG* variables, no secrets.
    env: { PATH: '/usr/bin:/bin', LC_ALL: 'C' },
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
  })
  let isGone = false
  const exited = new Promise<string>((resolve) => {
    child.once('exit', (code, signal) => {
      isGone = true
      resolve(signal === null ? `code ${code}` : `signal ${signal}`)
    })
  })
  const pid = await spawned(child)
  child.unref() // the server may end before it
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

const spawned = (child: ChildProcess): Promise<number> =>
  new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('spawn', () => {
      if (child.pid === undefined) reject(new Error('a spawned process has no pid'))
      else resolve(child.pid)
    })
  })

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
