/**
 * Chunks of files as objects, compressed, named by the SHA-256 of what they hold: what is there already is
 * not stored again, and what is read back is known to be what was written. Hashing and compressing go
 * through libuv's threads, so the event loop stays free.
 */
import { webcrypto } from 'node:crypto'
import { promisify } from 'node:util'
import { constants, gunzip, gzip } from 'node:zlib'
import { chunkBytes } from '../domain/backup-manifest.ts'
import { Fault } from '../domain/faults.ts'
import type { ObjectStore } from './object-store.ts'

const compress = promisify(gzip)
const decompress = promisify(gunzip)

/** At once: each holds a chunk and its compressed form in memory. */
export const chunksAtOnce = 6

export const objectKey = (hash: string): string => `objects/${hash.slice(0, 2)}/${hash}.gz`

/** `undefined`: not the key of a chunk. */
export const parseObjectKey = (key: string): string | undefined =>
  /^objects\/[0-9a-f]{2}\/([0-9a-f]{64})\.gz$/.exec(key)?.[1]

export async function hashOf(bytes: Uint8Array): Promise<string> {
  return Buffer.from(await webcrypto.subtle.digest('SHA-256', bytes)).toString('hex')
}

/** `true`: it was not there. `known` is what is there, and is added to. */
export async function storeChunk(
  store: ObjectStore,
  known: Set<string>,
  hash: string,
  bytes: Uint8Array,
): Promise<boolean> {
  if (known.has(hash)) return false
  known.add(hash)
  try {
    await store.put(objectKey(hash), await compress(bytes, { level: constants.Z_BEST_SPEED }))
  } catch (error) {
    known.delete(hash)
    throw error
  }
  return true
}

/** The chunk, or BACKUP_DAMAGED naming the object. */
export async function fetchChunk(store: ObjectStore, hash: string): Promise<Buffer> {
  const object = objectKey(hash)
  const stored = await store.get(object)
  if (stored === undefined) throw new Fault('BACKUP_DAMAGED', { object, problem: 'is missing' })
  let bytes: Buffer
  try {
    bytes = await decompress(stored, { maxOutputLength: chunkBytes })
  } catch (error) {
    const problem = 'cannot be decompressed'
    throw new Fault('BACKUP_DAMAGED', { object, problem }, { cause: error })
  }
  if ((await hashOf(bytes)) !== hash) {
    throw new Fault('BACKUP_DAMAGED', { object, problem: 'does not hold what it is named by' })
  }
  return bytes
}

/** Runs `work` on each item, a few at once; the first error ends all. */
export async function inTurn<T>(
  items: Iterable<T>,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let isOver = false
  const one = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      signal.throwIfAborted()
      if (isOver) return
      try {
        await work(next.value)
      } catch (error) {
        isOver = true
        throw error
      }
    }
  }
  const results = await Promise.allSettled(Array.from({ length: chunksAtOnce }, one))
  for (const result of results) if (result.status === 'rejected') throw result.reason
}
