import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { exportLine, quoteSh } from './shell-quote.ts'

test('a POSIX shell reads any value back as it was', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (value) => {
      fc.pre(
        !value.includes('\0') && !value.endsWith('\n') && Buffer.from(value).toString() === value,
      )
      const script = `${exportLine('sh', 'VALUE', value)}; printf %s "$VALUE"`
      expect(execFileSync('sh', ['-c', script], { encoding: 'utf8' })).toBe(value)
    }),
    { numRuns: 50 },
  )
})

test('plain values stay bare, others are quoted', () => {
  expect(quoteSh('http://127.0.0.1:7430')).toBe('http://127.0.0.1:7430')
  expect(quoteSh("it's $HOME")).toBe(`'it'\\''s $HOME'`)
  expect(quoteSh('')).toBe("''")
  expect(exportLine('fish', 'A', "it's \\")).toBe(`set -gx A 'it\\'s \\\\'`)
  expect(exportLine('powershell', 'A', "it's")).toBe("$env:A = 'it''s'")
})
