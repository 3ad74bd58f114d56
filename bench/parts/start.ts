/** Part 11: the second start, which finds everything made. */
import { resolve } from 'node:path'
import type { Part } from '../bench.ts'
import { timingColumns, timingRow } from '../tables.ts'

const starter = resolve(import.meta.dirname, '../../../scripts/start.mjs')

export const start: Part = {
  name: 'start',
  title: 'Start with an existing state directory',
  async run(bench) {
    const { server } = await bench.main()
    const rounds = await bench.repeat(async () => {
      await server.stop()
      const up = await server.start()
      await server.stop()
      return { up, npm: await server.start([starter]) }
    })
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            timingRow(
              '**`lakelet up` → start screen**',
              rounds.map(({ up }) => up),
              { p95: 2000 },
            ),
            timingRow(
              '**What `npm start` runs → start screen**',
              rounds.map(({ npm }) => npm),
              { p95: 2000 },
            ),
          ],
        },
      ],
      explain: [
        'From the start of the process to the line “is running.”: catalog started, pool mounted, gateway listening, API answering. The second row first looks whether packages and build are fresh (npm’s own start is not in it). Endpoints were suspended by the stop before.',
      ],
    }
  },
}
