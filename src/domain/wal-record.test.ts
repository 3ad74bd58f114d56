/** Walking a log that is laid out here as Postgres lays it out; real logs are read by the tests of points. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { epochMicros } from '../lib/time.ts'
import { endBefore, firstRecord, recordsFrom, type SegmentBytes } from './wal-record.ts'

const pageSize = 8192
const size = 2 ** 20
const magic = 0xd116
const address = 5n * BigInt(size)
const postgresEpoch = 946_684_800_000_000n

interface Written {
  readonly segment: SegmentBytes
  readonly begins: readonly number[]
}

/** A segment with records of these lengths; each third is a commit at its own number of microseconds. */
function lay(lengths: readonly number[], remaining = 0): Written {
  const bytes = Buffer.alloc(size)
  for (let page = 0; page < size; page += pageSize) {
    bytes.writeUInt16LE(magic, page)
    bytes.writeUInt16LE((page === 0 ? 2 : 0) | (page === 0 && remaining > 0 ? 1 : 0), page + 2)
    bytes.writeBigUInt64LE(address + BigInt(page), page + 8)
  }
  bytes.writeUInt32LE(remaining, 16)
  bytes.writeUInt32LE(size, 32)
  bytes.writeUInt32LE(pageSize, 36)
  let at = 40
  const put = (data: Buffer): void => {
    for (let from = 0; from < data.length; ) {
      if (at % pageSize === 0) at += 24
      const length = Math.min(data.length - from, pageSize - (at % pageSize))
      data.copy(bytes, at, from, from + length)
      at += length
      from += length
    }
    at = Math.ceil(at / 8) * 8
  }
  if (remaining > 0) put(Buffer.alloc(remaining, 0xff))
  const begins: number[] = []
  let previous = 0n
  for (const [number, length] of lengths.entries()) {
    const record = Buffer.alloc(length, 0xff)
    record.writeUInt32LE(length, 0)
    record.writeBigUInt64LE(previous, 8)
    record.writeUInt8(0, 16)
    record.writeUInt8(number % 3 === 0 ? 1 : 10, 17)
    record.writeUInt8(255, 24)
    record.writeBigInt64LE(BigInt(number), 26)
    if (at % pageSize === 0) at += 24
    begins.push(at)
    previous = address + BigInt(at)
    put(record)
  }
  const rest = at % pageSize === 0 ? at + 24 : at
  bytes.fill(0, rest, rest + 24)
  return { segment: { bytes, address, size, pageSize, magic }, begins }
}

const lengths = fc.array(fc.integer({ min: 34, max: 20_000 }), { maxLength: 40 })

describe('a walk', () => {
  test('meets each record, and the time of each commit', () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 0, max: 30_000 }), (all, remaining) => {
        const { segment, begins } = lay(all, remaining)
        const first = firstRecord(segment)
        const seen = [...recordsFrom(segment, first ?? 0)]
        expect(seen.map((record) => record.begins)).toEqual(begins)
        expect(seen.map(({ commitTime }) => commitTime)).toEqual(
          begins.map((_, n) => (n % 3 === 0 ? epochMicros(postgresEpoch + BigInt(n)) : undefined)),
        )
        // Where one ends the next begins, but for the header of a page between them.
        for (const [at, { ends }] of seen.slice(0, -1).entries()) {
          const next = address + BigInt(begins[at + 1] ?? 0)
          expect(endBefore(next, size, pageSize)).toBe(address + BigInt(ends))
        }
      }),
      { numRuns: 50 },
    )
  })

  test('ends at a page of another log, at a record that does not follow, at the end of the bytes', () => {
    const { segment, begins } = lay(Array.from({ length: 30 }, () => 3000))
    const walked = (bytes: Buffer) => [...recordsFrom({ ...segment, bytes }, 40)].length
    expect(walked(segment.bytes)).toBe(30)
    const stale = Buffer.from(segment.bytes)
    stale.writeBigUInt64LE(1n, 3 * pageSize + 8)
    expect(walked(stale)).toBe(begins.filter((at) => at < 3 * pageSize).length)
    const broken = Buffer.from(segment.bytes)
    broken.writeBigUInt64LE(7n, (begins[10] ?? 0) + 8)
    expect(walked(broken)).toBe(10)
    expect(walked(segment.bytes.subarray(0, (begins[5] ?? 0) + 10))).toBe(5)
    expect(walked(Buffer.alloc(0))).toBe(0)
    expect(firstRecord({ ...segment, address: 0n })).toBeUndefined()
  })
})
