/**
 * The pool as the product sees it: drafts, volumes and their WAL, over any driver. Every change of a
 * name is one rename, made durable before success is told:
 *
 *   draft    <pool>/tmp/<draft>/volume          thrown away by a start
 *   publish  contents synced, then renamed to   <pool>/<project>/<branch>/volume
 *   delete   volume to <pool>/trash, then its WAL to <wal>/trash
 *
 * WAL without a volume is therefore a draft's or a deletion's left-over, and goes with them.
 */
import { readdir, rename, rm, rmdir, statfs, writeFile } from 'node:fs/promises'
import { dirname, join, relative, resolve } from 'node:path'
import { slotDirectory } from '../domain/clone-contents.ts'
import type { Layout } from '../domain/layout.ts'
import { syncDirectory } from '../lib/durable-file.ts'
import { failpoint } from '../lib/failpoint.ts'
import { KeyedMutex } from '../lib/keyed-mutex.ts'
import type { Log } from '../lib/log.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type { EpochMs } from '../lib/time.ts'
import { withUndo } from '../lib/undo.ts'
import type {
  Capabilities,
  CheckPages,
  CloneMode,
  DraftId,
  FoundPoint,
  LastCheckpoint,
  PagesChecked,
  PointSearch,
  PoolStatus,
  SetAside,
  Storage,
  VolumeId,
  WalExtent,
} from '../ports/storage.ts'
import { allocatedBytes } from './allocated-bytes.ts'
import { checkPages } from './check-pages.ts'
import type { Driver } from './driver.ts'
import { controlFileOf, LiveWal } from './live-wal.ts'
import { giveTo, makePassage } from './ownership.ts'
import { errorCode, exists, inPool, isAbsent, isFull } from './pool-faults.ts'
import { PoolGuard } from './pool-guard.ts'
import type { PoolRecord } from './pool-record.ts'
import { prepareRecovery } from './prepare-recovery.ts'
import { prepareReplay } from './prepare-replay.ts'
import { type Reserves, smallestReserves } from './reserve.ts'
import { listSetAside, placesOf, putBack, setAside } from './set-aside.ts'
import { Trash } from './trash.ts'
import {
  type DraftPaths,
  draftPaths,
  draftsDirectory,
  pairsBelow,
  parseVolumeId,
  poolStrays,
  poolTrash,
  type VolumePaths,
  volumePaths,
  walStrays,
  walTrash,
} from './volume-paths.ts'
import type { CopiedWal } from './wal-copy.ts'
import { findPoint, segmentAt } from './wal-search.ts'

export interface VolumeStoreOptions {
  readonly layout: Layout
  readonly record: PoolRecord
  readonly driver: Driver
  readonly owner: ServiceUser | undefined
  readonly log: Log
  /** Default: no more than a draft needs. */
  readonly reserves?: Reserves
}

export class VolumeStore implements Omit<Storage, 'detachStrayDevices'> {
  readonly #layout: Layout
  readonly #record: PoolRecord
  readonly #driver: Driver
  readonly #guard: PoolGuard
  readonly #wal: LiveWal
  readonly #owner: ServiceUser | undefined
  readonly #poolTrash: Trash
  readonly #walTrash: Trash
  /** By project: making a directory and renaming into it must not meet its removal when empty. */
  readonly #names = new KeyedMutex()

  constructor(options: VolumeStoreOptions) {
    const { layout, record, driver, owner, log, reserves = smallestReserves } = options
    this.#layout = layout
    this.#record = record
    this.#driver = driver
    this.#guard = new PoolGuard(layout, record.pool, driver, reserves)
    this.#wal = new LiveWal(layout, owner)
    this.#owner = owner
    this.#poolTrash = new Trash({ directory: poolTrash(layout), remove: driver.remove, log })
    this.#walTrash = new Trash({ directory: walTrash(layout), remove: removeTree, log })
  }

  /** Directories that every verb counts on. Only on a pool that is known to be mounted. */
  async prepare(): Promise<void> {
    await this.#guard.assertPresent()
    for (const directory of [
      draftsDirectory(this.#layout),
      poolTrash(this.#layout),
      walTrash(this.#layout),
      poolStrays(this.#layout),
      walStrays(this.#layout),
    ]) {
      await makePassage(directory)
    }
  }

  get can(): Capabilities {
    return this.#driver.can
  }

  async status(): Promise<PoolStatus> {
    await this.#guard.assertPresent()
    const { imageBytes, rungs } = this.#record
    const room = await this.#guard.room()
    return {
      driver: this.#driver.name,
      can: this.can,
      rungs,
      image: imageBytes === undefined ? undefined : { bytes: imageBytes },
      totalBytes: room.pool.totalBytes,
      freeBytes: await this.#guard.free(),
      room,
    }
  }

  check(): Promise<void> {
    return this.#guard.assertPresent()
  }

  async checkRoom(): Promise<void> {
    await this.#guard.assertPresent()
    await this.#guard.assertRoomForMore(() => this.settle())
  }

  createDraft(draft: DraftId): Promise<string> {
    return this.#make(draft, async (path) => {
      await failpoint('storage.create:before')
      await this.#driver.create(path)
      await failpoint('storage.create:after')
    })
  }

  cloneToDraft(source: VolumeId, draft: DraftId, mode: CloneMode): Promise<string> {
    const from = this.dataDirectory(source)
    return this.#make(draft, async (path) => {
      await failpoint('storage.clone:before')
      await this.#driver.clone(from, path, mode)
      await failpoint('storage.clone:after')
    })
  }

  async prepareRecovery(draft: DraftId, goesOn = false): Promise<void> {
    const { data } = draftPaths(this.#layout, draft)
    await inPool(this.#layout.pool, () => prepareRecovery(data, this.#owner, goesOn))
    await failpoint('storage.prepare-recovery:after')
  }

  async prepareReplay(
    draft: DraftId,
    consistent: { readonly position: bigint; readonly timeline: number } | undefined,
  ): Promise<void> {
    const { data } = draftPaths(this.#layout, draft)
    await inPool(this.#layout.pool, () => prepareReplay(data, consistent, this.#owner))
  }

  async writeBackupLabel(draft: DraftId, label: string): Promise<void> {
    const path = join(draftPaths(this.#layout, draft).data, 'backup_label')
    await inPool(this.#layout.pool, async () => {
      await writeFile(path, label, { mode: 0o600 })
      await giveTo(path, 0o600, this.#owner)
    })
  }

  async #make(draft: DraftId, work: (path: string) => Promise<void>): Promise<string> {
    const paths = draftPaths(this.#layout, draft)
    await this.deleteDraft(draft)
    await this.#guard.makeRoom(() => this.settle())
    return await inPool(this.#layout.pool, () =>
      withUndo(async (onFailure) => {
        onFailure(() => this.#discard(paths)) // at once: what is full needs its room back
        await makePassage(paths.home)
        await work(paths.data)
        return paths.data
      }),
    )
  }

  async linkWal(draft: DraftId, to: VolumeId): Promise<void> {
    await this.#guard.assertPresent()
    await this.#assertUnpublished(to)
    await inPool(this.#layout.wal, () =>
      this.#names.run(groupOf(to), () => this.#wal.link(draft, to)),
    )
    await failpoint('storage.link-wal:after')
  }

  async copyWal(
    source: VolumeId,
    draft: DraftId,
    to: VolumeId,
    fromLsn?: bigint,
    untilLsn?: bigint,
  ): Promise<CopiedWal> {
    await this.#guard.assertPresent()
    await this.#assertUnpublished(to)
    await failpoint('storage.copy-wal:before')
    const copied = await inPool(this.#layout.wal, () =>
      this.#wal.copy(source, draft, to, fromLsn, untilLsn),
    )
    await failpoint('storage.copy-wal:after')
    return copied
  }

  async publish(draft: DraftId, as: VolumeId): Promise<void> {
    const from = draftPaths(this.#layout, draft)
    const to = volumePaths(this.#layout, as)
    await this.#guard.assertPresent()
    await inPool(this.#layout.pool, async () => {
      if (await exists(from.data)) {
        await this.#assertUnpublished(as)
        await this.#driver.sync(from.data) // contents before name
        await failpoint('storage.publish:before-rename')
        await this.#names.run(groupOf(as), async () => {
          await makePassage(to.group)
          await makePassage(to.home)
          await rename(from.data, to.data)
        })
        await failpoint('storage.publish:after-rename')
      } else if (!(await exists(to.data))) {
        throw new Error(`publish ${as}: neither draft nor volume is there`)
      }
      // Also when an earlier run renamed: it may have died before this.
      await Promise.all([this.#syncNames(to), this.#wal.syncNames(to)])
      await failpoint('storage.publish:after')
      await rm(from.home, { recursive: true, force: true })
    })
  }

  async #syncNames({ home, group }: VolumePaths): Promise<void> {
    await Promise.all([home, group, this.#layout.pool].map(syncDirectory))
  }

  /** Never over a volume that is there: its WAL may hold what was acknowledged to a client. */
  async #assertUnpublished(id: VolumeId): Promise<void> {
    if (await this.hasVolume(id)) throw new Error(`volume ${id} is there already`)
  }

  async deleteDraft(draft: DraftId): Promise<void> {
    const paths = draftPaths(this.#layout, draft)
    await this.#guard.assertPresent()
    if (!(await exists(paths.home))) return
    await this.#deleteUnpublishedWal(draft, paths)
    await this.#throwAway(paths.data)
    await rm(paths.home, { recursive: true, force: true })
  }

  /** WAL that was linked for a volume which this draft did not become. */
  async #deleteUnpublishedWal(draft: DraftId, paths: DraftPaths): Promise<void> {
    const link = await this.#wal.linkedFrom(draft)
    if (link === undefined) return
    const id = relative(this.#layout.wal, dirname(resolve(paths.data, link))) as VolumeId
    if (parseVolumeId(id) === undefined || (await this.hasVolume(id))) return
    await this.#deleteWal(volumePaths(this.#layout, id))
  }

  async deleteVolume(id: VolumeId): Promise<void> {
    const paths = volumePaths(this.#layout, id)
    await this.#guard.assertPresent()
    await inPool(this.#layout.pool, async () => {
      await failpoint('storage.delete:before')
      const volume = await this.#takeVolume(paths)
      await failpoint('storage.delete:between')
      const wal = await this.#walTrash.take(paths.walHome)
      await Promise.all([
        volume === undefined ? undefined : syncDirectory(poolTrash(this.#layout)),
        wal === undefined ? undefined : syncDirectory(walTrash(this.#layout)),
      ])
      await failpoint('storage.delete:after')
      if (volume !== undefined) this.#poolTrash.deleteLater(volume)
      if (wal !== undefined) this.#walTrash.deleteLater(wal)
      await this.#prune(id, paths)
    })
  }

  async #takeVolume({ data }: VolumePaths): Promise<string | undefined> {
    try {
      return await this.#poolTrash.take(data)
    } catch (error) {
      if (!isFull(error)) throw error
      // A full pool may not have room for a name, and deleting is how it gets some.
      await this.#driver.remove(data)
      return undefined
    }
  }

  /** Directories of projects go with their last branch. */
  async #prune(id: VolumeId, { home, group, walGroup }: VolumePaths): Promise<void> {
    await this.#names.run(groupOf(id), async () => {
      for (const directory of [home, group, walGroup]) {
        try {
          await rmdir(directory)
        } catch (error) {
          if (!isAbsent(error) && errorCode(error) !== 'ENOTEMPTY') throw error
        }
      }
    })
  }

  draftDirectory(draft: DraftId): string {
    return draftPaths(this.#layout, draft).data
  }

  dataDirectory(id: VolumeId): string {
    return volumePaths(this.#layout, id).data
  }

  walDirectory(id: VolumeId): string {
    return volumePaths(this.#layout, id).live
  }

  async lastCheckpoint(id: VolumeId): Promise<LastCheckpoint> {
    await this.#guard.assertPresent()
    const { checkpoint, state, nextXid } = controlFileOf(this.dataDirectory(id))
    return { position: checkpoint, isShutDown: state === 'shut down', nextXid }
  }

  async recoveryStart(id: VolumeId): Promise<bigint> {
    await this.#guard.assertPresent()
    return await this.#wal.recoveryStart(this.dataDirectory(id))
  }

  async findPoint(id: VolumeId, search: PointSearch): Promise<FoundPoint> {
    await this.#guard.assertPresent()
    return await findPoint(this.walDirectory(id), search)
  }

  async segmentAt(id: VolumeId, position: bigint): Promise<string> {
    await this.#guard.assertPresent()
    return await segmentAt(this.walDirectory(id), position)
  }

  walExtent(id: VolumeId): Promise<WalExtent | undefined> {
    return this.#wal.extent(id)
  }

  async walBytes(id: VolumeId): Promise<number> {
    return (await allocatedBytes(this.walDirectory(id))) ?? 0
  }

  async walRoom(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }> {
    const { bavail, blocks, bsize } = await statfs(this.#layout.wal)
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize }
  }

  async slotNames(id: VolumeId): Promise<readonly string[]> {
    await this.#guard.assertPresent()
    return await readdir(join(this.dataDirectory(id), slotDirectory))
  }

  async removeWalBefore(id: VolumeId, position: bigint): Promise<number> {
    await this.#guard.assertPresent()
    return await this.#wal.removeBefore(id, position)
  }

  async hasVolume(id: VolumeId): Promise<boolean> {
    await this.#guard.assertPresent()
    return await exists(this.dataDirectory(id))
  }

  async listVolumes(): Promise<readonly VolumeId[]> {
    await this.#guard.assertPresent()
    const found: VolumeId[] = []
    for (const id of await pairsBelow(this.#layout.pool)) {
      if (await exists(this.dataDirectory(id))) found.push(id)
    }
    return found
  }

  async recover(): Promise<void> {
    await this.#guard.assertPresent() // or else all WAL would look like left-overs
    const drafts = draftsDirectory(this.#layout)
    for (const entry of await readdir(drafts, { withFileTypes: true })) {
      const name = entry.name as DraftId
      if (entry.isDirectory()) {
        await this.#deleteUnpublishedWal(name, draftPaths(this.#layout, name))
        await this.#throwAway(join(drafts, name, 'volume'))
      }
      await rm(join(drafts, name), { recursive: true, force: true })
    }
    await this.emptyTrash()
  }

  async emptyTrash(): Promise<void> {
    await this.#guard.assertPresent()
    await this.#poolTrash.deleteLeftovers()
    await this.#walTrash.deleteLeftovers()
  }

  async listWal(): Promise<readonly VolumeId[]> {
    await this.#guard.assertPresent()
    return await pairsBelow(this.#layout.wal)
  }

  async listDrafts(): Promise<readonly DraftId[]> {
    await this.#guard.assertPresent()
    return (await readdir(draftsDirectory(this.#layout))) as DraftId[]
  }

  async setAside(id: VolumeId, now: EpochMs): Promise<void> {
    await this.#guard.assertPresent()
    await inPool(this.#layout.pool, async () => {
      await setAside(this.#layout, id, now)
      await this.#prune(id, volumePaths(this.#layout, id))
    })
  }

  async listSetAside(): Promise<readonly SetAside[]> {
    await this.#guard.assertPresent()
    return await listSetAside(this.#layout)
  }

  async putBack(id: VolumeId): Promise<boolean> {
    await this.#guard.assertPresent()
    return await inPool(this.#layout.pool, () =>
      this.#names.run(groupOf(id), () => putBack(this.#layout, id)),
    )
  }

  async deleteSetAside(stray: SetAside): Promise<void> {
    await this.#guard.assertPresent()
    const { volume, wal } = await placesOf(this.#layout, stray)
    await inPool(this.#layout.pool, async () => {
      await this.#throwAway(volume)
      const place = await this.#walTrash.take(wal)
      if (place !== undefined) this.#walTrash.deleteLater(place)
    })
  }

  async exclusiveBytes(id: VolumeId): Promise<number | undefined> {
    if (!(await this.hasVolume(id))) return undefined
    const data = await this.#driver.exclusiveBytes(this.dataDirectory(id))
    if (data === undefined) return undefined
    return data + ((await allocatedBytes(this.walDirectory(id))) ?? 0)
  }

  async measure(
    id: VolumeId,
  ): Promise<{ readonly full: number; readonly exclusive: number | undefined }> {
    const data = await allocatedBytes(this.dataDirectory(id))
    if (data === undefined) throw new Error(`measure ${id}: the volume is not there`)
    const wal = (await allocatedBytes(this.walDirectory(id))) ?? 0
    return { full: data + wal, exclusive: await this.exclusiveBytes(id) }
  }

  async checkPages(id: VolumeId, how: CheckPages): Promise<PagesChecked> {
    await this.#guard.assertPresent()
    return await inPool(this.#layout.pool, () => checkPages(this.dataDirectory(id), how))
  }

  async settle(): Promise<void> {
    await Promise.all([this.#poolTrash.settle(), this.#walTrash.settle()])
  }

  async #throwAway(data: string): Promise<void> {
    const place = await this.#poolTrash.take(data)
    if (place !== undefined) this.#poolTrash.deleteLater(place)
  }

  async #deleteWal({ walHome }: VolumePaths): Promise<void> {
    const place = await this.#walTrash.take(walHome)
    if (place !== undefined) this.#walTrash.deleteLater(place)
  }

  async #discard({ home, data }: DraftPaths): Promise<void> {
    await this.#driver.remove(data)
    await rm(home, { recursive: true, force: true })
  }
}

const removeTree = (path: string): Promise<void> => rm(path, { recursive: true, force: true })

/** The first segment; a volume id was parsed before. */
const groupOf = (id: VolumeId): string => parseVolumeId(id)?.[0] ?? ''
