/**
 * A directory as a place: an object is a file of mode 0600, which appears by a rename. On Linux one `syncfs`
 * makes a thousand of them durable, which is far quicker than as many fsyncs.
 */
import { randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '../domain/faults.ts'
import { writeDurableFile } from '../lib/durable-file.ts'
import { run } from '../lib/subprocess.ts'
import { hours } from '../lib/time.ts'
import type { ObjectStore } from './object-store.ts'

const hasSyncfs = process.platform === 'linux'

export class DirectoryStore implements ObjectStore {
  readonly #root: string
  readonly #made = new Set<string>()
  readonly keepsAtOnce = !hasSyncfs

  constructor(root: string) {
    this.#root = root
  }

  async list(prefix: string): Promise<ReadonlyMap<string, number>> {
    return this.#orFault(async () => {
      const found = new Map<string, number>()
      const enter = async (directory: string): Promise<void> => {
        for (const entry of await entriesOf(join(this.#root, directory))) {
          const key = `${directory}/${entry.name}`
          if (entry.isDirectory()) await enter(key)
          else if (entry.isFile()) found.set(key, (await stat(join(this.#root, key))).size)
        }
      }
      await enter(prefix)
      return found
    })
  }

  async get(key: string): Promise<Buffer | undefined> {
    return this.#orFault(async () => {
      try {
        return await readFile(join(this.#root, key))
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined
        throw error
      }
    })
  }

  async put(key: string, bytes: Buffer): Promise<void> {
    await this.#orFault(async () => {
      const path = join(this.#root, key)
      await this.#make(dirname(path))
      if (!hasSyncfs) return writeDurableFile(path, bytes)
      const draft = `${path}.${randomBytes(6).toString('hex')}.draft`
      try {
        await writeFile(draft, bytes, { flag: 'wx', mode: 0o600 })
        await rename(draft, path)
      } catch (error) {
        await rm(draft, { force: true })
        throw error
      }
    })
  }

  async settle(): Promise<void> {
    if (hasSyncfs) await run('sync', ['-f', this.#root], { patience: hours(6) })
  }

  async remove(key: string): Promise<void> {
    await this.#orFault(async () => {
      const path = join(this.#root, key)
      await rm(path, { force: true })
      // Directories go with what they held; one that holds something stays.
      await rmdir(dirname(path)).catch(() => undefined)
      this.#made.delete(dirname(path))
    })
  }

  async foreign(own: (key: string) => boolean): Promise<string | undefined> {
    return this.#orFault(async () => {
      const names = (await entriesOf(this.#root)).map(({ name }) => name)
      return names.find((name) => name !== 'lost+found' && !own(name))
    })
  }

  close(): void {}

  /** The place itself is made, never its parent: that may be a disk that is not mounted. */
  async #make(directory: string): Promise<void> {
    if (this.#made.has(directory)) return
    if (directory !== this.#root) await this.#make(dirname(directory))
    await mkdir(directory, { mode: 0o700 }).catch((error) => {
      if (codeOf(error) !== 'EEXIST') throw error
    })
    this.#made.add(directory)
  }

  async #orFault<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw faultOf(this.#root, error)
    }
  }
}

async function entriesOf(directory: string) {
  try {
    return await readdir(directory, { withFileTypes: true })
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return []
    throw error
  }
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error ? String(error.code) : undefined

function faultOf(place: string, error: unknown): unknown {
  const cause = { cause: error }
  switch (codeOf(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new Fault('BACKUP_PLACE_FULL', { place }, cause)
    case 'EACCES':
    case 'EPERM':
      return new Fault('BACKUP_PLACE_REFUSED', { place, problem: 'permission denied' }, cause)
    case 'EROFS':
      return new Fault(
        'BACKUP_PLACE_REFUSED',
        { place, problem: 'the file system is read-only' },
        cause,
      )
    case 'ENOENT':
      return new Fault('BACKUP_PLACE_ABSENT', { place, problem: 'no such directory' }, cause)
    case 'ENOTDIR':
      return new Fault('BACKUP_PLACE_INVALID', { place, problem: 'it is not a directory' }, cause)
    case 'EIO':
      return new Fault(
        'BACKUP_PLACE_UNREACHABLE',
        { place, problem: 'the disk reports an input/output error' },
        cause,
      )
    default:
      return error
  }
}
