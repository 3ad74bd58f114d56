/** Recordings of btrfs-progs 6.2. */
import { expect, test } from 'vitest'
import { parseExclusive } from './du-output.ts'

test('the exclusive column is read', () => {
  const recorded =
    '     Total   Exclusive  Set shared  Filename\n  24051712       49152    23900160  /pool/a b/volume\n'
  expect(parseExclusive(recorded)).toBe(49152)
})

test('other output is no number', () => {
  expect(parseExclusive('')).toBeUndefined()
  expect(parseExclusive('     Total   Exclusive  Set shared  Filename\n')).toBeUndefined()
  expect(parseExclusive('head\n 1.00MiB 4.00KiB 1.00MiB /pool')).toBeUndefined()
})
