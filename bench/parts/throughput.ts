/** Part 5: what a branch's copy-on-write data costs a write load. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, Part } from '../bench.ts'
import { freshId } from '../create-timing.ts'
import { connectToSocket, prepareLogin, socketOf, wake } from '../login.ts'
import { measureTpcb, type Target } from '../pgbench.ts'
import { startPlainPostgres } from '../plain-postgres.ts'
import { median } from '../statistics.ts'
import { readable, readableBytes, verdict } from '../tables.ts'

const asked = 0.9

export const throughput: Part = {
  name: 'throughput',
  title: 'Write load on a branch, and on a plain Postgres',
  async run(bench) {
    const { server, sources } = await bench.main()
    const source = await sources.ofSize(bench.options.source)
    await server.suspend(source.name)
    const { name } = await server.createBranch('projects/store', freshId(), source.name)
    const plain = await startPlainPostgres(server, name, join(bench.home, 'plain'), bench.endings)
    await wake(server, name)
    const socket = await socketOf(server, name)
    const login = await prepareLogin(server, name)
    const rounds = await measureRounds(bench, {
      branch: { socket },
      plain: { socket: plain.socket },
      gateway: { login, caFile: server.caFile },
    })
    await server.purge(name)

    const of = (who: keyof Round) => rounds.map((round) => round[who])
    const ratios = rounds.map(({ branch, plain: peer }) => branch / peer)
    const throughGateway = rounds.map(({ branch, gateway }) => gateway / branch)
    const row = (what: string, values: readonly number[], bound = '', met = '') => [
      what,
      String(values.length),
      readable(median(values)),
      readable(Math.min(...values)),
      readable(Math.max(...values)),
      bound,
      met,
    ]
    return {
      tables: [
        {
          columns: ['tps', 'rounds', 'median', 'lowest', 'highest', 'asked', ''],
          rows: [
            row('Branch: data on the pool, WAL on the ordinary file system', of('branch')),
            row('Plain: data and WAL on the ordinary file system', of('plain')),
            row(
              '**Branch ÷ plain, round by round**',
              ratios,
              `median ≥ ${asked}`,
              verdict(median(ratios) >= asked),
            ),
            row('Branch through the gateway (TLS)', of('gateway')),
            row('Through the gateway ÷ Unix socket', throughGateway),
          ],
        },
      ],
      explain: [
        `pgbench TPC-B, 4 clients, scale ${source.scale}, ${bench.options.roundSeconds} s a round, after one unmeasured round each; a checkpoint before each round; who is first changes from round to round. Both over the Unix socket, by the same binary and the same settings (${settingsInWords(plain.settings)}). The plain one is a copy of the branch’s files (${readableBytes(source.bytes)}), made while it was stopped.`,
        ...(plain.limits === undefined
          ? []
          : [
              `The branch’s compute runs in a control group of its own (${plain.limits}); the plain one does not.`,
            ]),
      ],
    }
  },
}

interface Round {
  readonly branch: number
  readonly plain: number
  readonly gateway: number
}

async function measureRounds(
  bench: Bench,
  targets: Readonly<Record<keyof Round, Target>>,
): Promise<readonly Round[]> {
  const { rounds, roundSeconds } = bench.options
  const measured: Round[] = []
  const names = ['branch', 'plain', 'gateway'] as const
  for (let round = -1; round < rounds; round += 1) {
    const seen = { branch: 0, plain: 0, gateway: 0 }
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      bench.stopWhenOver()
      for (const target of [targets.branch, targets.plain]) {
        if ('socket' in target) await settle(target.socket)
      }
      seen[name] = await measureTpcb(targets[name], roundSeconds)
    }
    if (round >= 0) measured.push(seen)
  }
  return measured
}

/** So that nobody pays for what another round left to be written. */
async function settle(socket: string): Promise<void> {
  const client = await connectToSocket(socket)
  try {
    await client.query('vacuum pgbench_branches, pgbench_tellers')
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
  await delay(500)
}

function settingsInWords(settings: Readonly<Record<string, string>>): string {
  const shown = ['shared_buffers', 'max_wal_size', 'wal_level', 'fsync', 'synchronous_commit']
  const words = shown.flatMap((name) =>
    settings[name] === undefined ? [] : `${name} ${settings[name]}`,
  )
  return [...words, `${Object.keys(settings).length} in all`].join(', ')
}
