/** Numbers that are kept must be those of this machine, and each part's own. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Measured, placePart, writeResults } from './results-file.ts'
import { percentile } from './statistics.ts'
import { timingColumns, timingRow } from './tables.ts'

const machine = ['CPU: one', 'Memory: 1 GiB', 'System: Linux', 'Node 20']
const order = ['create', 'wake']

const part = (name: string, value: number): Measured => ({
  name,
  title: `Part ${name}`,
  findings: {
    explain: [],
    tables: [{ columns: timingColumns, rows: [timingRow('row', [value], { p50: 100 })] }],
  },
  circumstances: 'Measured once.',
})

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lakelet-results-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

describe('the results file', () => {
  const file = () => join(directory, 'RESULTS.md')
  const read = () => readFileSync(file(), 'utf8')

  test('a part measured again replaces its own table alone', () => {
    writeResults(file(), machine, [part('create', 11), part('wake', 22)], order)
    writeResults(file(), machine, [part('wake', 33)], order)
    expect(read()).toContain('| row | 1 | 11.0 | 11.0 | p50 ≤ 100 | met |')
    expect(read()).toContain('| row | 1 | 33.0 | 33.0 | p50 ≤ 100 | met |')
    expect(read()).not.toContain('22.0')
    expect(read().indexOf('Part create')).toBeLessThan(read().indexOf('Part wake'))
  })

  test('numbers of another machine are not kept', () => {
    writeResults(file(), machine, [part('create', 11)], order)
    writeResults(file(), ['CPU: two', ...machine.slice(1)], [part('wake', 222)], order)
    expect(read()).not.toContain('Part create')
    expect(read()).toContain('| 222 | 222 | p50 ≤ 100 | **not met** |')
  })

  test('a newer Node is still this machine', () => {
    writeResults(file(), machine, [part('create', 11)], order)
    writeResults(file(), [...machine.slice(0, 3), 'Node 22'], [part('wake', 22)], order)
    expect(read()).toContain('Part create')
    expect(read()).toContain('Node 22')
  })

  test('a part that is written by itself takes its place, and stays when others are measured', () => {
    writeResults(file(), machine, [part('create', 11)], order)
    placePart(file(), part('soak', 44))
    placePart(file(), part('soak', 55))
    expect(read()).not.toContain('44.0')
    writeResults(file(), machine, [part('wake', 22)], [...order, 'soak'])
    for (const name of ['create', 'wake', 'soak']) expect(read()).toContain(`Part ${name}`)
    expect(read()).toContain('55.0')
  })
})

test('percentiles are samples that were seen', () => {
  const samples = Array.from({ length: 20 }, (_, at) => 20 - at)
  expect(percentile(samples, 0.5)).toBe(10)
  expect(percentile(samples, 0.95)).toBe(19)
  expect(percentile([7], 0.95)).toBe(7)
})
