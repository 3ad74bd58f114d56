import { expect, test } from 'vitest'
import { databaseNameProblem, draftDatabase, roleNameProblem } from './sql-name.ts'

test.each([
  'app',
  `o'b"rien`,
  'with space',
  'jane@x.example',
  'é'.repeat(31),
  'x'.repeat(63),
  'pg',
])('%s may be a role and a database', (name) => {
  expect(roleNameProblem(name)).toBeUndefined()
  expect(databaseNameProblem(name)).toBeUndefined()
})

test.each([
  ['', 'it is empty'],
  ['x'.repeat(64), /at most 63 bytes/],
  ['é'.repeat(32), /at most 63 bytes/],
  ['a\0b', /NUL/],
  ['a\nb', /control character/],
  ['a\u007fb', /control character/],
])('%j may be neither', (name, problem) => {
  expect(roleNameProblem(name)).toMatch(problem)
  expect(databaseNameProblem(name)).toMatch(problem)
})

test.each(['pg_monitor', 'databricks_owner', 'cloud_admin', 'PUBLIC', 'none', 'postgres'])(
  '%s is no role that anybody makes',
  (name) => expect(roleNameProblem(name)).toMatch(/reserved/),
)

test.each(['postgres', 'template0', 'template1', draftDatabase('x')])(
  '%s is no database that anybody makes',
  (name) => expect(databaseNameProblem(name)).toMatch(/reserved/),
)

test('a draft has a name that Postgres does not cut', () => {
  expect(Buffer.byteLength(draftDatabase(crypto.randomUUID()))).toBeLessThanOrEqual(63)
})
