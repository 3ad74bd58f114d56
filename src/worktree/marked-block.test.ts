import fc from 'fast-check'
import { expect, test } from 'vitest'
import { withBlock } from './marked-block.ts'

const foreign = fc.string({ unit: 'binary' }).filter((text) => !text.includes('lakelet init'))

test('a block is replaced by the next one, and every other byte stays', () => {
  fc.assert(
    fc.property(foreign, foreign, (above, below) => {
      const once = withBlock(above, 'one\nrule')
      expect(once?.startsWith(above)).toBe(true)
      const twice = withBlock(`${once}${below}`, 'another')
      expect(twice?.startsWith(above)).toBe(true)
      expect(twice?.endsWith(below)).toBe(true)
      expect(twice).toContain('another')
      expect(twice).not.toContain('one\nrule')
      expect(withBlock(twice ?? '', 'another')).toBe(twice)
    }),
  )
})

test('takes the line ends of its file, and a file without a last newline', () => {
  expect(withBlock('# Mine\r\n', 'a\nb')).toMatch(
    /^# Mine\r\n\r\n<!-- >>>.*\r\na\r\nb\r\n<!-- <<<.*\r\n$/,
  )
  expect(withBlock('# Mine', 'a')).toMatch(/^# Mine\n\n<!-- >>>/)
})

test('that lost its last line is nothing to guess at', () => {
  const whole = withBlock('', 'a') ?? ''
  expect(withBlock(whole.replace(/<!-- <<<.*\n/, ''), 'b')).toBeUndefined()
})
