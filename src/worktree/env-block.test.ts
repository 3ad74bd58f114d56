import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { placeBlock, readBlock } from './env-block.ts'

const values = fc.dictionary(
  fc.stringMatching(/^[A-Z_][A-Z0-9_]{0,20}$/),
  fc
    .string({ unit: 'binary', maxLength: 40 })
    .filter((text) => !/[\u0000-\u0009\u000b-\u001f]/.test(text)),
  { maxKeys: 6, noNullPrototype: true },
)
const branch = 'projects/store/branches/ann-main-123456'
const key = fc.stringMatching(/^[0-9a-f]{16}$/)
const foreign = fc
  .array(fc.stringMatching(/^[A-Za-z#='" _0-9-]{0,30}$/), { maxLength: 6 })
  .filter((lines) => !lines.some((line) => line.includes('lakelet dev')))

describe('a block', () => {
  test('is read as it was written, and whoever else wrote there keeps every byte', () => {
    fc.assert(
      fc.property(foreign, foreign, key, values, values, (above, below, of, first, second) => {
        const before = above.map((line) => `${line}\n`).join('')
        const after = below.map((line) => `${line}\n`).join('')
        const once = placeBlock(before, { key: of, branch, values: first }) + after
        expect(readBlock(once)).toEqual({ key: of, branch, values: first })
        const twice = placeBlock(once, { key: of, branch, values: second })
        expect(readBlock(twice)).toEqual({ key: of, branch, values: second })
        expect(twice.startsWith(before)).toBe(true)
        expect(twice.endsWith(after)).toBe(true)
        expect(placeBlock(twice, { key: of, branch, values: first })).toBe(
          placeBlock(once, { key: of, branch, values: first }),
        )
      }),
    )
  })

  test('takes the line ends of its file', () => {
    const placed = placeBlock('A=1\r\nB=2\r\n', { key: 'k', branch, values: { PGHOST: 'h' } })
    expect(placed.split('\r\n').join('\n').includes('\r')).toBe(false)
    expect(
      placed
        .split('\n')
        .slice(0, -1)
        .every((line) => line.endsWith('\r')),
    ).toBe(true)
    expect(readBlock(placed)?.values).toEqual({ PGHOST: 'h' })
  })

  test('that lost its last line ends where lines are not like ours', () => {
    const text = placeBlock('', { key: 'k', branch, values: { PGHOST: 'old' } })
      .split('\n')
      .slice(0, -2)
      .join('\n')
    const torn = `${text}\n\nMINE=1\n`
    const placed = placeBlock(torn, { key: 'k', branch, values: { PGHOST: 'new' } })
    expect(readBlock(placed)?.values).toEqual({ PGHOST: 'new' })
    expect(placed).toContain('\nMINE=1\n')
  })

  test('is not there', () => {
    expect(readBlock('')).toBeUndefined()
    expect(readBlock('PGHOST=here\n# >>> another tool\n')).toBeUndefined()
  })
})
