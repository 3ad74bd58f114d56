/**
 * Records of the write-ahead log (src/include/access/xlogrecord.h, xact.h), just enough to walk from one
 * to the next and to read when a transaction was committed. The same in Postgres 15 to 18. Pure: a
 * segment's bytes in, records out; whether the bytes of a record are whole, its checksum tells Postgres.
 */
import { type EpochMicros, epochMicros } from '../lib/time.ts'
import { parsePageHeader } from './wal.ts'

/** One segment as it lies on disk, and as much of the next as a record's beginning may reach into. */
export interface SegmentBytes {
  readonly bytes: Buffer
  /** LSN of the first byte. */
  readonly address: bigint
  /** Of the segment; `bytes` may be longer, or shorter when the file was cut. */
  readonly size: number
  readonly pageSize: number
  readonly magic: number
}

export interface WalRecord {
  /** Offset in the segment. */
  readonly begins: number
  /** Where Postgres says that it ends, and the log may be cut; beyond the segment if it goes on there. */
  readonly ends: number
  /** Of a commit. */
  readonly commitTime: EpochMicros | undefined
}

const shortHeader = 24
const longHeader = 40
const recordHeader = 24
/** `XLogRecordMaxSize`, and what a record of any kind needs at least. */
const largestRecord = 1020 * 1024 * 1024
/** From a record's beginning to the commit time in it, at most. */
const commitHead = recordHeader + 3 + 5 + 5 + 8

const xlogManager = 0
const transactionManager = 1
/** 2000-01-01, from which Postgres counts. */
const postgresEpoch = 946_684_800_000_000n

const aligned = (n: number): number => Math.ceil(n / 8) * 8

const headerAt = (offset: number, size: number): number =>
  offset % size === 0 ? longHeader : shortHeader

/** Moves over `length` bytes of records from `offset`, page headers not counted. */
function skip({ size, pageSize }: SegmentBytes, offset: number, length: number): number {
  let at = offset
  let rest = length
  for (;;) {
    const room = pageSize - (at % pageSize)
    if (rest <= room) return at + rest
    rest -= room
    at += room
    at += headerAt(at, size)
  }
}

/** A page boundary is where a record may end; it begins behind the page's header. */
const beginning = ({ size, pageSize }: SegmentBytes, offset: number): number =>
  offset % pageSize === 0 ? offset + headerAt(offset, size) : offset

/** The opposite: where the record before ended. */
export function endBefore(lsn: bigint, size: number, pageSize: number): bigint {
  const page = lsn - (lsn % BigInt(pageSize))
  return lsn === page + BigInt(page % BigInt(size) === 0n ? longHeader : shortHeader) ? page : lsn
}

const isOwnPage = ({ bytes, address, magic }: SegmentBytes, page: number): boolean => {
  const header = parsePageHeader(bytes, page)
  return header?.magic === magic && header.address === address + BigInt(page)
}

/** `length` bytes of records from `offset`; `undefined` where a page is not there or not of this log. */
function read(segment: SegmentBytes, offset: number, length: number): Buffer | undefined {
  const { bytes, pageSize, size } = segment
  const inPage = pageSize - (offset % pageSize)
  if (offset + Math.min(length, inPage) > bytes.length) return undefined
  if (length <= inPage) return bytes.subarray(offset, offset + length)
  const next = offset + inPage
  if (!isOwnPage(segment, next)) return undefined
  const rest = read(segment, next + headerAt(next, size), length - inPage)
  return rest && Buffer.concat([bytes.subarray(offset, next), rest])
}

/** Offset of the first record that begins in the segment; at or beyond its size when none does. */
export function firstRecord(segment: SegmentBytes): number | undefined {
  const header = parsePageHeader(segment.bytes, 0)
  if (header?.segment === undefined || header.address !== segment.address) return undefined
  return header.remaining === 0 ? longHeader : aligned(skip(segment, longHeader, header.remaining))
}

/** The records that begin in the segment at or after `offset`, until one is none or the segment ends. */
export function* recordsFrom(segment: SegmentBytes, offset: number): Generator<WalRecord> {
  const { size, pageSize, address } = segment
  let at = beginning(segment, offset)
  let page = -1
  let previous: bigint | undefined
  while (at < size) {
    if (at - (at % pageSize) !== page) {
      page = at - (at % pageSize)
      if (!isOwnPage(segment, page)) return
    }
    const head = read(segment, at, recordHeader)
    if (head === undefined) return
    const length = head.readUInt32LE(0)
    if (length < recordHeader || length > largestRecord) return
    // Each names the one before: what an older log left here does not.
    if (previous !== undefined && head.readBigUInt64LE(8) !== previous) return
    const info = head.readUInt8(16)
    const manager = head.readUInt8(17)
    const isSwitch = manager === xlogManager && (info & 0xf0) === 0x40
    const ends = isSwitch ? size : aligned(skip(segment, at, length))
    const commitTime =
      manager === transactionManager && isCommit(info)
        ? commitTimeOf(read(segment, at, Math.min(length, commitHead)))
        : undefined
    yield { begins: at, ends, commitTime }
    previous = address + BigInt(at)
    at = beginning(segment, ends)
  }
}

/** `XLOG_XACT_COMMIT` and `XLOG_XACT_COMMIT_PREPARED`. */
const isCommit = (info: number): boolean => (info & 0x70) === 0x00 || (info & 0x70) === 0x30

/** The record's own data begins with it; before that only headers that say how long that is. */
function commitTimeOf(record: Buffer | undefined): EpochMicros | undefined {
  if (record === undefined) return undefined
  let at = recordHeader
  while (at < record.length) {
    switch (record[at]) {
      case 255:
        return timeAt(record, at + 2)
      case 254:
        return timeAt(record, at + 5)
      case 253: // replication origin
        at += 3
        break
      case 252: // top-level transaction
        at += 5
        break
      default:
        return undefined
    }
  }
  return undefined
}

const timeAt = (record: Buffer, at: number): EpochMicros | undefined =>
  at + 8 > record.length ? undefined : epochMicros(record.readBigInt64LE(at) + postgresEpoch)
