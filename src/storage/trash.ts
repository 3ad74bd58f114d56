/**
 * Deleting in two moves: a rename that takes a name out of use at once, and the bytes in the
 * background, one tree after the other, so that a hundred expired branches do not load the disk at
 * once. What a crash leaves in the trash is deleted by the next start.
 */
import { randomUUID } from 'node:crypto'
import { readdir, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { failpoint } from '../lib/failpoint.ts'
import type { Log } from '../lib/log.ts'
import { isAbsent } from './pool-faults.ts'

export interface TrashOptions {
  /** On the same file system as what is thrown away. */
  readonly directory: string
  readonly remove: (path: string) => Promise<void>
  readonly log: Log
}

export class Trash {
  readonly #directory: string
  readonly #remove: (path: string) => Promise<void>
  readonly #log: Log
  #queue: Promise<void> = Promise.resolve()
  /** Waiting or under way. */
  readonly #queued = new Set<string>()

  constructor({ directory, remove, log }: TrashOptions) {
    this.#directory = directory
    this.#remove = remove
    this.#log = log
  }

  /**
   * Moves a tree here; `undefined` when there is none. Its bytes go by `deleteLater`, once the caller has made
   * the move durable: a volume must not come back without its files.
   */
  async take(path: string): Promise<string | undefined> {
    const place = join(this.#directory, randomUUID())
    try {
      await rename(path, place)
      return place
    } catch (error) {
      if (isAbsent(error)) return undefined
      throw error
    }
  }

  /** Deletes in the background. Failures are logged; the next sweep tries again. */
  deleteLater(place: string): void {
    if (this.#queued.has(place)) return
    this.#queued.add(place)
    this.#queue = this.#queue.then(async () => {
      try {
        await failpoint('storage.remove:before')
        await this.#remove(place)
      } catch (error) {
        this.#log.error({ err: error, place }, 'failed to delete from the trash')
      } finally {
        this.#queued.delete(place)
      }
    })
  }

  /** Everything that an earlier run or a failure left here. */
  async deleteLeftovers(): Promise<void> {
    for (const name of await readdir(this.#directory)) this.deleteLater(join(this.#directory, name))
  }

  async settle(): Promise<void> {
    let seen: Promise<void> | undefined
    while (seen !== this.#queue) {
      seen = this.#queue
      await seen
    }
  }
}
