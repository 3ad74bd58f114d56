/** What history costs a write load: rounds in which bases are taken, and rounds in which none is. */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Bench, Part } from '../bench.ts'
import { connectToSocket, socketOf, wake } from '../login.ts'
import { measureTpcb } from '../pgbench.ts'
import { median, total } from '../statistics.ts'
import { readable, verdict } from '../tables.ts'

const asked = 0.95

export const baseSnapshots: Part = {
  name: 'base-snapshots',
  title: 'Write load while bases of its history are taken, and while none is',
  async run(bench) {
    const armed = join(bench.home, 'armed')
    writeFileSync(armed, '')
    const stateDir = join(bench.home, 'state-bases')
    mkdirSync(stateDir)
    const { server, sources } = await bench.open('btrfs', stateDir, {
      LAKELET_FAILPOINTS_FILE: armed,
    })
    const source = await sources.ofSize(bench.options.source)
    await wake(server, source.name)
    const socket = await socketOf(server, source.name)
    const { baseRounds, baseSeconds } = bench.options
    const project = join((await server.volume(source.name)).data, '../..')
    const rounds = await measureRounds(bench, { socket, project, armed, baseRounds, baseSeconds })
    await server.dispose()

    const ratios = rounds.map(({ taking, resting }) => taking.tps / resting.tps)
    const taken = total(rounds.map(({ taking }) => taking.bases))
    const row = (what: string, of: 'taking' | 'resting') => [
      what,
      String(rounds.length),
      readable(median(rounds.map((round) => round[of].tps))),
      String(total(rounds.map((round) => round[of].bases))),
      '',
      '',
    ]
    return {
      tables: [
        {
          columns: ['tps', 'rounds', 'median', 'bases taken', 'asked', ''],
          rows: [
            row('Bases are taken', 'taking'),
            row('None is taken', 'resting'),
            [
              '**with ÷ without, round by round**',
              String(rounds.length),
              readable(median(ratios)),
              '',
              `median ≥ ${asked}`,
              taken > 0 ? verdict(median(ratios) >= asked) : 'no base was due: longer rounds',
            ],
          ],
        },
      ],
      explain: [
        `pgbench TPC-B on the branch’s Unix socket, 4 clients, scale ${source.scale}, ${baseSeconds} s a round, a checkpoint before each; which comes first changes from pair to pair. A base is due after every 256 MB of WAL; in the rounds without, taking one waits at a failpoint until they are over. \`--base-rounds 30 --base-seconds 60\` makes an hour of it.`,
      ],
    }
  },
}

interface Setting {
  readonly socket: string
  /** Directory of the project’s volumes, bases included. */
  readonly project: string
  readonly armed: string
  readonly baseRounds: number
  readonly baseSeconds: number
}

interface Seen {
  readonly tps: number
  readonly bases: number
}

interface Pair {
  readonly taking: Seen
  readonly resting: Seen
}

async function measureRounds(bench: Bench, setting: Setting): Promise<readonly Pair[]> {
  const pairs: Pair[] = []
  const round = async (isTaking: boolean): Promise<Seen> => {
    bench.stopWhenOver()
    // Two rounds without any follow each other, and what is held in the first waits out the second.
    const hold = `history/take-base.inserted=sleep:${(2 * setting.baseSeconds + 15) * 1000}`
    writeFileSync(setting.armed, isTaking ? '' : hold)
    await checkpoint(setting.socket)
    const before = new Set(volumes(setting.project))
    const tps = await measureTpcb({ socket: setting.socket }, setting.baseSeconds)
    return { tps, bases: volumes(setting.project).filter((uid) => !before.has(uid)).length }
  }
  for (let turn = -1; turn < setting.baseRounds; turn += 1) {
    const first = await round(turn % 2 === 0)
    const second = await round(turn % 2 !== 0)
    const [taking, resting] = turn % 2 === 0 ? [first, second] : [second, first]
    if (turn >= 0) pairs.push({ taking, resting }) // before that it warms up
  }
  writeFileSync(setting.armed, '')
  return pairs
}

const volumes = (project: string): readonly string[] => readdirSync(project)

async function checkpoint(socket: string): Promise<void> {
  const client = await connectToSocket(socket)
  try {
    await client.query('vacuum pgbench_branches, pgbench_tellers')
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}
