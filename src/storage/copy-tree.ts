/**
 * Clones a data directory file by file, for the drivers without an atomic snapshot. The source may be
 * running in backup mode: then files may grow and vanish under us, which recovery makes good, and
 * `pg_control` comes last. Copies go through libuv's threads, so the event loop stays free; from one
 * process, because a thousand small files spend their time in spawning otherwise.
 */
import { copyFile, lchown, lstat, mkdir, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { cloneRule, controlFilePath } from '../domain/clone-contents.ts'
import { readableBytes } from '../lib/byte-size.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type { CloneMode } from '../ports/storage.ts'
import { inParallel } from './in-parallel.ts'
import { giveTo } from './ownership.ts'
import { freeBytes, isAbsent, storageFull } from './pool-faults.ts'
import { reserveBytes } from './reserve.ts'

export interface TreeCopy {
  readonly from: string
  readonly to: string
  readonly mode: CloneMode
  /** Of `fs.copyFile`: COPYFILE_FICLONE_FORCE, or 0 for a plain copy. */
  readonly flags: number
  /** A plain copy needs as much room again; a reflink does not. */
  readonly needsRoom: boolean
  readonly owner: ServiceUser | undefined
}

interface Listing {
  readonly directories: readonly string[]
  readonly files: readonly string[]
}

export async function copyTree(copy: TreeCopy): Promise<void> {
  const { directories, files } = await listTree(copy)
  if (copy.needsRoom) await assertRoom(copy, files)
  await mkdir(copy.to)
  for (const path of directories) await mkdir(join(copy.to, path), 0o700) // parents come first
  await inParallel(directories, (path) => giveTo(join(copy.to, path), 0o700, copy.owner))
  await inParallel(files, (path) => copyOne(copy, path))
  await copyControlFile(copy)
  await giveTo(copy.to, 0o700, copy.owner) // last: half a tree is not a data directory
}

async function listTree({ from, mode }: TreeCopy): Promise<Listing> {
  const directories: string[] = []
  const files: string[] = []
  const enter = async (directory: string): Promise<void> => {
    const entries = await tolerant(mode, () =>
      readdir(join(from, directory), { withFileTypes: true }),
    )
    for (const entry of entries ?? []) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`
      const rule = cloneRule(path)
      if (rule === 'leave out' || rule === 'take last') continue
      if (entry.isDirectory()) {
        directories.push(path)
        if (rule === 'take') await enter(path)
      } else if (entry.isFile()) {
        files.push(path)
      } else {
        // A tablespace outside would be shared between source and clone.
        throw new Error(`a data directory holds a link or special file: ${path}`)
      }
    }
  }
  await enter('')
  return { directories, files }
}

async function assertRoom({ from, to, mode }: TreeCopy, files: readonly string[]): Promise<void> {
  let needed = reserveBytes
  await inParallel(files, async (path) => {
    const seen = await tolerant(mode, () => lstat(join(from, path)))
    needed += (seen?.blocks ?? 0) * 512
  })
  const free = await freeBytes(join(to, '..'))
  if (free < needed) throw storageFull(free, readableBytes(needed))
}

async function copyOne({ from, to, mode, flags, owner }: TreeCopy, path: string): Promise<void> {
  const target = join(to, path)
  const copied = await tolerant(mode, async () => {
    await copyFile(join(from, path), target, flags)
    return true
  })
  if (copied === true && owner !== undefined) await lchown(target, owner.uid, owner.gid)
}

/**
 * Postgres writes `pg_control` in one call, yet a reader may see a mixture of two writes on some file
 * systems: two equal reads in a row are one write.
 */
async function copyControlFile({ from, to, owner }: TreeCopy): Promise<void> {
  const source = join(from, controlFilePath)
  let seen = await readWhole(source)
  for (let tries = 0; tries < 100; tries += 1) {
    const again = await readWhole(source)
    if (again.equals(seen)) break
    seen = again
  }
  const target = join(to, controlFilePath)
  const file = await open(target, 'wx', 0o600)
  try {
    await file.writeFile(seen)
  } finally {
    await file.close()
  }
  await giveTo(target, 0o600, owner)
}

async function readWhole(path: string): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/** In backup mode a table may be dropped while we list; elsewhere an absent file is an error. */
async function tolerant<T>(mode: CloneMode, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (mode.kind === 'backup' && isAbsent(error)) return undefined
    throw error
  }
}
