/**
 * `RESULTS.md`: what was measured last, part by part. A run that measures only some parts replaces
 * theirs and leaves the others, each of which says when and on which commit it was measured. Numbers
 * of another machine are not mixed in: then the file begins anew.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { asMarkdown, type Findings } from './tables.ts'

export interface Measured {
  readonly name: string
  readonly title: string
  readonly findings: Findings
  /** When, on which commit, how many runs, how busy the machine was. */
  readonly circumstances: string
}

const opening = (name: string): string => `<!-- part ${name} -->`
const closing = (name: string): string => `<!-- end of ${name} -->`

export function renderPart({ name, title, findings, circumstances }: Measured): string {
  return [
    opening(name),
    `## ${title}`,
    '',
    ...findings.tables.flatMap((table) => [asMarkdown(table), '']),
    ...findings.explain.flatMap((paragraph) => [paragraph, '']),
    `*${circumstances}*`,
    closing(name),
  ].join('\n')
}

export function writeResults(
  file: string,
  machine: readonly string[],
  measured: readonly Measured[],
  order: readonly string[],
): void {
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const kept = sameMachine(before, machine) ? before : ''
  const fresh = new Map(measured.map((part) => [part.name, renderPart(part)]))
  const parts = order.flatMap((name) => fresh.get(name) ?? partIn(kept, name) ?? [])
  writeFileSync(file, `${[heading(machine), ...parts].join('\n\n')}\n`)
}

/** One part that is measured by itself: in its place, or at the end. */
export function placePart(file: string, measured: Measured): void {
  const text = existsSync(file) ? readFileSync(file, 'utf8').trimEnd() : ''
  const before = partIn(text, measured.name)
  const fresh = renderPart(measured)
  const placed = before === undefined ? `${text}\n\n${fresh}` : text.replace(before, () => fresh)
  writeFileSync(file, `${placed.trimStart()}\n`)
}

function heading(machine: readonly string[]): string {
  return [
    '# Measured',
    '',
    'Written by `npm run bench`; how each number came about stands below its table. p50 is the median, p95 the',
    '95th percentile by nearest rank. “asked” is the bound that the product sets itself.',
    '',
    ...machine.map((line) => `- ${line}`),
  ].join('\n')
}

function partIn(text: string, name: string): string | undefined {
  const from = text.indexOf(opening(name))
  const to = text.indexOf(closing(name))
  return from === -1 || to === -1 ? undefined : text.slice(from, to + closing(name).length)
}

/** By processor, memory and kernel: file systems and versions may change between parts. */
const sameMachine = (text: string, machine: readonly string[]): boolean =>
  machine.slice(0, 3).every((line) => text.includes(`- ${line}`))
