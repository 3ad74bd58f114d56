/** Bytes on disk that only this branch has. Asked of the file system, after everything was written. */
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './commands.ts'
import type { Driver } from './lakelet-server.ts'
import { total } from './statistics.ts'

export async function exclusiveBytes(driver: Driver, directory: string): Promise<number> {
  await run('sync', ['-f', directory])
  if (driver === 'copy') return allocatedBytes(directory)
  if (driver === 'reflink') return unsharedExtents(directory)
  const output = await run('btrfs', ['filesystem', 'du', '-s', '--raw', directory])
  const columns = output.trim().split('\n').at(-1)?.trim().split(/\s+/) ?? []
  const exclusive = Number(columns[1])
  if (!Number.isFinite(exclusive)) throw new Error(`not an answer of btrfs du: ${output}`)
  return exclusive
}

/** Of files that have no other name: a finished segment of WAL is the source's own, by another link. */
export function allocatedBytes(directory: string): number {
  return filesBelow(directory)
    .flatMap((file) => statSync(file, { throwIfNoEntry: false }) ?? [])
    .reduce((sum, { blocks, nlink }) => sum + (nlink === 1 ? blocks * 512 : 0), 0)
}

/** Where a piece of a file lies on the disk, in blocks of 1 KiB; `end` is not part of it. */
interface Extent {
  readonly start: number
  readonly end: number
  readonly isShared: boolean
}

const unsharedExtents = (directory: string): number =>
  total(extentsOf(directory).map(({ start, end, isShared }) => (isShared ? 0 : end - start))) * 1024

/** Bytes that lie in these directories and in none of the others: what they share among themselves counts once. */
export function bytesBesides(directories: readonly string[], others: readonly string[]): number {
  const foreign = others.flatMap(extentsOf).sort((one, other) => one.start - other.start)
  const own = directories.flatMap(extentsOf).sort((one, other) => one.start - other.start)
  let [blocks, at, next] = [0, 0, 0]
  for (const { start, end } of own) {
    let from = Math.max(start, at) // what came before may overlap
    while (next < foreign.length && (foreign[next]?.end ?? 0) <= from) next += 1
    for (let look = next; from < end; look += 1) {
      const other = foreign[look]
      if (other === undefined || other.start >= end) {
        blocks += end - from
        break
      }
      blocks += Math.max(0, other.start - from)
      from = Math.max(from, other.end)
    }
    at = Math.max(at, end)
  }
  return blocks * 1024
}

function extentsOf(directory: string): readonly Extent[] {
  const files = filesBelow(directory).filter((file) => statSync(file).size > 0)
  const extents: Extent[] = []
  for (let at = 0; at < files.length; at += 200) {
    const output = execFileSync('filefrag', ['-v', '-b1024', ...files.slice(at, at + 200)], {
      encoding: 'utf8',
      maxBuffer: 256 * 1024 ** 2,
    })
    for (const line of output.split('\n')) {
      const extent = /^\s*\d+:\s+\d+\.\.\s*\d+:\s+(\d+)\.\.\s*(\d+):\s+\d+:(.*)$/.exec(line)
      if (extent === null || /inline/.test(extent[3] ?? '')) continue
      const [start, end] = [Number(extent[1]), Number(extent[2]) + 1]
      extents.push({ start, end, isShared: /shared/.test(extent[3] ?? '') })
    }
  }
  return extents
}

/** Links are not followed: the WAL of a branch lies elsewhere. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}
