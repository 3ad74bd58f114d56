import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { faultOffset } from './json-argument.ts'

describe('where a text stops being JSON', () => {
  test.each([
    ['{"a":1,}', 7],
    ['{a:1}', 1],
    ["{'a':1}", 1],
    ['{"a":', 5],
    ['', 0],
    ['{"a":1} x', 8],
    ['{"a":truex}', 9],
    ['[1,2', 4],
    ['{"a":nope}', 6],
  ])('%j: at %d', (text, offset) => {
    expect(faultOffset(text)).toBe(offset)
  })

  test('JSON has no such place', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(faultOffset(text)).toBeUndefined()
      }),
    )
  })

  test('an object cut short is at fault at its end', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.nat(), (value, at) => {
        const text = JSON.stringify(value)
        const cut = text.slice(0, at % text.length)
        expect(faultOffset(cut)).toBe(cut.length)
      }),
    )
  })
})
