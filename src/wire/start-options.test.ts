/** Our own argument is taken out of `options`; everything else reaches Postgres as written. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseStartOptions } from './start-options.ts'

describe('start options', () => {
  test.each([
    [undefined, undefined, undefined],
    ['', undefined, undefined],
    ['endpoint=ep-a', 'ep-a', undefined],
    ['-c geqo=off endpoint=ep-a -c jit=off', 'ep-a', '-c geqo=off -c jit=off'],
    ['endpoint=ep-a endpoint=ep-a', 'ep-a', undefined],
    ['-c search_path=a\\ b', undefined, '-c search_path=a\\ b'],
    ['-c endpoint=ep-a', undefined, '-c endpoint=ep-a'],
    ['--endpoint=ep-a', undefined, '--endpoint=ep-a'],
    ['-cname=endpoint=ep-a', undefined, '-cname=endpoint=ep-a'],
    ['a\\ endpoint=x', undefined, 'a\\ endpoint=x'],
  ])('%j names endpoint %j and leaves %j', (text, endpoint, options) => {
    expect(parseStartOptions(text)).toEqual({ endpoint, options })
  })

  test('two different endpoints are refused', () => {
    expect(() => parseStartOptions('endpoint=ep-a endpoint=ep-b')).toThrow('two different')
  })

  test('without our argument only white space may change', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        fc.pre(!text.includes('endpoint='))
        const { options } = parseStartOptions(text)
        const black = (value: string) => value.replace(/\s/g, '')
        expect(black(options ?? '')).toBe(black(text))
      }),
    )
  })
})
