/** Part 2: what the command line adds to a create. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Part } from '../bench.ts'
import { run } from '../commands.ts'
import { bringTo, freshId } from '../create-timing.ts'
import { program } from '../lakelet-server.ts'
import { median } from '../statistics.ts'
import { readable, readableBytes, timingColumns, timingRow, verdict } from '../tables.ts'

const mayAdd = 100

export const cli: Part = {
  name: 'cli',
  title: 'Create a branch: the command line',
  async run(bench) {
    const subject = await bench.main()
    const { server } = subject
    const source = await subject.sources.ofSize(bench.options.source)
    await bringTo(subject, source, 'suspended')
    const env = { DATABRICKS_HOST: server.url, DATABRICKS_TOKEN: server.token }
    const spec = { source_branch: source.name, ttl: '3600s' }

    const timed = async (work: (id: string) => Promise<unknown>): Promise<number> => {
      const id = freshId()
      const began = performance.now()
      await work(id)
      const taken = performance.now() - began
      await server.purge(`projects/store/branches/${id}`)
      await delay(200)
      return taken
    }
    const byCli = (id: string) =>
      run(
        process.execPath,
        [
          program,
          'postgres',
          'create-branch',
          'projects/store',
          id,
          '--json',
          JSON.stringify({ spec }),
        ],
        { env },
      )
    const byApi = (id: string) =>
      server.write('POST', `projects/store/branches?branch_id=${id}`, { spec })
    const nothing = async () => {
      const began = performance.now()
      await run(process.execPath, ['-e', '0'])
      return performance.now() - began
    }
    // In turns: both meet the same machine.
    const rounds = await bench.repeat(async () => ({
      cli: await timed(byCli),
      api: await timed(byApi),
      node: await nothing(),
    }))
    const [whole, api] = [rounds.map((round) => round.cli), rounds.map((round) => round.api)]
    const added = median(whole) - median(api)
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow('`lakelet postgres create-branch`, the whole process', whole),
            timingRow('The same by the API: POST sent → done', api),
            [
              '**Added by the command line**',
              String(rounds.length),
              readable(added),
              '–',
              `p50 ≤ ${mayAdd}`,
              verdict(added <= mayAdd),
            ],
            timingRow(
              'For comparison: `node -e 0`',
              rounds.map(({ node }) => node),
            ),
          ],
        },
      ],
      explain: [
        `Source: ${readableBytes(source.bytes)}, suspended. The process is timed from its start to its end; it waits for the operation and prints the branch. Command line and API in turns; what is added is the difference of the medians.`,
      ],
    }
  },
}
