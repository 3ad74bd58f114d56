/** Part 7: disk that a branch takes before anything was written to it. */
import type { Bench, Part, Subject } from '../bench.ts'
import { bringTo, freshId } from '../create-timing.ts'
import { allocatedBytes, exclusiveBytes } from '../exclusive-bytes.ts'
import type { Driver } from '../lakelet-server.ts'
import { connectToSocket, socketOf, wake } from '../login.ts'
import { largest, median } from '../statistics.ts'
import { readableBytes, verdict } from '../tables.ts'

const askedData = 512 * 1024

interface Footprint {
  readonly data: number
  readonly wal: number
}

export const bytesColumns = ['disk', 'branches', 'median', 'largest', 'asked', ''] as const

export const bytes: Part = {
  name: 'bytes',
  title: 'Disk of a fresh branch',
  async run(bench) {
    const subject = await bench.main()
    const { rows, segment } = await measureFootprints(bench, subject, 'btrfs', true)
    return {
      tables: [{ columns: bytesColumns, rows }],
      explain: [
        `Data: bytes that no other branch shares (\`btrfs filesystem du\` after a sync). WAL: bytes allocated in its directory, without segments that it shares with its source by a link; one segment is ${readableBytes(segment)}. A create starts the branch’s Postgres before it is done, so “fresh” includes that first start. “Used once”: a client connected, read a row and left; then the endpoint was suspended.`,
      ],
    }
  },
}

export async function measureFootprints(
  bench: Bench,
  subject: Subject,
  driver: Driver,
  isBounded: boolean,
): Promise<{ rows: string[][]; segment: number }> {
  const { server, sources } = subject
  const source = await sources.ofSize(bench.options.source)
  await bringTo(subject, source, 'suspended')
  const fresh: Footprint[] = []
  const used: Footprint[] = []
  let segment = 0
  for (let run = 0; run < bench.options.runs; run += 1) {
    bench.stopWhenOver()
    const { name } = await server.createBranch('projects/store', freshId(), source.name)
    const { data, wal } = await server.volume(name)
    const look = async (): Promise<Footprint> => ({
      data: await exclusiveBytes(driver, data),
      wal: allocatedBytes(wal),
    })
    fresh.push(await look())
    await wake(server, name)
    if (segment === 0) segment = await segmentBytes(await socketOf(server, name))
    await server.suspend(name)
    used.push(await look())
    await server.purge(name)
  }
  const size = readableBytes(source.bytes)
  const rows = [
    ...footprintRows(`Fresh branch of ${size}`, fresh, segment, isBounded),
    ...footprintRows('Used once', used, segment, isBounded),
  ]
  return { rows, segment }
}

function footprintRows(
  what: string,
  seen: readonly Footprint[],
  segment: number,
  isBounded: boolean,
): string[][] {
  const row = (name: string, values: readonly number[], asked: number) => [
    `${what}: ${name}`,
    String(values.length),
    readableBytes(median(values)),
    readableBytes(largest(values)),
    isBounded ? `≤ ${readableBytes(asked)}` : '',
    isBounded ? verdict(largest(values) <= asked) : '',
  ]
  return [
    row(
      'data',
      seen.map(({ data }) => data),
      askedData,
    ),
    row(
      'WAL',
      seen.map(({ wal }) => wal),
      segment,
    ),
  ]
}

async function segmentBytes(socket: string): Promise<number> {
  const client = await connectToSocket(socket)
  try {
    const { rows } = await client.query(
      `select setting::int as bytes from pg_settings where name = 'wal_segment_size'`,
    )
    return rows[0].bytes
  } finally {
    await client.end()
  }
}
