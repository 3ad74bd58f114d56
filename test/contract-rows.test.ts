/** Every row of the contract (docs/reference/api.md, section 8) has a test that cites it, where it says. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const document = readFileSync(join(root, 'docs/reference/api.md'), 'utf8')
const section = document.slice(document.indexOf('## 8. Row by row'), document.indexOf('\n## 9.'))

interface Row {
  readonly row: number
  readonly file: string
}
const rows: readonly Row[] = [...section.matchAll(/^\| (\d+) +\|.*\| `([^`]+)` +\|$/gm)].map(
  ([, row, file = '']) => ({ row: Number(row), file }),
)

/** Rows that names of tests cite: "row 5", "rows 5 and 16", "rows 9, 12", "rows 8 to 12". */
function citedIn(source: string): ReadonlySet<number> {
  const cited = new Set<number>()
  const names = source.matchAll(/(?:\btest|\]\))\(\s*(['"`])((?:(?!\1).)*)\1/gs)
  for (const [, , name = ''] of names) {
    for (const [, list = ''] of name.matchAll(/\brows? (\d+(?:(?:, | and | to )\d+)*)/g)) {
      for (const part of list.split(/, | and /)) {
        const [first = 0, last = first] = part.split(' to ').map(Number)
        for (let row = first; row <= last; row += 1) cited.add(row)
      }
    }
  }
  return cited
}

test('the table has every row once', () => {
  expect(rows.map(({ row }) => row)).toEqual(Array.from({ length: 31 }, (_, n) => n + 1))
})

test.each(rows)('row $row is cited by a test of $file', ({ row, file }) => {
  const source = readFileSync(join(root, 'test/integration', file), 'utf8')
  expect([...citedIn(source)]).toContain(row)
})

test('names of tests are read, comments and other words are not', () => {
  const source = [
    "test('contract 1.3, rows 2 and 3: both', async () => {})",
    "test.each([['row 9']])('row 4: %s', () => {})",
    '  test(`in words (row 25)`, () => {})',
    "test('rows 8 to 10, 12: a few', () => {})",
    "expect(made).toBe('row 30') // row 31",
  ].join('\n')
  expect([...citedIn(source)].sort((a, b) => a - b)).toEqual([2, 3, 4, 8, 9, 10, 12, 25])
})
