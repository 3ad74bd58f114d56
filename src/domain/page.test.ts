import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Fault } from './faults.ts'
import { decodePageToken, encodePageToken, readPageSize, readPageToken } from './page.ts'

describe('pages', () => {
  test.each([
    [undefined, 100],
    ['', 100],
    ['0', 100],
    ['1', 1],
    ['1000', 1000],
    ['1001', 1000],
    ['9999999999', 1000],
  ])('page_size %j means %d items', (text, size) => {
    expect(readPageSize(text)).toBe(size)
  })

  test('a list may have a smaller maximum', () => {
    expect(readPageSize('1000', 100)).toBe(100)
    expect(readPageSize('99', 100)).toBe(99)
  })

  test.each(['-1', 'ten', '1.5', '1e3', ' 1', '99999999999999999999'])(
    'page_size %j is refused',
    (text) => {
      expect(() => readPageSize(text)).toThrow(Fault)
    },
  )

  test('an empty token is no token, and one over 1 KB is none of ours', () => {
    expect(readPageToken('')).toBeUndefined()
    expect(readPageToken('x'.repeat(1024))).toHaveLength(1024)
    expect(() => readPageToken('x'.repeat(1025))).toThrow(Fault)
  })

  test('a token leads back to its key, in its own list only', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.string(), (list, other, after) => {
        const token = encodePageToken(list, after)
        expect(token).toMatch(/^[A-Za-z0-9_-]+$/)
        expect(decodePageToken(list, token)).toBe(after)
        if (other !== list) expect(() => decodePageToken(other, token)).toThrow(Fault)
      }),
    )
  })

  test('anything else is refused', () => {
    fc.assert(
      fc.property(fc.string(), (token) => {
        fc.pre(token !== encodePageToken('projects', ''))
        expect(() => decodePageToken('projects', token)).toThrow(Fault)
      }),
    )
    expect(() => decodePageToken('l', `${encodePageToken('l', 'a')}=`)).toThrow(Fault)
  })
})
