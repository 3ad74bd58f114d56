/**
 * Finding a point in a volume's live WAL. Of a moment only the segments around it are read: a search by
 * halves over the first commit of each, then a walk from record to record. Commits stamp themselves just
 * before they enter the log, so two at one time may lie there the other way round; the point is before
 * the first that is later than the moment asked for, as Postgres's own `recovery_target_time` has it.
 */
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { earliest, latest, lsn } from '../domain/lsn.ts'
import type { Point } from '../domain/point.ts'
import { isSegmentFile, parsePageHeader, parseSegmentName, segmentName } from '../domain/wal.ts'
import { WalDamaged } from '../domain/wal-damage.ts'
import { endBefore, firstRecord, recordsFrom, type SegmentBytes } from '../domain/wal-record.ts'
import type { EpochMicros } from '../lib/time.ts'
import type { FoundPoint, PointSearch } from '../ports/storage.ts'

const longestHeader = 40
/** The beginning of a record in a segment reaches so far into the next, at most. */
const spill = 64 * 1024

interface Commit {
  readonly time: EpochMicros
  readonly number: bigint
}

export async function findPoint(
  directory: string,
  { point, start, from, through }: PointSearch,
): Promise<FoundPoint> {
  const log = await openLog(directory, start)
  const begin =
    point?.kind === 'time'
      ? await segmentBefore(log, point.time)
      : await segmentOf(log, point, through)
  const found = await walk(log, begin, { point, from })
  if (found.isEnd && found.lsn < log.endBefore(through)) throw log.damage(found.lsn)
  if (found.lastCommit !== undefined || point === undefined) return found
  return { ...found, lastCommit: await lastCommitBefore(log, begin) }
}

/** Name of the file that holds a position, or would. */
export const segmentAt = async (directory: string, position: bigint): Promise<string> =>
  (await openLog(directory, position)).damage(position).segment

/** From there a walk meets the point: the last segment whose first commit is not later than the moment. */
async function segmentBefore(log: Log, time: EpochMicros): Promise<bigint> {
  let low = log.numberOf(log.start)
  let high = log.last
  while (low < high) {
    const middle = (low + high + 1n) / 2n
    const commit = await firstCommitFrom(log, middle, high)
    if (commit !== undefined && commit.time <= time) low = middle
    else high = middle - 1n
  }
  return low
}

async function firstCommitFrom(log: Log, first: bigint, last: bigint): Promise<Commit | undefined> {
  for (let number = first; number <= last; number += 1n) {
    const segment = await log.read(number)
    const begins = segment && log.first(segment)
    if (segment === undefined || begins === undefined) throw log.damage(number * BigInt(log.size))
    for (const { commitTime } of recordsFrom(segment, begins)) {
      if (commitTime !== undefined) return { time: commitTime, number }
    }
  }
  return undefined
}

/** A record that began earlier may reach into the segment of a position. */
async function segmentOf(log: Log, point: Point | undefined, through: bigint): Promise<bigint> {
  const goal = point?.kind === 'lsn' ? point.lsn : latest(through, log.start)
  const least = log.numberOf(log.start)
  let number = earliest(log.numberOf(goal), log.last)
  while (number > least) {
    const segment = await log.read(number)
    const begins = segment && log.first(segment)
    if (begins !== undefined && number * BigInt(log.size) + BigInt(begins) <= goal) break
    number -= 1n
  }
  return number
}

async function walk(
  log: Log,
  begin: bigint,
  { point, from }: Pick<PointSearch, 'point' | 'from'>,
): Promise<FoundPoint> {
  let lastCommit: EpochMicros | undefined
  let end = from
  let number = begin
  let offset: number | undefined
  for (;;) {
    const segment = await log.read(number)
    offset ??= segment && log.first(segment)
    if (segment === undefined || offset === undefined) break
    for (const { ends, commitTime } of recordsFrom(segment, offset)) {
      const next = segment.address + BigInt(ends)
      if (next > from && isBehind(point, next, commitTime))
        return { lsn: end, lastCommit, isEnd: false }
      if (next > end) end = next
      lastCommit = commitTime ?? lastCommit
      offset = ends
    }
    if (offset < log.size) break // no further record is there
    number += BigInt(Math.floor(offset / log.size))
    offset %= log.size
  }
  return { lsn: end, lastCommit, isEnd: true }
}

const isBehind = (
  point: Point | undefined,
  ends: bigint,
  commitTime: EpochMicros | undefined,
): boolean => {
  if (point === undefined) return false
  if (point.kind === 'lsn') return ends > point.lsn
  return commitTime !== undefined && commitTime > point.time
}

/** Backwards from a segment, not counting it. */
async function lastCommitBefore(log: Log, number: bigint): Promise<EpochMicros | undefined> {
  for (let at = number - 1n; at >= log.numberOf(log.start); at -= 1n) {
    const segment = await log.read(at)
    const begins = segment && log.first(segment)
    if (segment === undefined || begins === undefined) return undefined
    let time: EpochMicros | undefined
    for (const { commitTime } of recordsFrom(segment, begins)) time = commitTime ?? time
    if (time !== undefined) return time
  }
  return undefined
}

interface Log {
  readonly size: number
  /** Where the search may begin: here a record does. What lies before need not be there. */
  readonly start: bigint
  /** The last segment that has begun. */
  readonly last: bigint
  numberOf(position: bigint): bigint
  endBefore(position: bigint): bigint
  /** Offset of the first record to look at; `undefined`: the segment is damaged. */
  first(segment: SegmentBytes): number | undefined
  /** `undefined`: it is not there, or has not begun. */
  read(number: bigint): Promise<SegmentBytes | undefined>
  damage(at: bigint): WalDamaged
}

async function openLog(directory: string, start: bigint): Promise<Log> {
  const names = (await readdir(directory)).filter(isSegmentFile).sort()
  const { size, pageSize, magic } = await formatOf(directory, names)
  const byNumber = new Map<bigint, number[]>()
  for (const name of names) {
    const file = parseSegmentName(name, size)
    if (file === undefined) continue
    // Newest timeline first, as Postgres looks for them.
    byNumber.set(
      file.number,
      [file.timeline, ...(byNumber.get(file.number) ?? [])].sort((a, b) => b - a),
    )
  }
  const timelines = [...byNumber.values()].flat()
  const read = async (number: bigint): Promise<SegmentBytes | undefined> => {
    const address = number * BigInt(size)
    for (const timeline of byNumber.get(number) ?? []) {
      const path = join(directory, segmentName({ timeline, number }, size))
      const bytes = await readUpTo(path, size)
      const header = bytes && parsePageHeader(bytes, 0)
      if (bytes === undefined || header?.magic !== magic || header.address !== address) continue
      return { bytes, address, size, pageSize, magic }
    }
    return undefined
  }
  const whole = async (number: bigint): Promise<SegmentBytes | undefined> => {
    const segment = await read(number)
    if (segment === undefined) return undefined
    const next = await beginningOf(directory, byNumber.get(number + 1n), number + 1n, size)
    return next === undefined
      ? segment
      : { ...segment, bytes: Buffer.concat([segment.bytes, next]) }
  }
  const numbers = [...byNumber.keys()].sort((a, b) => (a < b ? -1 : 1))
  let last = numbers.at(-1) ?? 0n
  // Postgres makes a segment before it needs it.
  while (numbers.length > 1 && last > (numbers[0] ?? 0n) && (await read(last)) === undefined) {
    numbers.pop()
    last = numbers.at(-1) ?? 0n
  }
  return {
    size,
    last,
    numberOf: (position) => position / BigInt(size),
    endBefore: (position) => endBefore(position, size, pageSize),
    start,
    first: (segment) =>
      segment.address <= start ? Number(start - segment.address) : firstRecord(segment),
    read: whole,
    damage: (at) => {
      const number = at / BigInt(size)
      const here = byNumber.get(number)
      const timeline = here?.[0] ?? Math.max(1, ...timelines)
      const name = segmentName({ timeline, number }, size)
      return new WalDamaged(name, here === undefined ? 'missing' : 'damaged', lsn(at))
    },
  }
}

async function formatOf(
  directory: string,
  names: readonly string[],
): Promise<{ readonly size: number; readonly pageSize: number; readonly magic: number }> {
  for (const name of names) {
    const bytes = await readUpTo(join(directory, name), longestHeader)
    const header = bytes && parsePageHeader(bytes, 0)
    if (header?.segment !== undefined) return { ...header.segment, magic: header.magic }
  }
  throw new Error('the volume has no WAL segment')
}

async function beginningOf(
  directory: string,
  timelines: readonly number[] | undefined,
  number: bigint,
  size: number,
): Promise<Buffer | undefined> {
  for (const timeline of timelines ?? []) {
    const bytes = await readUpTo(join(directory, segmentName({ timeline, number }, size)), spill)
    if (bytes !== undefined && parsePageHeader(bytes, 0)?.address === number * BigInt(size))
      return bytes
  }
  return undefined
}

/** `undefined`: no such file. */
async function readUpTo(path: string, length: number): Promise<Buffer | undefined> {
  let file: Awaited<ReturnType<typeof open>>
  try {
    file = await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    const buffer = Buffer.alloc(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await file.read(buffer, filled, length - filled, filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return buffer.subarray(0, filled)
  } finally {
    await file.close()
  }
}
