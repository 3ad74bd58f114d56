/**
 * Copies the WAL that recovery of a clone needs, and not a byte of recycled segments behind its end.
 * The source may be writing: what it had flushed when the clone was taken is complete in its files by
 * now, and a page half-written meanwhile fails its record's checksum, which is where recovery ends.
 *
 * A finished segment is never written again (computes run with `wal_recycle = off`), so it is linked, not
 * copied. Of the last one, which the source goes on writing, only its first page, which identifies it, and the pages from
 * the redo point on are read by anybody; between them the copy has a hole. A branch of a stopped source so
 * costs one or two pages of WAL, wherever in its segment the source was stopped.
 */
import { type FileHandle, link, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { formatLsn, type Lsn, lsn } from '../domain/lsn.ts'
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
import { WalDamaged } from '../domain/wal-damage.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { errorCode } from './pool-faults.ts'

export interface WalCopy {
  readonly from: string
  readonly to: string
  /** Where recovery begins. */
  readonly start: Lsn
  /** What the log must reach at least: the record of the clone's checkpoint. */
  readonly through: Lsn
  /** Timeline of that checkpoint; a source promoted since has segments of a later one. */
  readonly timeline: number
  /** Where the copied log is to end, at the end of a record; default: where the source's does. */
  readonly until?: Lsn
  readonly owner: ServiceUser | undefined
}

export interface CopiedWal {
  /** Linked and copied. */
  readonly segments: number
  /** Copied. */
  readonly bytes: number
}

type FirstPage = PageHeader & { readonly segment: NonNullable<PageHeader['segment']> }

const longestHeader = 40
/** Read and written at once; a multiple of every page size. */
const stretch = 256 * 1024

export async function copyWalFiles(copy: WalCopy): Promise<CopiedWal> {
  const names = await readdir(copy.from)
  for (const name of names) if (isHistoryFile(name)) await copyHistory(copy, name)

  const size = await findSegmentSize(copy.from, names)
  let number = segmentNumber(copy.start, size)
  let segments = 0
  let bytes = 0
  let end = 0n
  const { until } = copy
  for (;;) {
    const address = number * BigInt(size)
    if (until !== undefined && address >= until) break
    const limit = until === undefined ? size : Math.min(size, Number(until - address))
    const copied = await copySegment(copy, names, number, size, limit)
    if (copied === undefined) break
    segments += 1
    bytes += copied.bytes
    end = address + BigInt(copied.until)
    if (copied.until < size) break
    number += 1n
  }
  if (until !== undefined && end < until) throw damageAt(names, lsn(end), size)
  if (end <= copy.through) {
    throw new Error(
      `WAL of the source ends at ${formatLsn(lsn(end))}, before the checkpoint of its clone`,
    )
  }
  return { segments, bytes }
}

function damageAt(names: readonly string[], end: Lsn, size: number): WalDamaged {
  const number = segmentNumber(end, size)
  const timelines = names.flatMap((name) => parseSegmentName(name, size) ?? [])
  const here = timelines.filter((file) => file.number === number)
  const timeline = Math.max(1, ...(here.length > 0 ? here : timelines).map((f) => f.timeline))
  const name = segmentName({ timeline, number }, size)
  return new WalDamaged(name, here.length > 0 ? 'damaged' : 'missing', end)
}

/** The first page of any segment tells the size of all. */
export async function findSegmentSize(
  directory: string,
  names: readonly string[],
): Promise<number> {
  for (const name of names) {
    if (!isSegmentFile(name)) continue
    const file = await open(join(directory, name), 'r')
    try {
      const first = await readFirstPage(file)
      if (first !== undefined) return first.segment.size
    } finally {
      await file.close()
    }
  }
  throw new Error('the source has no WAL segment')
}

async function readFirstPage(file: FileHandle): Promise<FirstPage | undefined> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(longestHeader), 0, longestHeader, 0)
  const header = parsePageHeader(buffer.subarray(0, bytesRead))
  return header?.segment === undefined ? undefined : { ...header, segment: header.segment }
}

interface CopiedSegment {
  readonly bytes: number
  /** Offset of the first byte that is not valid. */
  readonly until: number
}

/** `undefined` when no file holds this part of the log. */
async function copySegment(
  copy: WalCopy,
  names: readonly string[],
  number: bigint,
  size: number,
  limit: number,
): Promise<CopiedSegment | undefined> {
  const address = number * BigInt(size)
  for (const name of namesOf(copy, names, number, size)) {
    const source = await open(join(copy.from, name), 'r')
    try {
      const first = await readFirstPage(source)
      if (first?.address !== address) continue // recycled, and not written since
      const isFinished = await hasBegun(copy, names, number + 1n, size)
      if (limit === size && isFinished && (await isLinked(copy, name))) {
        return { bytes: 0, until: size }
      }
      return await copyPages(copy, source, name, first, limit)
    } finally {
      await source.close()
    }
  }
  return undefined
}

/** Files that may hold this part of the log, in the order in which Postgres looks: newest timeline first. */
const namesOf = (
  { timeline }: WalCopy,
  names: readonly string[],
  number: bigint,
  size: number,
): readonly string[] =>
  names
    .flatMap((name) => parseSegmentName(name, size) ?? [])
    .filter((file) => file.number === number && file.timeline >= timeline)
    .sort((one, other) => other.timeline - one.timeline)
    .map((file) => segmentName(file, size))

/** The log is written in order, and a segment is on disk before the next one gets its first page. */
async function hasBegun(
  copy: WalCopy,
  names: readonly string[],
  number: bigint,
  size: number,
): Promise<boolean> {
  for (const name of namesOf(copy, names, number, size)) {
    const file = await open(join(copy.from, name), 'r')
    try {
      if ((await readFirstPage(file))?.address === number * BigInt(size)) return true
    } finally {
      await file.close()
    }
  }
  return false
}

/** `false` where this file system, or this user, may not link it. */
async function isLinked({ from, to }: WalCopy, name: string): Promise<boolean> {
  try {
    await rm(join(to, name), { force: true })
    await link(join(from, name), join(to, name))
    return true
  } catch (error) {
    if (['EXDEV', 'EPERM', 'EMLINK', 'ENOTSUP'].includes(errorCode(error) ?? '')) return false
    throw error
  }
}

async function copyPages(
  { to, owner, start }: WalCopy,
  source: FileHandle,
  name: string,
  { magic, address, segment: { size, pageSize } }: FirstPage,
  limit: number,
): Promise<CopiedSegment> {
  const target = await create(join(to, name))
  try {
    const buffer = Buffer.alloc(stretch)
    let bytes = 0
    /** Copies valid pages of a range; returns where they end. */
    const copyRange = async (from: number, until: number): Promise<number> => {
      let done = from
      while (done < until) {
        const wanted = Math.min(stretch, until - done)
        const { bytesRead } = await source.read(buffer, 0, wanted, done)
        const read = buffer.subarray(0, bytesRead)
        const length = validLength(read, address + BigInt(done), { magic, pageSize })
        await writeFully(target, buffer.subarray(0, length), done)
        done += length
        bytes += length
        if (length < wanted) break
      }
      return done
    }
    const skipped = start > address ? Number(start - address) : 0
    const firstNeeded = Math.max(pageSize, skipped - (skipped % pageSize))
    await copyRange(0, pageSize)
    const until = await copyRange(firstNeeded, Math.ceil(limit / pageSize) * pageSize)
    // A page that was begun is zero behind its end, which is where recovery ends.
    if (limit < size) await target.truncate(Math.min(limit, until))
    await target.truncate(size) // Postgres expects whole segments; the rest is a hole
    await finish(target, owner)
    return { bytes, until: Math.min(limit, until) }
  } finally {
    await target.close()
  }
}

async function copyHistory({ from, to, owner }: WalCopy, name: string): Promise<void> {
  const source = await open(join(from, name), 'r')
  try {
    const target = await create(join(to, name))
    try {
      await target.writeFile(await source.readFile())
      await finish(target, owner)
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** A new file, whatever was there: an earlier attempt may have left a link to the source's own. */
async function create(path: string): Promise<FileHandle> {
  await rm(path, { force: true })
  return await open(path, 'wx', 0o600)
}

async function writeFully(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  let written = 0
  while (written < bytes.length) {
    const rest = bytes.length - written
    written += (await file.write(bytes, written, rest, position + written)).bytesWritten
  }
}

async function finish(file: FileHandle, owner: ServiceUser | undefined): Promise<void> {
  if (owner !== undefined) await file.chown(owner.uid, owner.gid)
  await file.sync() // recovery of a published volume must find it
}
