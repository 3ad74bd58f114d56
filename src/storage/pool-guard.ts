/**
 * Whether the pool is there, is ours and has room. Asked before every change: an unmounted pool looks
 * like an empty directory, and what is written there would be neither a branch nor found again.
 */
import { access, constants, statfs } from 'node:fs/promises'
import { Fault } from '../domain/faults.ts'
import type { Layout } from '../domain/layout.ts'
import { readableBytes } from '../lib/byte-size.ts'
import type { Driver } from './driver.ts'
import { errorCode, freeBytes, storageFull } from './pool-faults.ts'
import { readMarker } from './pool-record.ts'
import { reserveBytes } from './reserve.ts'

const unavailable = (problem: string, cause?: unknown): Fault =>
  new Fault('STORAGE_UNAVAILABLE', { problem }, { cause })

export class PoolGuard {
  readonly #layout: Layout
  readonly #pool: string
  readonly #driver: Driver

  constructor(layout: Layout, pool: string, driver: Driver) {
    this.#layout = layout
    this.#pool = pool
    this.#driver = driver
  }

  /** Throws STORAGE_UNAVAILABLE unless this very pool is mounted and can be written. */
  async assertPresent(): Promise<void> {
    let marker: Awaited<ReturnType<typeof readMarker>>
    try {
      marker = await readMarker(this.#layout)
      if (marker !== undefined) await access(this.#layout.pool, constants.W_OK)
    } catch (error) {
      if (errorCode(error) === 'EROFS') throw unavailable('its file system is read-only', error)
      throw unavailable('its marker cannot be read', error)
    }
    if (marker === undefined) throw unavailable('its file system is not mounted')
    if (marker.pool !== this.#pool) throw unavailable('another pool is mounted in its place')
  }

  /** Throws STORAGE_FULL when less than the reserve is free. */
  async assertRoom(): Promise<void> {
    const free = await this.free()
    if (free < reserveBytes) throw storageFull(free, readableBytes(reserveBytes))
  }

  /** As `assertRoom`, but first waits for what deletions are about to give back. */
  async makeRoom(settle: () => Promise<void>): Promise<void> {
    if ((await this.free()) >= reserveBytes) return
    await settle()
    await this.#driver.reclaim()
    await this.assertRoom()
  }

  /**
   * A branch needs room in the pool and for its WAL; and an image holds only what the ordinary file
   * system, which is the WAL's, can still give it.
   */
  async free(): Promise<number> {
    const [pool, wal] = await Promise.all([
      freeBytes(this.#layout.pool),
      freeBytes(this.#layout.wal),
    ])
    return Math.min(pool, wal)
  }

  async total(): Promise<number> {
    const { blocks, bsize } = await statfs(this.#layout.pool)
    return blocks * bsize
  }
}
