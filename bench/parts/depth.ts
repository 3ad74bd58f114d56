/** A branch of a branch of a branch …: each holds what all above it wrote. */
import type { Part } from '../bench.ts'
import { bringTo, freshId } from '../create-timing.ts'
import { connect, prepareLogin } from '../login.ts'
import { timingColumns, timingRow, verdict } from '../tables.ts'

const project = 'projects/store'

export const depth: Part = {
  name: 'depth',
  title: 'Branch of a branch of a branch',
  async run(bench) {
    const { server, sources } = await bench.main()
    const source = await sources.ofSize(bench.options.source)
    await bringTo({ server, sources }, source, 'idle')
    const names: string[] = []
    const times: number[] = []
    let rows = 0
    while (names.length < bench.options.depth) {
      bench.stopWhenOver()
      const above = names.at(-1) ?? source.name
      const began = performance.now()
      const { name } = await server.createBranch(project, freshId(), above)
      times.push(performance.now() - began)
      if (names.length > 0) await server.suspend(above)
      names.push(name)
      const client = await connect(await prepareLogin(server, name))
      try {
        await client.query('create table if not exists levels (n int primary key)')
        await client.query('insert into levels values ($1)', [names.length])
        rows = (await client.query('select count(*)::int as n from levels')).rows[0].n
      } finally {
        await client.end()
      }
    }
    for (const name of [...names].reverse()) await server.purge(name) // children first
    const ten = Math.min(10, Math.ceil(names.length / 2))
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow(`Levels 1 to ${ten}: POST → done`, times.slice(0, ten)),
            timingRow(`Levels ${names.length - ten + 1} to ${names.length}`, times.slice(-ten)),
          ],
        },
        {
          columns: ['depth', 'seen', 'asked', ''],
          rows: [
            [
              '**Rows at the deepest, one of each level**',
              String(rows),
              String(names.length),
              verdict(rows === names.length),
            ],
          ],
        },
      ],
      explain: [
        'Each branch is made of the one above it, which is awake and was written to a moment before; then the one above is suspended.',
      ],
    }
  },
}
