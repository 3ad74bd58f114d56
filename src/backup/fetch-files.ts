/** Brings files back from chunks. They are synced by whoever publishes the volume that they become. */
import { lchown, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import type { StoredFile } from '../domain/backup-manifest.ts'
import { chunkBytes } from '../domain/backup-manifest.ts'
import { Fault } from '../domain/faults.ts'
import { isSegmentFile } from '../domain/wal.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type { Effort } from '../ports/backups.ts'
import { fetchChunk, inTurn, objectKey } from './chunks.ts'
import type { ObjectStore } from './object-store.ts'

export async function makeDirectories(
  root: string,
  directories: readonly string[],
  owner: ServiceUser | undefined,
): Promise<void> {
  for (const path of directories) {
    await mkdir(join(root, path), { mode: 0o700 })
    await giveTo(join(root, path), owner)
  }
}

/** WAL segments are made `segmentBytes` long, as Postgres expects them; the rest is a hole. */
export async function fetchFiles(
  store: ObjectStore,
  directory: string,
  files: readonly StoredFile[],
  owner: ServiceUser | undefined,
  effort: Effort,
  segmentBytes?: number,
): Promise<void> {
  effort.expect(files.reduce((total, { size }) => total + size, 0))
  await inTurn(files, effort.signal, async ({ path, size, chunks }) => {
    const target = join(directory, path)
    const file = await open(target, 'wx', 0o600)
    try {
      for (const [at, hash] of chunks.entries()) {
        effort.signal.throwIfAborted()
        const bytes = await fetchChunk(store, hash)
        const offset = at * chunkBytes
        if (bytes.length !== Math.min(chunkBytes, size - offset)) {
          const object = objectKey(hash)
          throw new Fault('BACKUP_DAMAGED', { object, problem: `is no chunk of ${path}` })
        }
        await file.write(bytes, 0, bytes.length, offset)
        effort.count(bytes.length, true)
      }
      if (segmentBytes !== undefined && isSegmentFile(path)) await file.truncate(segmentBytes)
      if (segmentBytes !== undefined) await file.sync() // WAL is not the volume's own to sync
    } catch (error) {
      throw isFull(error)
        ? new Fault('STORAGE_FULL', { free: '0 B', needed: 'more' }, { cause: error })
        : error
    } finally {
      await file.close()
    }
    await giveTo(target, owner)
  })
}

async function giveTo(path: string, owner: ServiceUser | undefined): Promise<void> {
  if (owner !== undefined) await lchown(path, owner.uid, owner.gid)
}

const isFull = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
