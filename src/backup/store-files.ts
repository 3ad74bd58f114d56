/** Stores files chunk by chunk. */
import { open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { chunkBytes, type StoredFile } from '../domain/backup-manifest.ts'
import { cloneRule } from '../domain/clone-contents.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { Effort } from '../ports/backups.ts'
import { hashOf, inTurn, storeChunk } from './chunks.ts'
import type { ObjectStore } from './object-store.ts'

export interface FileToStore {
  readonly path: string
  /** From its beginning; what lies behind does not count. */
  readonly size: number
}

/** What of a data directory is backed up: all but its WAL and the files of one run. */
export async function listData(
  root: string,
): Promise<{ readonly directories: readonly string[]; readonly files: readonly FileToStore[] }> {
  const directories: string[] = []
  const files: FileToStore[] = []
  const enter = async (directory: string): Promise<void> => {
    for (const entry of await readdir(join(root, directory), { withFileTypes: true })) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`
      const rule = cloneRule(path)
      if (rule === 'leave out') continue
      if (entry.isDirectory()) {
        directories.push(path)
        if (rule !== 'take empty') await enter(path)
      } else if (entry.isFile()) {
        files.push({ path, size: (await stat(join(root, path))).size })
      } else {
        throw new Error(`a data directory holds a link or special file: ${path}`)
      }
    }
  }
  await enter('')
  return { directories, files }
}

/** Stores what is not there yet; answers with all, in the order that was given. */
export async function storeFiles(
  store: ObjectStore,
  known: Set<string>,
  directory: string,
  files: readonly FileToStore[],
  effort: Effort,
): Promise<readonly StoredFile[]> {
  const stored = files.map(({ path, size }) => ({
    path,
    size,
    chunks: Array.from({ length: Math.ceil(size / chunkBytes) }, () => ''),
  }))
  effort.expect(files.reduce((total, { size }) => total + size, 0))
  const pieces = stored.flatMap((file) => file.chunks.map((_, at) => ({ file, at })))
  await inTurn(pieces, effort.signal, async ({ file, at }) => {
    const offset = at * chunkBytes
    const bytes = await readPiece(
      join(directory, file.path),
      offset,
      Math.min(chunkBytes, file.size - offset),
    )
    const hash = await hashOf(bytes)
    await failpoint('backup.store:before')
    const isNew = await storeChunk(store, known, hash, bytes)
    await failpoint('backup.store:after')
    file.chunks[at] = hash
    effort.count(bytes.length, isNew)
  })
  return stored
}

async function readPiece(path: string, offset: number, length: number): Promise<Buffer> {
  const file = await open(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    let done = 0
    while (done < length) {
      const { bytesRead } = await file.read(bytes, done, length - done, offset + done)
      if (bytesRead === 0) throw new Error(`a file became shorter while it was copied: ${path}`)
      done += bytesRead
    }
    return bytes
  } finally {
    await file.close()
  }
}
