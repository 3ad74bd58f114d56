/** No kind of operation and no failpoint without a case that is killed there. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { kinds, writtenFailpoints } from './kills.ts'
import { elsewhere, operations } from './operations.ts'

const root = resolve(import.meta.dirname, '../..')

describe('the table of operations', () => {
  test('has every kind that the engine knows', () => {
    const known = new Set([
      ...operations.map(({ kind }) => kind),
      ...elsewhere.flatMap(({ kind }) => kind ?? []),
    ])
    expect(kinds.map(({ name }) => name).filter((name) => !known.has(name))).toEqual([])
    expect([...known].filter((kind) => !kinds.some(({ name }) => name === kind))).toEqual([])
  })

  test('is in the suites, each kind in one of them', () => {
    const suites = readdirSync(import.meta.dirname)
      .filter((name) => name.startsWith('killed-') && name.endsWith('.test.ts'))
      .flatMap((name) => {
        const text = readFileSync(join(import.meta.dirname, name), 'utf8')
        return [...text.matchAll(/^killingSuite\(\/(.+)\/\)$/gm)].map(
          ([, pattern = '']) => new RegExp(pattern),
        )
      })
    expect(suites.length).toBeGreaterThan(2)
    for (const { kind } of operations) {
      expect(suites.filter((suite) => suite.test(kind)).length, kind).toBe(1)
    }
  })

  test('covers every failpoint of the sources, or says which test does', () => {
    const points = writtenFailpoints()
    expect(points.length).toBeGreaterThan(30)
    const homeless = points.filter(
      (point) =>
        !operations.some(({ covers }) => covers?.test(point)) &&
        !elsewhere.some((other) => other.point.test(point)),
    )
    expect(homeless).toEqual([])
    for (const { point, by, isTraced } of elsewhere) {
      const text = readFileSync(join(root, by), 'utf8')
      if (isTraced) {
        expect(text, `${by} traces failpoints`).toContain('LAKELET_FAILPOINT_TRACE')
        continue
      }
      for (const name of points.filter((each) => point.test(each))) {
        expect(text, `${by} kills at ${name}`).toContain(name)
      }
    }
  })
})
