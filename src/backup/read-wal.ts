/**
 * Which files of a live WAL directory hold a range of the log, and how much of each is valid. Its last
 * segment may be being written to: it is read up to a page that is known to be on disk. Finished segments
 * never change (computes run with `wal_recycle = off`).
 */
import { type FileHandle, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Lsn, lsn } from '../domain/lsn.ts'
import {
  isHistoryFile,
  isSegmentFile,
  type PageHeader,
  parsePageHeader,
  parseSegmentName,
  segmentName,
  segmentNumber,
  validLength,
} from '../domain/wal.ts'
import type { WalRange } from '../ports/backups.ts'

export interface WalPart {
  readonly name: string
  /** From its beginning. */
  readonly size: number
}

export interface WalParts {
  readonly parts: readonly WalPart[]
  /** Of the last valid page, or where the range ends. */
  readonly end: Lsn
  readonly segmentBytes: number
}

type FirstPage = PageHeader & { readonly segment: NonNullable<PageHeader['segment']> }

const stretch = 256 * 1024

/** `undefined`: the range is not there as a whole. */
export async function readWal(directory: string, range: WalRange): Promise<WalParts | undefined> {
  const names = await readdir(directory)
  const segmentBytes = await findSegmentBytes(directory, names)
  if (segmentBytes === undefined) return undefined
  const parts: WalPart[] = []
  let end = 0n
  // At the very end of a segment there may be no next one yet.
  const first = range.from === 0n ? range.from : lsn(range.from - 1n)
  for (let number = segmentNumber(first, segmentBytes); ; number += 1n) {
    const found = await readSegment(directory, names, number, segmentBytes, range)
    if (found === undefined) break
    parts.push(found)
    end = number * BigInt(segmentBytes) + BigInt(found.size)
    if (found.size < segmentBytes) break
  }
  if (end < (range.through ?? range.from)) return undefined
  for (const name of names.filter(isHistoryFile)) {
    parts.push({ name, size: (await stat(join(directory, name))).size })
  }
  return { parts, end: range.through ?? lsn(end), segmentBytes }
}

/** The first page of any segment tells the size of all. */
async function findSegmentBytes(
  directory: string,
  names: readonly string[],
): Promise<number | undefined> {
  for (const name of names.filter(isSegmentFile)) {
    const first = await withFile(join(directory, name), readFirstPage)
    if (first !== undefined) return first.segment.size
  }
  return undefined
}

async function readSegment(
  directory: string,
  names: readonly string[],
  number: bigint,
  segmentBytes: number,
  { from, through, timeline }: WalRange,
): Promise<WalPart | undefined> {
  const address = number * BigInt(segmentBytes)
  if (through !== undefined && address >= through) return undefined
  for (const name of candidates(names, number, segmentBytes, timeline)) {
    const size = await withFile(join(directory, name), async (file) => {
      const first = await readFirstPage(file)
      return first?.address === address ? validUntil(file, first, from) : undefined
    })
    if (size === undefined) continue // not written yet
    const { length: most } = pagesUpTo(address, through, segmentBytes)
    return { name, size: Math.min(size, most) }
  }
  return undefined
}

/** In the order in which Postgres looks: newest timeline first. */
const candidates = (
  names: readonly string[],
  number: bigint,
  segmentBytes: number,
  timeline: number,
): readonly string[] =>
  names
    .flatMap((name) => parseSegmentName(name, segmentBytes) ?? [])
    .filter((file) => file.number === number && file.timeline >= timeline)
    .sort((one, other) => other.timeline - one.timeline)
    .map((file) => segmentName(file, segmentBytes))

/** What lies before the page where the range begins may be a hole: a clone does not have it. */
async function validUntil(file: FileHandle, first: FirstPage, from: Lsn): Promise<number> {
  const { magic, address } = first
  const { size, pageSize } = first.segment
  const skipped = from > address ? Number(from - address) : 0
  const buffer = Buffer.alloc(stretch)
  let done = Math.max(pageSize, skipped - (skipped % pageSize))
  while (done < size) {
    const wanted = Math.min(stretch, size - done)
    const { bytesRead } = await file.read(buffer, 0, wanted, done)
    const valid = validLength(buffer.subarray(0, bytesRead), address + BigInt(done), {
      magic,
      pageSize,
    })
    done += valid
    if (valid < wanted) break
  }
  return done
}

/** Whole pages, up to the one that holds the last byte before `through`. */
function pagesUpTo(
  address: bigint,
  through: Lsn | undefined,
  segmentBytes: number,
): { readonly length: number } {
  if (through === undefined) return { length: segmentBytes }
  const page = 8192n
  const until = ((through - address + page - 1n) / page) * page
  return { length: Number(until > BigInt(segmentBytes) ? BigInt(segmentBytes) : until) }
}

async function readFirstPage(file: FileHandle): Promise<FirstPage | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(40), 0, 40, 0)
  const header = parsePageHeader(buffer.subarray(0, bytesRead))
  return header?.segment === undefined ? undefined : { ...header, segment: header.segment }
}

async function withFile<T>(path: string, work: (file: FileHandle) => Promise<T>): Promise<T> {
  const file = await open(path, 'r')
  try {
    return await work(file)
  } finally {
    await file.close()
  }
}
