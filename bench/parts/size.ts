/** Part 3: that a branch of much data takes no longer than one of little. */
import type { Bench, Part } from '../bench.ts'
import {
  bringTo,
  type CreateTiming,
  createExplained,
  type SourceState,
  timeCreate,
} from '../create-timing.ts'
import type { Source } from '../sources.ts'
import { median } from '../statistics.ts'
import {
  readable,
  readableBytes,
  skippedRow,
  timingColumns,
  timingRow,
  verdict,
} from '../tables.ts'

const mayGrow = 1.3

export const size: Part = {
  name: 'size',
  title: 'Create a branch: size of the source',
  async run(bench) {
    const { sources, skipped } = await fill(bench)
    const rows: string[][] = []
    for (const state of ['suspended', 'idle'] as const) {
      const timings = await measure(bench, sources, state)
      for (const [at, source] of sources.entries()) {
        const totals = (timings[at] ?? []).map(({ total }) => total)
        rows.push(timingRow(`${readableBytes(source.bytes)}, ${state} source`, totals))
      }
      rows.push(ratioRow(sources, timings, state))
    }
    for (const { bytes, reason } of skipped) {
      rows.push(skippedRow(readableBytes(bytes), reason, timingColumns))
    }
    return {
      tables: [{ columns: timingColumns, rows }],
      explain: [`${createExplained} Sources take turns, so that all meet the same machine.`],
    }
  },
}

interface Filled {
  readonly sources: readonly Source[]
  readonly skipped: readonly { readonly bytes: number; readonly reason: string }[]
}

async function fill(bench: Bench): Promise<Filled> {
  const subject = await bench.main()
  const sources: Source[] = []
  const skipped: { bytes: number; reason: string }[] = []
  for (const bytes of [...bench.options.sizes].sort((a, b) => a - b)) {
    bench.stopWhenOver()
    const needed = bytes * 1.3
    if (needed > bench.room) {
      const reason = `the disk has ${readableBytes(Math.max(0, bench.room))} to spare, not ${readableBytes(needed)}`
      skipped.push({ bytes, reason })
    } else {
      sources.push(await subject.sources.ofSize(bytes))
    }
  }
  return { sources, skipped }
}

async function measure(
  bench: Bench,
  sources: readonly Source[],
  state: SourceState,
): Promise<readonly (readonly CreateTiming[])[]> {
  const subject = await bench.main()
  for (const source of sources) await bringTo(subject, source, state)
  const rounds = await bench.repeat(async () => {
    const round: CreateTiming[] = []
    for (const source of sources) round.push(await timeCreate(subject, source))
    return round
  })
  return sources.map((_, at) => rounds.flatMap((round) => round[at] ?? []))
}

function ratioRow(
  sources: readonly Source[],
  timings: readonly (readonly CreateTiming[])[],
  state: SourceState,
): string[] {
  const medians = timings.map((of) => median(of.map(({ total }) => total)))
  const [smallest, biggest] = [sources[0]?.bytes ?? 0, sources.at(-1)?.bytes ?? 0]
  const ratio = (medians.at(-1) ?? Number.NaN) / (medians[0] ?? Number.NaN)
  const gigabytes = biggest >= 10 * 1024 ** 3 && smallest <= 100 * 1024 ** 2
  return [
    `**${readableBytes(biggest)} ÷ ${readableBytes(smallest)}, ${state}**`,
    String(timings[0]?.length ?? 0),
    `× ${readable(ratio)}`,
    '–',
    `p50 ≤ × ${mayGrow}${gigabytes ? '' : ' (10 GiB ÷ 100 MiB)'}`,
    verdict(ratio <= mayGrow),
  ]
}
