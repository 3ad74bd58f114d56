/**
 * Clones by subvolume snapshot: one moment of the source, some milliseconds whatever its size. Every
 * volume and draft is a subvolume of its own, directly usable as PGDATA.
 *
 * Durability. A snapshot is a transaction commit, so what the source held is on disk when the command
 * returns. What was changed since (links, slots, a configuration file) needs one more commit, which
 * the caller's fsync of the volume's new parent directory forces: a log cannot record the rename of a
 * subvolume. Only contents of files written since must be fsynced before, and those lie at the top
 * of the data directory, unless Postgres ran there: then `syncfs`.
 */
import { lstat, readdir, rm, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { leftOut, slotDirectory } from '../../domain/clone-contents.ts'
import type { ServiceUser } from '../../lib/service-user.ts'
import { CommandFailed, run } from '../../lib/subprocess.ts'
import { seconds } from '../../lib/time.ts'
import type { Driver } from '../driver.ts'
import { giveTo } from '../ownership.ts'
import { exists, isAbsent } from '../pool-faults.ts'
import { syncFile, syncTree } from '../sync-tree.ts'
import { parseExclusive } from './du-output.ts'
import { type Subvolumes, subvolumes } from './subvolume.ts'

/** Inode number of the top directory of every subvolume. */
const subvolumeInode = 256

export function btrfsDriver(pool: string, owner: ServiceUser | undefined): Driver {
  /** Clones of this process; nobody else's draft is known to be little changed. */
  const snapshots = new Set<string>()
  const calls = subvolumes()

  return {
    name: 'btrfs',
    can: { instantClone: true, atomicClone: true },
    create: async (path) => {
      await assertAbsent(path)
      await calls.create(path)
      await giveTo(path, 0o700, owner)
    },
    clone: async (from, to) => {
      await Promise.all([assertAbsent(to), assertNoTablespaces(from)])
      await calls.snapshot(from, to)
      await Promise.all([
        ...leftOut.map((name) => removeEntry(join(to, name))),
        emptyDirectory(join(to, slotDirectory)),
      ])
      snapshots.add(to)
    },
    sync: async (path) => {
      if (!snapshots.delete(path) || (await hasRun(path))) return await syncTree(path)
      const entries = await readdir(path, { withFileTypes: true })
      await Promise.all(
        entries.filter((entry) => entry.isFile()).map(({ name }) => syncFile(join(path, name))),
      )
    },
    remove: async (path) => {
      snapshots.delete(path)
      await removeSubvolume(calls, path)
    },
    reclaim: async () => {
      // The cleaner wakes with the commit every half minute, or when it is asked for one.
      await run('btrfs', ['filesystem', 'sync', pool])
      try {
        await run('btrfs', ['subvolume', 'sync', pool], { patience: seconds(20) })
        await run('btrfs', ['filesystem', 'sync', pool]) // what was cleaned is free after a commit
        // Chunks given wholly to data leave none for metadata, and `statfs` then says that all is full.
        await run('btrfs', ['balance', 'start', '-dusage=0', pool], { patience: seconds(20) })
      } catch {
        // Not privileged, or it takes longer: what is free by now decides.
      }
    },
    exclusiveBytes: async (path) =>
      parseExclusive(await run('btrfs', ['filesystem', 'du', '-s', '--raw', path])),
  }
}

/** Given an existing directory, `snapshot` nests inside it, and the result cannot be deleted. */
async function assertAbsent(path: string): Promise<void> {
  if (await exists(path)) throw new Error(`is there already: ${path}`)
}

/** A tablespace outside of the volume would be shared between source and clone. */
async function assertNoTablespaces(path: string): Promise<void> {
  try {
    const entries = await readdir(join(path, 'pg_tblspc'), { withFileTypes: true })
    const link = entries.find((entry) => entry.isSymbolicLink())
    if (link !== undefined) throw new Error(`a data directory has a tablespace: ${link.name}`)
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
}

/** One turn through the thread pool for each name that is not there or no directory: nearly all. */
async function removeEntry(path: string): Promise<void> {
  try {
    await unlink(path)
  } catch (error) {
    if (!isAbsent(error)) await rm(path, { recursive: true, force: true })
  }
}

async function emptyDirectory(path: string): Promise<void> {
  try {
    const entries = await readdir(path)
    await Promise.all(entries.map((name) => rm(join(path, name), { recursive: true, force: true })))
  } catch (error) {
    if (!isAbsent(error)) throw error
  }
}

/** Postgres writes `postmaster.opts` at every start; a clone has lost its source's. */
const hasRun = (path: string): Promise<boolean> => exists(join(path, 'postmaster.opts'))

async function removeSubvolume(calls: Subvolumes, path: string): Promise<void> {
  try {
    const seen = await lstat(path)
    if (seen.isDirectory() && seen.ino === subvolumeInode) {
      await calls.delete(path)
      return
    }
  } catch (error) {
    if (isAbsent(error)) return
    if (!(error instanceof CommandFailed)) throw error
    // EPERM without `user_subvol_rm_allowed`, or a subvolume inside: emptied, it goes as a directory.
  }
  await rm(path, { recursive: true, force: true })
}
