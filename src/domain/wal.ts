/**
 * How Postgres names and stamps its write-ahead log on disk (src/include/access/xlog_internal.h): just
 * enough to know which pages of a segment belong to it. A recycled segment keeps the pages of an older
 * one until they are overwritten; the address in each page's header tells them apart.
 */
import { type Lsn, parseLsn } from './lsn.ts'

/** Number of a segment file: its first LSN divided by the segment size. */
export interface SegmentFile {
  readonly timeline: number
  readonly number: bigint
}

export interface PageHeader {
  /** Version of the page format; zero in a page that was never written. */
  readonly magic: number
  readonly timeline: number
  /** LSN of the page's first byte. */
  readonly address: bigint
  /** Bytes of a record that began on an earlier page; zero when none goes on here. */
  readonly remaining: number
  /** Only in the first page of a segment. */
  readonly segment:
    | { readonly systemId: bigint; readonly size: number; readonly pageSize: number }
    | undefined
}

const SHORT_HEADER = 20
const LONG_HEADER = 40
const XLP_FIRST_IS_CONTRECORD = 0x0001
const XLP_LONG_HEADER = 0x0002

const SEGMENT = /^[0-9A-F]{24}$/
const HISTORY = /^[0-9A-F]{8}\.history$/

export const isSegmentFile = (name: string): boolean => SEGMENT.test(name)
export const isHistoryFile = (name: string): boolean => HISTORY.test(name)

/** Of the name of a segment file. */
export const timelineOf = (name: string): number => Number.parseInt(name.slice(0, 8), 16)

const hex8 = (n: bigint): string => n.toString(16).toUpperCase().padStart(8, '0')

/** Segments of one "log id", the middle part of a name. */
const perLogId = (segmentSize: number): bigint => 0x1_0000_0000n / BigInt(segmentSize)

export function segmentName({ timeline, number }: SegmentFile, segmentSize: number): string {
  const per = perLogId(segmentSize)
  return `${hex8(BigInt(timeline))}${hex8(number / per)}${hex8(number % per)}`
}

/** `undefined` for any other name, and for a number that this segment size cannot have. */
export function parseSegmentName(name: string, segmentSize: number): SegmentFile | undefined {
  if (!SEGMENT.test(name)) return undefined
  const per = perLogId(segmentSize)
  const low = BigInt(`0x${name.slice(16)}`)
  if (low >= per) return undefined
  return {
    timeline: Number.parseInt(name.slice(0, 8), 16),
    number: BigInt(`0x${name.slice(8, 16)}`) * per + low,
  }
}

export const segmentNumber = (lsn: Lsn, segmentSize: number): bigint => lsn / BigInt(segmentSize)

const isSegmentSize = (n: number): boolean => n >= 2 ** 20 && n <= 2 ** 30 && (n & (n - 1)) === 0
const isPageSize = (n: number): boolean => n >= 1024 && n <= 65536 && (n & (n - 1)) === 0

/** `undefined` when the bytes are too short or were never a page header (zeroes). */
export function parsePageHeader(bytes: Buffer, offset = 0): PageHeader | undefined {
  if (bytes.length < offset + SHORT_HEADER) return undefined
  const magic = bytes.readUInt16LE(offset)
  if (magic === 0) return undefined
  const info = bytes.readUInt16LE(offset + 2)
  const header = {
    magic,
    timeline: bytes.readUInt32LE(offset + 4),
    address: bytes.readBigUInt64LE(offset + 8),
    remaining: (info & XLP_FIRST_IS_CONTRECORD) === 0 ? 0 : bytes.readUInt32LE(offset + 16),
  }
  if ((info & XLP_LONG_HEADER) === 0) return { ...header, segment: undefined }
  if (bytes.length < offset + LONG_HEADER) return undefined
  const size = bytes.readUInt32LE(offset + 32)
  const pageSize = bytes.readUInt32LE(offset + 36)
  if (!isSegmentSize(size) || !isPageSize(pageSize)) return undefined
  const systemId = bytes.readBigUInt64LE(offset + 24)
  return { ...header, segment: { systemId, size, pageSize } }
}

/**
 * How many bytes of `bytes`, whole pages from its start, were written at `address` in this format:
 * the first page that is zeroed, cut short or stamped otherwise ends the log.
 */
export function validLength(
  bytes: Buffer,
  address: bigint,
  { magic, pageSize }: { readonly magic: number; readonly pageSize: number },
): number {
  let length = 0
  while (length + pageSize <= bytes.length) {
    const header = parsePageHeader(bytes, length)
    if (header?.magic !== magic || header.address !== address + BigInt(length)) break
    length += pageSize
  }
  return length
}

/**
 * Where the timeline of a history file began, from its last line: parent timeline, LSN, reason,
 * separated by tabs (src/backend/access/transam/timeline.c). `undefined`: there is no such line.
 */
export function timelineBegan(history: string): Lsn | undefined {
  const lines = history.split('\n').filter((line) => /^\d+\t/.test(line))
  return parseLsn(lines.at(-1)?.split('\t')[1] ?? '')
}
