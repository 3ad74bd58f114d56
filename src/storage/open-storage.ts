/**
 * Opens the pool of a state directory: the first start climbs the ladder and writes the choice down,
 * every later one takes the same rung or refuses. Order of a first start: image, mount, marker inside
 * the pool, record in the state directory; a crash between any two is completed by the next start.
 */
import { randomUUID } from 'node:crypto'
import { mkdir, readdir, stat, statfs } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Layout } from '../domain/layout.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { Log } from '../lib/log.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import type { Clock } from '../lib/time.ts'
import { withUndo } from '../lib/undo.ts'
import type { DriverName, Rung, Storage } from '../ports/storage.ts'
import { btrfsDriver } from './btrfs/driver.ts'
import {
  detachStrayDevices,
  discardImage,
  growImage,
  hasImage,
  isMounted,
  makeImage,
  mountImage,
  probeImage,
  unmountImage,
} from './btrfs/pool-image.ts'
import { probeBtrfs } from './btrfs/probe.ts'
import { copyDriver } from './copy/driver.ts'
import type { Driver } from './driver.ts'
import { fileSystemName } from './file-system-name.ts'
import { type Choice, climb, type Findings } from './ladder.ts'
import { makePassage } from './ownership.ts'
import { type PoolRecord, readMarker, readRecord, writeMarker, writeRecord } from './pool-record.ts'
import { PoolRefused } from './pool-refused.ts'
import type { Probe } from './probe.ts'
import { reflinkDriver } from './reflink/driver.ts'
import { probeReflink } from './reflink/probe.ts'
import type { Reserves } from './reserve.ts'
import { VolumeStore } from './volume-store.ts'

export interface OpenStorageOptions {
  readonly layout: Layout
  /** Whom the volumes belong to; `undefined`: to ourselves. */
  readonly serviceUser: ServiceUser | undefined
  readonly requested?: DriverName
  /** Size of the image, if one is made; larger than the present one: it grows. */
  readonly poolBytes?: number
  /** Room that new volumes leave; default: no more than a draft needs. */
  readonly reserves?: Reserves
  readonly log: Log
  readonly clock: Clock
}

export interface OpenStorage extends Storage {
  /**
   * Waits for background deletions. With `unmount`, which needs every compute stopped, also undoes the
   * mount that we made; without it computes may go on.
   */
  close(options?: { readonly unmount: boolean }): Promise<void>
}

export async function openStorage(options: OpenStorageOptions): Promise<OpenStorage> {
  const { layout, serviceUser, log, clock } = options
  const begun = clock.monotonic()
  await mkdir(layout.root, { recursive: true })
  await assertReachable(layout, serviceUser)
  await makePassage(layout.pool)
  await makePassage(layout.wal)
  const known = readRecord(layout)
  return await withUndo(async (onFailure) => {
    // A start that is refused leaves no mount behind; one that was there before is not ours to take.
    const wasMounted = await isMounted(layout)
    onFailure(async () => {
      if (!wasMounted) await unmountImage(layout).catch(() => undefined)
    })
    const record = known === undefined ? await begin(options) : await reopen(options, known)
    const driver = driverFor(record.driver, options)
    const store = new PoolStore({
      layout,
      record,
      driver,
      owner: serviceUser,
      log,
      ...(options.reserves === undefined ? {} : { reserves: options.reserves }),
    })
    await store.prepare()
    const took = Math.round(clock.monotonic() - begun)
    log.info({ driver: record.driver, image: record.imageBytes, took }, 'storage is open')
    return store
  })
}

class PoolStore extends VolumeStore implements OpenStorage {
  readonly #unmount: () => Promise<void>
  readonly detachStrayDevices: () => Promise<readonly string[]>

  constructor(options: ConstructorParameters<typeof VolumeStore>[0]) {
    super(options)
    const { layout, record } = options
    this.#unmount = async () => {
      if (record.imageBytes !== undefined) await unmountImage(layout)
    }
    this.detachStrayDevices = async () =>
      record.imageBytes === undefined ? [] : await detachStrayDevices(layout)
  }

  async close({ unmount }: { readonly unmount: boolean } = { unmount: false }): Promise<void> {
    await this.settle()
    if (unmount) await this.#unmount()
  }
}

function driverFor(name: DriverName, { layout, serviceUser }: OpenStorageOptions): Driver {
  switch (name) {
    case 'btrfs':
      return btrfsDriver(layout.pool, serviceUser)
    case 'reflink':
      return reflinkDriver(serviceUser)
    case 'copy':
      return copyDriver(serviceUser)
  }
}

/** A first start, or one that a crash cut short. */
async function begin(options: OpenStorageOptions): Promise<PoolRecord> {
  const { layout, requested } = options
  if (await hasImage(layout)) await mountImage(layout)
  const marker = readMarker(layout)
  if (marker !== undefined) {
    // Only the record was missing. Its rungs cannot be told again with the pool in place.
    assertSameDriver(marker.driver, requested)
    await assertDriverWorks(options, marker.driver)
    const rungs: readonly Rung[] = [
      { driver: marker.driver, isTaken: true, because: 'the pool was made with it' },
    ]
    return await writeDown(options, marker.pool, marker.driver, rungs)
  }
  await assertEmpty(layout)
  const { driver, rungs } = await choose(options)
  const pool = randomUUID()
  await failpoint('storage.open:before-marker')
  await writeMarker(layout, { pool, driver })
  await failpoint('storage.open:after-marker')
  return await writeDown(options, pool, driver, rungs)
}

async function writeDown(
  { layout }: OpenStorageOptions,
  pool: string,
  driver: DriverName,
  rungs: readonly Rung[],
): Promise<PoolRecord> {
  const image = driver === 'btrfs' && (await hasImage(layout))
  const record: PoolRecord = {
    version: 1,
    pool,
    driver,
    rungs,
    ...(image ? { imageBytes: (await stat(layout.poolImage)).size } : {}),
  }
  await writeRecord(layout, record)
  return record
}

async function choose(
  options: OpenStorageOptions,
): Promise<{ readonly driver: DriverName; readonly rungs: readonly Rung[] }> {
  const { layout, requested, poolBytes, log } = options
  const findings = await survey(options)
  const choice = taken(climb(findings, requested))
  if (!choice.onImage) return choice
  try {
    await makeImage(layout, poolBytes)
    await failpoint('storage.open:after-image')
    await mountImage(layout)
    return choice
  } catch (error) {
    // What was asked for is not replaced by something else behind the asker's back.
    if (error instanceof PoolRefused || requested !== undefined) throw error
    log.warn({ err: error }, 'a btrfs image could not be made; taking the next driver')
    await discardImage(layout)
    const image: Probe = { isUsable: false, because: `an image failed: ${firstLine(error)}` }
    return taken(climb({ ...findings, image }, requested))
  }
}

function taken(choice: Choice): Exclude<Choice, { driver: undefined }> {
  if (choice.driver !== undefined) return choice
  throw new PoolRefused(
    `The storage that was asked for cannot be had: ${choice.because}.`,
    'Leave --storage away to take the best one that works here.',
  )
}

async function survey(options: OpenStorageOptions): Promise<Findings> {
  const { layout, poolBytes } = options
  return {
    fileSystem: fileSystemName((await statfs(layout.pool)).type),
    btrfs: await probeBtrfs(layout.pool, driverFor('btrfs', options)),
    reflink: await probeReflink(layout.pool),
    image: await probeImage(layout, poolBytes),
    isOnImage: await hasImage(layout),
  }
}

/** A later start: the same rung or none. */
async function reopen(options: OpenStorageOptions, record: PoolRecord): Promise<PoolRecord> {
  const { layout, requested, poolBytes, log } = options
  assertSameDriver(record.driver, requested)
  if (record.imageBytes !== undefined) await mountImage(layout)
  const marker = readMarker(layout)
  if (marker?.pool !== record.pool) {
    throw new PoolRefused(
      marker === undefined
        ? `The pool of this state directory is not at ${layout.pool}.`
        : `Another pool is at ${layout.pool}.`,
      'Mount the pool that it was begun with, or begin with another state directory.',
    )
  }
  await assertDriverWorks(options, record.driver)
  if (poolBytes === undefined) return record
  if (record.imageBytes === undefined) {
    log.warn({ poolBytes }, 'a pool size was given, but the pool is not an image of ours')
    return record
  }
  const imageBytes = await growImage(layout, record.imageBytes, poolBytes)
  if (imageBytes === record.imageBytes) return record
  const grown: PoolRecord = { ...record, imageBytes }
  await writeRecord(layout, grown)
  return grown
}

async function assertDriverWorks(options: OpenStorageOptions, driver: DriverName): Promise<void> {
  const { layout } = options
  const probe: Probe =
    driver === 'btrfs'
      ? await probeBtrfs(layout.pool, driverFor('btrfs', options))
      : driver === 'reflink'
        ? await probeReflink(layout.pool)
        : { isUsable: true }
  if (probe.isUsable) return
  throw new PoolRefused(
    `The pool at ${layout.pool} was begun with ${driver}, which does not work there now: ${probe.because}.`,
    'Put back what has changed, or begin with another state directory.',
  )
}

function assertSameDriver(held: DriverName, requested: DriverName | undefined): void {
  if (requested === undefined || requested === held) return
  throw new PoolRefused(
    `This state directory was begun with ${held}, and ${requested} was asked for.`,
    `Leave --storage away, or begin with another state directory.`,
  )
}

/** Files that no record and no marker explain are somebody's, and mounting would hide them. */
async function assertEmpty(layout: Layout): Promise<void> {
  const ours: ReadonlySet<string> = new Set(['lost+found', 'tmp', 'trash', 'strays'])
  const found = (await readdir(layout.pool)).filter(
    (name) => !ours.has(name) && !name.startsWith('.probe-') && !name.endsWith('.draft'),
  )
  if (found.length === 0) return
  throw new PoolRefused(
    `${layout.pool} holds files that are not a pool's (${found[0]}).`,
    'Move them away, or begin with another state directory.',
  )
}

/** Postgres must be able to walk down to its data directory. */
async function assertReachable(layout: Layout, user: ServiceUser | undefined): Promise<void> {
  if (user === undefined) return
  for (let path = resolve(layout.root); ; path = dirname(path)) {
    const { mode, uid, gid } = await stat(path)
    const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
    if ((mode & bit) === 0) {
      throw new PoolRefused(
        `The user ${user.name}, who runs Postgres, cannot pass through ${path}.`,
        `Allow it (chmod o+x ${path}), or choose another state directory.`,
      )
    }
    if (path === dirname(path)) return
  }
}

const firstLine = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0]?.slice(0, 200) ?? ''
