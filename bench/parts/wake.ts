/** Part 4: connecting to an endpoint that sleeps. */
import type { Part } from '../bench.ts'
import { freshId } from '../create-timing.ts'
import { connect, prepareLogin, timeFirstRow } from '../login.ts'
import { readableBytes, timingColumns, timingRow } from '../tables.ts'

export const wake: Part = {
  name: 'wake',
  title: 'Wake: connect to a suspended endpoint → first row',
  async run(bench) {
    const { server, sources } = await bench.main()
    const source = await sources.ofSize(bench.options.source)
    const { name } = await server.createBranch('projects/store', freshId(), source.name)
    const login = await prepareLogin(server, name)
    const times = await bench.repeat(async () => {
      await server.suspend(name)
      const taken = await timeFirstRow(() => connect(login))
      await server.expectState(name, 'ACTIVE')
      return taken
    })
    await server.purge(name)
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [timingRow('**Connect → first row**', times, { p50: 80, p95: 200 })],
        },
      ],
      explain: [
        `TCP, TLS with verified certificate, login with a credential made before, start of Postgres, SELECT of one row. A branch of ${readableBytes(source.bytes)}; before each run its endpoint is disabled and enabled again, shows IDLE, and has no postmaster.pid. The page cache stays warm.`,
      ],
    }
  },
}
