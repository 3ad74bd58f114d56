import { expect, test } from 'vitest'
import type { DatabaseId, RoleId } from '../domain/names.ts'
import { foresee } from './foresee.ts'

const role = (roleId: string, postgresRole = roleId) => ({ roleId, postgresRole })
const database = (databaseId: string, postgresDatabase = databaseId) => ({
  databaseId,
  postgresDatabase,
})
const contents = {
  roles: [role('ana', 'ana@x')],
  databases: [database('shop', 'sh op')],
} as unknown as Parameters<typeof foresee>[0]

test('what nothing waits for is as Postgres has it', () => {
  const seen = foresee(contents, [{ kind: 'update-endpoint', input: {} }])
  expect([...seen.roles]).toEqual([['ana', 'ana@x']])
  expect([...seen.databases]).toEqual([['shop', 'sh op']])
  expect(seen.isSettled).toBe(true)
})

test('what waits counts in its order', () => {
  const seen = foresee(contents, [
    { kind: 'create-role', input: { roleId: 'app', postgresRole: 'App' } },
    { kind: 'delete-role', input: { roleId: 'ana' } },
    { kind: 'create-role', input: { roleId: 'ana', postgresRole: 'another' } },
    { kind: 'update-role', input: { roleId: 'app', changes: {} } },
    { kind: 'create-database', input: { databaseId: 'd', postgresDatabase: 'D' } },
    { kind: 'update-database', input: { databaseId: 'd', postgresDatabase: 'E', owner: null } },
    { kind: 'update-database', input: { databaseId: 'shop', postgresDatabase: null } },
    { kind: 'update-database', input: { databaseId: 'absent', postgresDatabase: 'x' } },
  ])
  expect(seen.roles).toEqual(
    new Map([
      ['app' as RoleId, 'App'],
      ['ana' as RoleId, 'another'],
    ]),
  )
  expect(seen.databases).toEqual(
    new Map([
      ['shop' as DatabaseId, 'sh op'],
      ['d' as DatabaseId, 'E'],
    ]),
  )
  expect(seen.isSettled).toBe(false)
})

test('what was done since it was read changes nothing', () => {
  const waiting = [
    { kind: 'create-role', input: { roleId: 'ana', postgresRole: 'ana@x' } },
    { kind: 'delete-database', input: { databaseId: 'gone' } },
    { kind: 'delete-database', input: { databaseId: 'shop' } },
  ]
  const seen = foresee(contents, waiting)
  expect([...seen.roles]).toEqual([['ana', 'ana@x']])
  expect(seen.databases.size).toBe(0)
})
