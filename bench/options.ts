/** What to measure and how much of it, from the command line. */
import { parseArgs } from 'node:util'

export interface Options {
  /** Names of parts; empty: all. */
  readonly only: readonly string[]
  /** Bytes of the sources whose branching is compared by size. */
  readonly sizes: readonly number[]
  /** Bytes of the source in every other part. */
  readonly source: number
  readonly runs: number
  /** Unmeasured runs before the first measured one. */
  readonly warmUps: number
  /** Rounds of pgbench, and seconds of each. */
  readonly rounds: number
  readonly roundSeconds: number
  /** Awake endpoints whose memory is measured, of each Postgres major. */
  readonly endpoints: number
  /** Branches in the list that is measured. */
  readonly branches: number
  /** Branches that are made of one source, and levels of branches of branches. */
  readonly many: number
  readonly depth: number
  /** How long a source is written to before branches at points of it are made. */
  readonly pointSeconds: number
  /** Pairs of rounds with and without bases, and seconds of each round. */
  readonly baseRounds: number
  readonly baseSeconds: number
  readonly isQuick: boolean
  /** Where the results go; `undefined`: only to the terminal. */
  readonly out: string | undefined
}

export const usage = `npm run bench -- [options]
  --only A,B       parts: create, cli, size, wake, throughput, memory, bytes, api, drivers, login, start,
                   point, reset, base-snapshots, many-branches, depth, left-overs
  --runs N         measured runs of each row (20)
  --source SIZE    source of every part but "size" (1GB)
  --sizes A,B      sources of "size" (100MB,1GB,10GB)
  --rounds N       rounds of pgbench (5), each of --round-seconds N (12)
  --many N         branches of "many-branches" and "left-overs" (1000: seven minutes each)
  --depth N        levels of "depth" (100)
  --point-seconds N  of writing 50 MB/s before the branches of "point" (60; asked for are 300)
  --base-rounds N  pairs of rounds of "base-snapshots" (2), each of --base-seconds N (40; an hour: 30, 60)
  --quick          reduced: 5 runs, 100MB sources, short rounds; not written to RESULTS.md
  --out FILE       where results are kept; parts that did not run stay as they are (bench/RESULTS.md)`

export function parseOptions(argv: readonly string[], resultsFile: string): Options | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      runs: { type: 'string' },
      source: { type: 'string' },
      sizes: { type: 'string' },
      rounds: { type: 'string' },
      'round-seconds': { type: 'string' },
      many: { type: 'string' },
      depth: { type: 'string' },
      'point-seconds': { type: 'string' },
      'base-rounds': { type: 'string' },
      'base-seconds': { type: 'string' },
      quick: { type: 'boolean', default: false },
      out: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return undefined
  const isQuick = values.quick
  const list = (text: string) => text.split(',').map((item) => item.trim())
  return {
    only: values.only === undefined ? [] : list(values.only),
    sizes: list(values.sizes ?? (isQuick ? '100MB,300MB' : '100MB,1GB,10GB')).map(bytes),
    source: bytes(values.source ?? (isQuick ? '100MB' : '1GB')),
    runs: whole(values.runs ?? (isQuick ? '5' : '20'), '--runs'),
    warmUps: isQuick ? 1 : 2,
    rounds: whole(values.rounds ?? (isQuick ? '2' : '5'), '--rounds'),
    roundSeconds: whole(values['round-seconds'] ?? (isQuick ? '3' : '12'), '--round-seconds'),
    endpoints: isQuick ? 2 : 5,
    branches: isQuick ? 40 : 500,
    many: whole(values.many ?? (isQuick ? '40' : '1000'), '--many'),
    depth: whole(values.depth ?? (isQuick ? '10' : '100'), '--depth'),
    pointSeconds: whole(values['point-seconds'] ?? (isQuick ? '5' : '60'), '--point-seconds'),
    baseRounds: whole(values['base-rounds'] ?? (isQuick ? '1' : '2'), '--base-rounds'),
    baseSeconds: whole(values['base-seconds'] ?? (isQuick ? '5' : '40'), '--base-seconds'),
    isQuick,
    out: values.out ?? (isQuick ? undefined : resultsFile),
  }
}

function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([MG])B?$/i.exec(text)
  if (match === null) throw new Error(`${text} is not a size such as 100MB or 10GB`)
  return Math.floor(Number(match[1]) * 1024 ** (match[2]?.toUpperCase() === 'G' ? 3 : 2))
}

function whole(text: string, flag: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new Error(`${flag}: ${text} is not a number of runs`)
  return Number(text)
}
