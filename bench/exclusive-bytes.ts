/** Bytes on disk that only this branch has. Asked of the file system, after everything was written. */
import { execFileSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './commands.ts'
import type { Driver } from './lakelet-server.ts'

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

export function allocatedBytes(directory: string): number {
  return filesBelow(directory)
    .map((file) => statSync(file, { throwIfNoEntry: false })?.blocks ?? 0)
    .reduce((sum, blocks) => sum + blocks * 512, 0)
}

/** Extents without the flag `shared`, in blocks of 1 KiB. */
function unsharedExtents(directory: string): number {
  const files = filesBelow(directory).filter((file) => statSync(file).size > 0)
  let bytes = 0
  for (let at = 0; at < files.length; at += 200) {
    const output = execFileSync('filefrag', ['-v', '-b1024', ...files.slice(at, at + 200)], {
      encoding: 'utf8',
      maxBuffer: 256 * 1024 ** 2,
    })
    for (const line of output.split('\n')) {
      const extent = /^\s*\d+:\s+\d+\.\.\s*\d+:\s+\d+\.\.\s*\d+:\s+(\d+):(.*)$/.exec(line)
      if (extent !== null && !/shared/.test(extent[2] ?? '')) bytes += Number(extent[1]) * 1024
    }
  }
  return bytes
}

/** Links are not followed: the WAL of a branch lies elsewhere. */
export function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true }).flatMap((entry) => {
    const path = join(directory, entry.name)
    if (entry.isDirectory()) return filesBelow(path)
    return entry.isFile() ? [path] : []
  })
}
