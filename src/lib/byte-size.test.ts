import { expect, test } from 'vitest'
import { parseByteSize } from './byte-size.ts'

test.each([
  ['0', 0],
  ['4096', 4096],
  ['20GB', 20 * 1024 ** 3],
  ['20 GiB', 20 * 1024 ** 3],
  ['1.5g', 1.5 * 1024 ** 3],
  ['512MB', 512 * 1024 ** 2],
  ['2t', 2 * 1024 ** 4],
  ['10kb', 10_240],
  ['7b', 7],
])('%s is %d bytes', (text, bytes) => {
  expect(parseByteSize(text)).toBe(bytes)
})

test.each(['', 'GB', '-1GB', '20XB', '1,5GB', '1e9', '999999999999999PB'])(
  '%j is not a size',
  (text) => {
    expect(parseByteSize(text)).toBeUndefined()
  },
)
