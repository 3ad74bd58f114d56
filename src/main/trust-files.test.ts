import { expect, test } from 'vitest'
import { bundle } from './trust-files.ts'

const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`

test('a bundle holds each certificate once, ours first, and nothing else', () => {
  const others = `# a comment\n${pem('proxy')}\n${pem('ours')}\n`
  expect(bundle(pem('ours'), others)).toBe(`${pem('ours')}\n${pem('proxy')}\n`)
  expect(bundle(`${pem('ours')}\n`, '')).toBe(`${pem('ours')}\n`)
})
