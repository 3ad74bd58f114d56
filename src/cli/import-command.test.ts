/** What the command line makes of an address. */
import { expect, test } from 'vitest'
import { branchIdFor, withPassword } from './import-command.ts'

test.each([
  ['postgres://u@h/shop', 'shop'],
  ['postgres://u@h:5433/Web_Shop%202?sslmode=require', 'web-shop-2'],
  ['postgres://u@h/1', 'imported'],
  ['postgres://u@h', 'imported'],
  ['postgres://u@h/%zz', 'imported'],
])('the branch of %s is %s', (source, id) => {
  expect(branchIdFor(source)).toBe(id)
})

test.each([
  ['postgres://u@h/d', 'postgres://u:a%2Fb@h/d'],
  ['postgres://u:own@h/d', 'postgres://u:own@h/d'],
  ['postgres:///d?host=/tmp&user=u&password=own', 'postgres:///d?host=/tmp&user=u&password=own'],
])('PGPASSWORD fills %s', (source, filled) => {
  expect(withPassword(source, { env: { PGPASSWORD: 'a/b' } })).toBe(filled)
  expect(withPassword(source, { env: {} })).toBe(source)
})
