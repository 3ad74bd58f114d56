/**
 * Results as tables: for the terminal while measuring, and as Markdown for the file that is kept. A
 * measured value stands beside what was asked for, and says whether it was met.
 */
import { median, p95 } from './statistics.ts'

export interface Table {
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

export interface Findings {
  /** What lies inside the measured interval, and how it was measured. One paragraph each. */
  readonly explain: readonly string[]
  readonly tables: readonly Table[]
}

/** What was asked for, in the unit of the samples. */
export interface Asked {
  readonly p50?: number
  readonly p95?: number
}

export const timingColumns = ['ms', 'runs', 'p50', 'p95', 'asked', ''] as const

export function timingRow(what: string, samples: readonly number[], asked: Asked = {}): string[] {
  const bounds = [
    ...(asked.p50 === undefined ? [] : [`p50 ≤ ${asked.p50}`]),
    ...(asked.p95 === undefined ? [] : [`p95 ≤ ${asked.p95}`]),
  ]
  const isMet =
    median(samples) <= (asked.p50 ?? Number.POSITIVE_INFINITY) &&
    p95(samples) <= (asked.p95 ?? Number.POSITIVE_INFINITY)
  return [
    what,
    String(samples.length),
    readable(median(samples)),
    readable(p95(samples)),
    bounds.join(', '),
    bounds.length === 0 ? '' : verdict(isMet),
  ]
}

export const verdict = (isMet: boolean): string => (isMet ? 'met' : '**not met**')

/** A row for what cannot run here. */
export const skippedRow = (what: string, reason: string, columns: readonly string[]): string[] => [
  what,
  ...columns.slice(1, -1).map(() => '–'),
  `cannot run: ${reason}`,
]

export function readable(value: number): string {
  if (Number.isNaN(value)) return '–'
  if (Math.abs(value) >= 100) return value.toFixed(0)
  return Math.abs(value) >= 10 ? value.toFixed(1) : value.toFixed(2)
}

const KiB = 1024
export function readableBytes(bytes: number): string {
  if (bytes >= KiB ** 3) return `${readable(bytes / KiB ** 3)} GiB`
  if (bytes >= KiB ** 2) return `${readable(bytes / KiB ** 2)} MiB`
  return `${readable(bytes / KiB)} KiB`
}

export function asText({ columns, rows }: Table): string {
  const all = [columns, ...rows].map((row) => row.map((cell) => cell.replaceAll('**', '')))
  const widths = columns.map((_, at) => Math.max(...all.map((row) => row[at]?.length ?? 0)))
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd()
  return all.map(line).join('\n')
}

export function asMarkdown({ columns, rows }: Table): string {
  const line = (row: readonly string[]) => `| ${row.join(' | ')} |`
  const rule = columns.map((_, at) => (at === 0 ? '---' : '---:'))
  return [line(columns), line(rule), ...rows.map(line)].join('\n')
}
