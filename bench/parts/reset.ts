/** A branch reset to its source, from the request to its first row. */
import type { Part } from '../bench.ts'
import { bringTo, freshId } from '../create-timing.ts'
import { connect, prepareLogin, timeFirstRow } from '../login.ts'
import { readableBytes, timingColumns, timingRow } from '../tables.ts'

export const reset: Part = {
  name: 'reset',
  title: 'Reset a branch to its source',
  async run(bench) {
    const { server, sources } = await bench.main()
    const source = await sources.ofSize(bench.options.source)
    await bringTo({ server, sources }, source, 'idle')
    const { name } = await server.createBranch('projects/store', freshId(), source.name)
    const done: number[] = []
    const rows: number[] = []
    await bench.repeat(async (run) => {
      const login = await prepareLogin(server, name)
      const client = await connect(login)
      await client.query('delete from pgbench_branches')
      await client.end()
      const began = performance.now()
      await server.write('POST', `${name}/reset`, {})
      const taken = performance.now() - began
      const row = await timeFirstRow(() => connect(login))
      if (run >= 0) {
        done.push(taken)
        rows.push(row)
      }
      // What it was is kept for a day: room for the next ones.
      const { snapshots } = await server.postgres('GET', 'projects/store/snapshots?page_size=1000')
      for (const { name: kept } of snapshots) await server.write('DELETE', kept)
    })
    await server.purge(name)
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow('**POST → done**', done, { p50: 400 }),
            timingRow('then connect → first row', rows),
          ],
        },
      ],
      explain: [
        `A branch of an idle source of ${readableBytes(source.bytes)}, both awake. Before each reset all rows of a table are deleted on the branch; the first row after it is of that table. The snapshot that keeps the previous state is deleted outside of what is timed.`,
      ],
    }
  },
}
