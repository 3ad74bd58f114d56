/** What goes wrong meanwhile. Each entry hurts one process, and the soak goes on without being told. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from './random.ts'
import type { World } from './world.ts'

export interface Fault {
  readonly name: string
  readonly weight: number
  /** `false`: there was nothing to hurt. */
  run(world: World, random: Random): Promise<boolean>
}

const kill = (pid: number): boolean => {
  try {
    process.kill(pid, 'SIGKILL')
    return true
  } catch {
    return false // it ended by itself
  }
}

/** Of what runs on a data directory below the state directory; `undefined`: nothing does. */
function postmasterOf({ keeper }: World, directory: string): number | undefined {
  try {
    const file = join(keeper.server.stateDir, directory, 'postmaster.pid')
    const pid = Number(readFileSync(file, 'utf8').split('\n')[0])
    // A pid file outlives its process, whose number may be another’s by now.
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(directory) ? pid : undefined
  } catch {
    return undefined
  }
}

const aPostmaster: Fault['run'] = async (world, random) => {
  const running = computes(world)
  const pid = random.pick(running)
  return pid !== undefined && kill(pid)
}

/** Postmasters of branches and readers, by what their command lines name. */
function computes({ keeper }: World): readonly number[] {
  const pool = join(keeper.server.stateDir, 'pool')
  return keeper.server.processes().filter((pid) => {
    try {
      const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      return /postgres$/.test(argv[0] ?? '') && argv.some((word) => word.includes(pool))
    } catch {
      return false
    }
  })
}

/** A session of a branch, as the operating system's out-of-memory killer would. */
const aBackend: Fault['run'] = async (world, random) => {
  const parents = computes(world)
  const backends = keeperChildren(parents)
  const pid = random.pick(backends)
  return pid !== undefined && kill(pid)
}

function keeperChildren(parents: readonly number[]): readonly number[] {
  return parents.flatMap((parent) => {
    try {
      return readFileSync(`/proc/${parent}/task/${parent}/children`, 'utf8')
        .trim()
        .split(/\s+/)
        .map(Number)
        .filter((pid) => pid > 0)
    } catch {
      return []
    }
  })
}

const theGateway: Fault['run'] = async ({ keeper }) => {
  const pid = (await keeper.get('/api/lakelet/v1/status')).body.gateway?.pid
  return typeof pid === 'number' && kill(pid)
}

const theCatalog: Fault['run'] = async (world) => {
  const pid = postmasterOf(world, 'catalog')
  world.keeper.isHurt()
  return pid !== undefined && kill(pid)
}

/** At a line of its code that it passed before the server ends, or what it is doing fails. */
const atAFailpoint =
  (act: 'kill' | 'error'): Fault['run'] =>
  async ({ keeper }, random) => {
    const name = random.pick(keeper.failpoints())
    if (name === undefined) return false
    keeper.arm(name, act, 1 + random.below(3))
    return true
  }

export const faults: readonly Fault[] = [
  {
    name: 'server killed',
    weight: 3,
    run: async ({ keeper }) => {
      await keeper.restart('kill')
      return true
    },
  },
  {
    name: 'server stopped',
    weight: 1,
    run: async ({ keeper }) => {
      await keeper.restart('stop')
      return true
    },
  },
  { name: 'kill armed at a failpoint', weight: 4, run: atAFailpoint('kill') },
  { name: 'error armed at a failpoint', weight: 2, run: atAFailpoint('error') },
  { name: 'gateway killed', weight: 3, run: theGateway },
  { name: 'postmaster killed', weight: 4, run: aPostmaster },
  { name: 'backend killed', weight: 2, run: aBackend },
  { name: 'catalog killed', weight: 2, run: theCatalog },
]
