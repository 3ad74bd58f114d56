/** A difference in the words that people and pull requests read. */
import { expect, test } from 'vitest'
import { compareSchemas } from './compare-schemas.ts'
import type { SchemaObject } from './read-schema.ts'
import { type Diff, markdown, rowLines, schemaLines } from './show-diff.ts'

const column = (
  name: string,
  type: string,
  more: Readonly<Record<string, string>> = {},
): SchemaObject => ({
  kind: 'column',
  name,
  properties: { type, ...more },
})
const view = (definition: string): SchemaObject => ({
  kind: 'view',
  name: 'public.v',
  properties: { definition },
})

test('what is only on one side, and what is other', () => {
  const from = [column('public.t.a', 'integer'), column('public.t.b', 'text'), view('SELECT 1\n')]
  const to = [
    column('public.t.a', 'bigint', { 'not null': 'true' }),
    column('public.t.c', 'text', { default: "''" }),
    view('SELECT 2\n  AS `x`'),
  ]
  const changes = compareSchemas(from, to)
  expect([...schemaLines(changes)]).toEqual([
    '~ column public.t.a  type: integer → bigint; not null: none → true',
    '- column public.t.b  text',
    "+ column public.t.c  text; default ''",
    '~ view public.v',
    '    definition:',
    '-     SELECT 1',
    '+     SELECT 2',
    '+       AS `x`',
  ])
  expect(compareSchemas(from, from)).toEqual([])
})

test('a comment is found again by its first line, and nothing in it ends its own markup', () => {
  const diff: Diff = {
    from: 'projects/store/branches/production',
    to: 'projects/store/branches/demo',
    schema: compareSchemas([], [view('SELECT\n```')]),
    rows: [
      { table: 'public."a|b"', counts: { added: 1, removed: 0, changed: 2 } },
      { table: 'public.big', counts: undefined, remark: 'takes longer than 30 s' },
    ],
  }
  const text = markdown(diff)
  expect(text.split('\n')[0]).toBe('<!-- lakelet diff projects/store/branches/demo -->')
  expect(text).toContain('````diff\n+ view public.v')
  expect(text).toContain('| public."a\\|b" | 1 | 2 | 0 |  |')
  expect(text).toContain('| public.big | ? | ? | ? | takes longer than 30 s |')
  expect([...rowLines(diff.rows ?? [])]).toEqual([
    'public."a|b": 1 added, 2 changed, 0 removed',
    'public.big: not counted (takes longer than 30 s)',
  ])
  expect(markdown({ ...diff, schema: [], rows: [] })).toContain('Schema and rows are the same.')
})

test('a comment is no longer than GitHub takes, and says what it left out', () => {
  const all = Array.from({ length: 3000 }, (_, n) => `public.table_${n}_${'x'.repeat(40)}`)
  const text = markdown({
    from: 'projects/store/branches/production',
    to: 'projects/store/branches/demo',
    schema: compareSchemas(
      [],
      all.map((name) => column(`${name}.a`, 'text')),
    ),
    rows: all.map((table) => ({ table, counts: { added: 1, removed: 0, changed: 0 } })),
  })
  expect(text.length).toBeGreaterThan(50_000)
  expect(text.length).toBeLessThan(60_000)
  expect(text).toMatch(/\n```\n\nand \d{4} lines more\n/)
  expect(text).toMatch(/\nand \d{4} tables more\n$/)
})
