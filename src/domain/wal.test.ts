/** Names and stamps of WAL files. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { lsn } from './lsn.ts'
import {
  isHistoryFile,
  parsePageHeader,
  parseSegmentName,
  segmentName,
  segmentNumber,
  validLength,
} from './wal.ts'

const MiB = 2 ** 20
const segmentSize = fc.integer({ min: 0, max: 10 }).map((power) => MiB * 2 ** power)

describe('segment names', () => {
  test('are those of Postgres', () => {
    const at = (text: bigint, size: number): string =>
      segmentName({ timeline: 1, number: segmentNumber(lsn(text), size) }, size)
    // select pg_walfile_name('1/2F000028') with segments of 16, 1 and 1024 MiB
    expect(at(0x1_2f00_0028n, 16 * MiB)).toBe('00000001000000010000002F')
    expect(at(0x1_2f00_0028n, MiB)).toBe('0000000100000001000002F0')
    expect(at(0x1_2f00_0028n, 1024 * MiB)).toBe('000000010000000100000000')
  })

  test('parse back to what they name', () => {
    fc.assert(
      fc.property(
        segmentSize,
        fc.integer({ min: 1, max: 2 ** 32 - 1 }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        (size, timeline, position) => {
          const file = { timeline, number: segmentNumber(lsn(position), size) }
          expect(parseSegmentName(segmentName(file, size), size)).toEqual(file)
        },
      ),
    )
  })

  test('other names are none', () => {
    for (const name of [
      'archive_status',
      '00000002.history',
      '00000001000000010000002F.partial',
      '00000001000000010000002f',
      '000000010000000100000100', // 256 of 16 MiB is the next log id
      '',
    ]) {
      expect(parseSegmentName(name, 16 * MiB), name).toBeUndefined()
    }
    expect(isHistoryFile('00000002.history')).toBe(true)
    expect(isHistoryFile('2.history')).toBe(false)
  })
})

describe('pages', () => {
  const pageSize = 8192
  const magic = 0xd116
  const page = (address: bigint): Buffer => {
    const bytes = Buffer.alloc(pageSize)
    bytes.writeUInt16LE(magic, 0)
    bytes.writeUInt32LE(1, 4)
    bytes.writeBigUInt64LE(address, 8)
    return bytes
  }

  test('count as long as each carries its own address', () => {
    fc.assert(
      fc.property(
        fc.nat({ max: 8 }),
        fc.constantFrom('recycled', 'zeroed', 'cut short', 'other format', 'end'),
        (good, then) => {
          const start = 0x3000000n
          const pages = Array.from({ length: good }, (_, n) => page(start + BigInt(n * pageSize)))
          if (then === 'recycled') pages.push(page(start - 0x1000000n))
          if (then === 'zeroed') pages.push(Buffer.alloc(pageSize))
          if (then === 'cut short')
            pages.push(page(start + BigInt(good * pageSize)).subarray(0, 4096))
          if (then === 'other format') {
            const other = page(start + BigInt(good * pageSize))
            other.writeUInt16LE(magic - 1, 0)
            pages.push(other)
          }
          if (then === 'recycled' && good > 0) pages.push(page(start)) // never after the end
          const length = validLength(Buffer.concat(pages), start, { magic, pageSize })
          expect(length).toBe(good * pageSize)
        },
      ),
    )
  })

  test('headers are read from any bytes without failing', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 64 }), (bytes, offset) => {
        parsePageHeader(Buffer.from(bytes), offset)
      }),
    )
    expect(parsePageHeader(Buffer.alloc(8192))).toBeUndefined()
  })
})
