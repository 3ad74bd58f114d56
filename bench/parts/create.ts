/** Part 1: from an accepted create to the first row, of a suspended, an idle and a busy source. */
import type { Part } from '../bench.ts'
import { createExplained, createRows, timeCreates } from '../create-timing.ts'
import { readableBytes, timingColumns } from '../tables.ts'

export const create: Part = {
  name: 'create',
  title: 'Create a branch: accepted → first row',
  async run(bench) {
    const subject = await bench.main()
    const source = await subject.sources.ofSize(bench.options.source)
    const size = readableBytes(source.bytes)
    const suspended = await timeCreates(bench, subject, source, 'suspended')
    const idle = await timeCreates(bench, subject, source, 'idle')
    const loaded = await timeCreates(bench, subject, source, 'loaded')
    return {
      tables: [
        {
          columns: timingColumns,
          rows: [
            ...createRows(`${size}, suspended source`, suspended, { p50: 100, p95: 200 }),
            ...createRows(`${size}, idle source`, idle, { p50: 150, p95: 300 }),
            ...createRows(`${size}, source under write load`, loaded, { p50: 600 }),
          ],
        },
      ],
      explain: [
        createExplained,
        `The write load is pgbench’s TPC-B with 4 clients and no pause, at scale ${source.scale}, on the source’s Unix socket; it takes every core that it gets.`,
      ],
    }
  },
}
