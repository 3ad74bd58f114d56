import fc from 'fast-check'
import { expect, test } from 'vitest'
import { deriveDatabaseId, deriveRoleId } from './derived-id.ts'
import { isChildId } from './names.ts'

const free = () => false

test.each([
  ['Jane.Doe@x.example', 'USER', 'jane-doe'],
  ['jane', 'USER', 'jane'],
  ['@odd', 'USER', 'odd'],
  [
    '0b7c1f6e-1111-4222-8333-444455556666',
    'SERVICE_PRINCIPAL',
    'sp-0b7c1f6e-1111-4222-8333-444455556666',
  ],
  ['Data Team', 'GROUP', 'data-team'],
  ['app_user', undefined, 'app-user'],
  ['jane@x.example', undefined, 'jane-x-example'],
  ['7up', undefined, 'role-7up'],
  ['__x__', undefined, 'x'],
  ['é', undefined, 'role'],
  ['日本', undefined, 'role'],
] as const)('the role %s (%s) has the id %s', (name, type, id) => {
  expect(deriveRoleId(name, type, free)).toBe(id)
})

test('a database has the id of its name', () => {
  expect(deriveDatabaseId('databricks_postgres', free)).toBe('databricks-postgres')
  expect(deriveDatabaseId('2024', free)).toBe('database-2024')
})

test('an id that is taken gets a tail of the name, always the same', () => {
  const taken = (id: string) => id === 'app'
  const id = deriveRoleId('App', undefined, taken)
  expect(id).toMatch(/^app-[0-9a-f]{8}$/)
  expect(deriveRoleId('App', undefined, taken)).toBe(id)
  expect(deriveRoleId('aPP', undefined, taken)).not.toBe(id)
})

test('whatever the name, the id is one, and none that is taken', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', minLength: 1 }), fc.boolean(), (name, isCrowded) => {
      const taken = new Set<string>()
      for (let n = 0; n < (isCrowded ? 5 : 1); n += 1) {
        const id = deriveRoleId(name, undefined, (wanted) => taken.has(wanted))
        expect(isChildId(id)).toBe(true)
        expect(taken.has(id)).toBe(false)
        taken.add(id)
      }
    }),
  )
})
