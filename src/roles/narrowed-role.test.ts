import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { narrowedRoleName, parseTableName } from './narrowed-role.ts'

const everything = { permission: 'READ_ONLY', tables: undefined } as const

describe('the name of a narrowed role', () => {
  test('fits into a Postgres name, whatever the login name is', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 200 }), (login) => {
        const name = narrowedRoleName(login, 'db', everything)
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(63)
        expect(name).not.toBe(login)
      }),
    )
  })

  test('depends on what may be read, not on the order it is named in', () => {
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (tables) => {
        const name = (names: readonly string[], database = 'db') =>
          narrowedRoleName('a@x', database, { permission: 'READ_ONLY', tables: names })
        expect(name([...tables].reverse())).toBe(name([...tables, ...tables]))
        expect(name([...tables, `${tables.join()}.`])).not.toBe(name(tables))
        expect(name(tables)).not.toBe(name(tables, 'other'))
        expect(name(tables)).not.toBe(narrowedRoleName('a@x', 'db', everything))
      }),
    )
  })

  test('of everything is one for all databases, and shows whose it is', () => {
    expect(narrowedRoleName('a@x', 'one', everything)).toBe(
      narrowedRoleName('a@x', 'two', everything),
    )
    expect(narrowedRoleName('a@x', 'one', everything)).toMatch(/^a@x\/ro-[0-9a-f]{16}$/)
  })
})

describe('the name of a table', () => {
  test.each([
    ['products', { schema: 'public', table: 'products' }],
    ['sales.orders', { schema: 'sales', table: 'orders' }],
    ['main.sales.orders', { schema: 'sales', table: 'orders' }],
    ['"a.b"."c""d"', { schema: 'a.b', table: 'c"d' }],
    ['x."a.b".c', { schema: 'a.b', table: 'c' }],
    ['', undefined],
    ['.', undefined],
    ['a.', undefined],
    ['a..b', undefined],
    ['a.b.c.d', undefined],
    ['"a', undefined],
  ])('%j', (text, name) => {
    expect(parseTableName(text)).toEqual(name)
  })

  test('comes back from its quoted form', () => {
    const part = fc.string({ minLength: 1, unit: 'binary' })
    fc.assert(
      fc.property(part, part, (schema, table) => {
        const quote = (text: string) => `"${text.replaceAll('"', '""')}"`
        expect(parseTableName(`${quote(schema)}.${quote(table)}`)).toEqual({ schema, table })
      }),
    )
  })
})
