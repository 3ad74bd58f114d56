/**
 * Whether the pool is there, is ours and has room. Asked before every change: an unmounted pool looks
 * like an empty directory, and what is written there would be neither a branch nor found again.
 */
import { accessSync, constants } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { Fault } from '../domain/faults.ts'
import type { Layout } from '../domain/layout.ts'
import { readableBytes } from '../lib/byte-size.ts'
import type { PoolStatus, Room } from '../ports/storage.ts'
import type { Driver } from './driver.ts'
import { errorCode, freeBytes, storageFull } from './pool-faults.ts'
import { readMarker } from './pool-record.ts'
import { type Reserve, type Reserves, reserveBytes, roomOf } from './reserve.ts'

const unavailable = (problem: string, cause?: unknown): Fault =>
  new Fault('STORAGE_UNAVAILABLE', { problem }, { cause })

export class PoolGuard {
  readonly #layout: Layout
  readonly #pool: string
  readonly #driver: Driver
  readonly #reserves: Reserves

  constructor(layout: Layout, pool: string, driver: Driver, reserves: Reserves) {
    this.#layout = layout
    this.#pool = pool
    this.#driver = driver
    this.#reserves = reserves
  }

  /** Throws STORAGE_UNAVAILABLE unless this very pool is mounted and can be written. */
  async assertPresent(): Promise<void> {
    let marker: ReturnType<typeof readMarker>
    try {
      marker = readMarker(this.#layout)
      if (marker !== undefined) accessSync(this.#layout.pool, constants.W_OK)
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
   * Throws STORAGE_NEARLY_FULL when something new would take the room of what is there. What deletions are
   * about to give back is waited for.
   */
  async assertRoomForMore(settle: () => Promise<void>): Promise<void> {
    if (shortage(await this.room()) === undefined) return
    await settle()
    await this.#driver.reclaim()
    const short = shortage(await this.room())
    if (short !== undefined) throw nearlyFull(...short)
  }

  async room(): Promise<PoolStatus['room']> {
    const { layout, reserves } = { layout: this.#layout, reserves: this.#reserves }
    const [pool, ...disks] = await Promise.all([
      roomAt(layout.pool, reserves.pool),
      roomAt(layout.wal, reserves.disk),
      roomAt(layout.root, reserves.disk),
    ])
    const margin = (room: Room) => room.freeBytes - room.reserveBytes
    const [wal, root] = disks
    return { pool, disk: margin(wal) < margin(root) ? wal : root }
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
}

async function roomAt(path: string, reserve: Reserve): Promise<Room> {
  const { blocks, bavail, bsize } = await statfs(path)
  return roomOf(reserve, { total: blocks * bsize, free: bavail * bsize })
}

type Place = keyof PoolStatus['room']

function shortage(room: PoolStatus['room']): readonly [Place, Room] | undefined {
  if (!room.pool.isEnough) return ['pool', room.pool]
  return room.disk.isEnough ? undefined : ['disk', room.disk]
}

const nearlyFull = (
  place: Place,
  { freeBytes: free, totalBytes, reserveBytes: kept }: Room,
): Fault =>
  new Fault('STORAGE_NEARLY_FULL', {
    place: place === 'pool' ? 'storage pool' : 'disk of WAL and catalog',
    free: readableBytes(free),
    total: readableBytes(totalBytes),
    reserve: readableBytes(kept),
    grow:
      place === 'pool'
        ? 'or start the server with a larger --pool-size or a smaller --pool-reserve'
        : 'make room on the disk of the state directory, or start the server with a smaller --disk-reserve',
  })
