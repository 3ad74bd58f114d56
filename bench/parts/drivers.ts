/** Part 9: the same create and the same fresh branch on each storage driver. */
import { join } from 'node:path'
import type { Bench, Part, Subject } from '../bench.ts'
import { createRows, timeCreates } from '../create-timing.ts'
import type { Driver } from '../lakelet-server.ts'
import { mountXfs } from '../loop-image.ts'
import { readableBytes, skippedRow, timingColumns } from '../tables.ts'
import { bytesColumns, measureFootprints } from './bytes.ts'

const places: Readonly<Record<Driver, string>> = {
  btrfs: 'btrfs',
  reflink: 'reflink on an XFS image',
  copy: 'copy on the ordinary file system',
}

export const drivers: Part = {
  name: 'drivers',
  title: 'Storage drivers',
  async run(bench) {
    const times: string[][] = []
    const disk: string[][] = []
    for (const driver of ['btrfs', 'reflink', 'copy'] as const) {
      bench.stopWhenOver()
      const place = places[driver]
      try {
        const seen = await measureDriver(bench, driver)
        times.push(...seen.times.map(([what, ...rest]) => [`${place}: ${what}`, ...rest]))
        disk.push(...seen.disk.map(([what, ...rest]) => [`${place}: ${what}`, ...rest]))
      } catch (error) {
        bench.stopWhenOver()
        const reason = error instanceof Error ? error.message : String(error)
        times.push(skippedRow(place, reason, timingColumns))
      }
    }
    return {
      tables: [
        { columns: timingColumns, rows: times },
        { columns: bytesColumns, rows: disk },
      ],
      explain: [
        `Measured as above, on a source of ${readableBytes(bench.options.source)}. Bytes of reflink: extents that filefrag does not call shared; of copy: bytes allocated.`,
      ],
    }
  },
}

async function measureDriver(bench: Bench, driver: Driver) {
  const subject = await open(bench, driver)
  try {
    const source = await subject.sources.ofSize(bench.options.source)
    const suspended = await timeCreates(bench, subject, source, 'suspended')
    const idle = await timeCreates(bench, subject, source, 'idle')
    const { rows } = await measureFootprints(bench, subject, driver, false)
    return {
      times: [...createRows('suspended source', suspended), ...createRows('idle source', idle)],
      disk: rows,
    }
  } finally {
    if (driver !== 'btrfs') await subject.server.dispose()
  }
}

async function open(bench: Bench, driver: Driver): Promise<Subject> {
  if (driver === 'btrfs') return bench.main()
  if (driver === 'copy') return bench.open(driver, join(bench.home, 'state-copy'))
  const bytes = Math.min(bench.options.source * 6 + 6 * 1024 ** 3, bench.room)
  const mounted = await mountXfs(bench.home, bytes, bench.endings)
  return bench.open(driver, join(mounted, 'state'))
}
