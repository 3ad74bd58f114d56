/** Part 6: memory of an endpoint that is awake and does nothing. */
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from '../bench.ts'
import type { LakeletServer } from '../lakelet-server.ts'
import { wake } from '../login.ts'
import { largest, median } from '../statistics.ts'
import { readable, skippedRow, verdict } from '../tables.ts'

const askedMiB = 16
const columns = ['MiB', 'endpoints', 'processes', 'median', 'largest', 'asked', ''] as const

export const memory: Part = {
  name: 'memory',
  title: 'Memory of an awake, idle endpoint',
  async run(bench) {
    const { server } = await bench.main()
    const rows: string[][] = []
    for (const major of [15, 16, 17, 18]) {
      bench.stopWhenOver()
      const what = `Postgres ${major}`
      try {
        const seen = await measureMajor(server, major, bench.options.endpoints)
        const sizes = seen.map(({ mebibytes }) => mebibytes)
        rows.push([
          what,
          String(seen.length),
          String(median(seen.map(({ processes }) => processes))),
          readable(median(sizes)),
          readable(largest(sizes)),
          `largest ≤ ${askedMiB}`,
          verdict(largest(sizes) <= askedMiB),
        ])
      } catch (error) {
        rows.push(skippedRow(what, error instanceof Error ? error.message : String(error), columns))
      }
    }
    return {
      tables: [{ columns, rows }],
      explain: [
        'Proportional set size (PSS) of all processes of the endpoint’s Postgres, from /proc/*/smaps_rollup: what it has alone, plus its share of pages that several have. Each endpoint was connected to once through the gateway; five seconds later nobody is connected. All endpoints of a row are awake at once.',
      ],
    }
  },
}

async function measureMajor(server: LakeletServer, major: number, count: number) {
  const project = `projects/memory-${major}`
  await server.write('POST', `projects?project_id=memory-${major}`, { spec: { pg_version: major } })
  const branches = [`${project}/branches/production`]
  while (branches.length < count) {
    branches.push((await server.createBranch(project, `idle-${branches.length}`)).name)
  }
  for (const branch of branches) await wake(server, branch)
  await delay(5000)
  const pids = await Promise.all(branches.map((branch) => server.postmaster(branch)))
  const seen = pids.map((pid) => {
    const tree = [pid, ...childrenOf(pid)]
    return { processes: tree.length, mebibytes: tree.map(pss).reduce((a, b) => a + b, 0) / 1024 }
  })
  await server.write('DELETE', `${project}?purge=true`)
  return seen
}

/** A postmaster's children have none of their own. */
function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        // pid (name) state ppid: the name may hold blanks and parentheses.
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
      } catch {
        return false // it ended meanwhile
      }
    })
    .map(Number)
}

/** In KiB. */
const pss = (pid: number): number =>
  Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1])
