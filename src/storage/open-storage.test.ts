/** Decisions of a start: sizes, remounting, growing, contradictions, and a pool that is full. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  type LoopImage,
  mountImage,
  scratchDirectory,
  unmountAll,
  whyNoImages,
} from '../../test/fixtures/loop-image.ts'
import { type Layout, layoutOf } from '../domain/layout.ts'
import { createLog } from '../lib/log.ts'
import { findServiceUser, type ServiceUser } from '../lib/service-user.ts'
import { systemClock } from '../lib/time.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import { type OpenStorage, type OpenStorageOptions, openStorage } from './open-storage.ts'

const MiB = 2 ** 20
const log = createLog('test')
log.level = 'error'
const missing = whyNoImages('btrfs')
if (missing !== undefined) console.warn(`SKIPPED: the btrfs image: ${missing}`)

let owner: ServiceUser | undefined
let root: string
let layout: Layout
let opened: OpenStorage[]
let disks: LoopImage[]

beforeAll(async () => {
  owner = await findServiceUser()
})
beforeEach(() => {
  root = scratchDirectory()
  layout = layoutOf(root)
  opened = []
  disks = []
})
afterEach(async () => {
  for (const storage of opened) await storage.settle()
  if (mountsAt(layout.pool) > 0) unmountAll(layout.pool)
  for (const disk of disks) disk.remove()
  rmSync(root, { recursive: true, force: true })
})

const open = async (more: Partial<OpenStorageOptions> = {}): Promise<OpenStorage> => {
  const storage = await openStorage({
    layout,
    serviceUser: owner,
    log,
    clock: systemClock,
    ...more,
  })
  opened.push(storage)
  return storage
}

const mountsAt = (path: string): number =>
  process.platform === 'linux'
    ? readFileSync('/proc/self/mountinfo', 'utf8')
        .split('\n')
        .filter((line) => line.split(' ')[4] === path).length
    : 0

const loopsOf = (path: string): number =>
  spawnSync('losetup', ['--noheadings', '--associated', path], { encoding: 'utf8' })
    .stdout.split('\n')
    .filter(Boolean).length

describe.skipIf(missing !== undefined)('the image of our own', () => {
  const btrfs = { requested: 'btrfs', poolBytes: 256 * MiB } as const

  test('is sparse, private, mounted once and mounted again by the next start', async () => {
    const first = await open(btrfs)
    expect(statSync(layout.poolImage).size).toBe(256 * MiB)
    expect(statSync(layout.poolImage).blocks * 512).toBeLessThan(64 * MiB)
    expect(statSync(layout.poolImage).mode & 0o777).toBe(0o600)
    expect(statSync(layout.pool).mode & 0o777).toBe(0o755)
    await first.createDraft('draft' as DraftId)
    await first.publish('draft' as DraftId, 'project/branch' as VolumeId)
    await open()
    expect(mountsAt(layout.pool)).toBe(1)
    expect(loopsOf(layout.poolImage)).toBe(1)
    await first.close({ unmount: true })
    expect(mountsAt(layout.pool)).toBe(0)
    expect(loopsOf(layout.poolImage)).toBe(0)
    const again = await open()
    expect(await again.listVolumes()).toEqual(['project/branch'])
    expect((await again.status()).image).toEqual({ bytes: 256 * MiB })
  })

  test('stays mounted when the storage is closed without asking', async () => {
    const storage = await open(btrfs)
    await storage.close()
    expect(mountsAt(layout.pool)).toBe(1)
  })

  test('takes over a loop device that an earlier run left without mount', async () => {
    const first = await open(btrfs)
    await first.close({ unmount: true })
    const device = spawnSync('losetup', ['--find', '--show', layout.poolImage], {
      encoding: 'utf8',
    }).stdout.trim()
    await open()
    expect(loopsOf(layout.poolImage)).toBe(1)
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).toContain(` ${device} `)
  })

  test('grows when more is asked for, and refuses to shrink', async () => {
    await open(btrfs)
    const grown = await open({ poolBytes: 400 * MiB })
    expect((await grown.status()).image).toEqual({ bytes: 400 * MiB })
    expect((await grown.status()).totalBytes).toBe(400 * MiB)
    await expect(open({ poolBytes: 300 * MiB })).rejects.toThrow('cannot be made smaller')
  })

  test('is refused when too small or larger than what is free, and nothing is made', async () => {
    const tooSmall = { ...btrfs, poolBytes: 255 * MiB }
    await expect(open(tooSmall)).rejects.toThrow('255 MiB is too small. Give it at least 256 MiB')
    const { bavail, bsize } = statfsSync(root)
    const tooBig = { ...btrfs, poolBytes: bavail * bsize + 1024 * MiB }
    await expect(open(tooBig)).rejects.toThrow('does not fit')
    expect(readdirSync(root).filter((name) => name.startsWith('pool.img'))).toEqual([])
    expect(existsSync(layout.storageFile)).toBe(false)
  })

  test('that is gone is missed by name', async () => {
    const first = await open(btrfs)
    await first.close({ unmount: true })
    rmSync(layout.poolImage)
    await expect(open()).rejects.toThrow(/image .* is gone/)
  })

  test('is not mounted where another file system is', async () => {
    const first = await open(btrfs)
    await first.close({ unmount: true })
    spawnSync('mount', ['-t', 'tmpfs', 'none', layout.pool])
    await expect(open()).rejects.toThrow('Another file system')
  })

  test('is taken without asking where nothing better can be had', async () => {
    const disk = mountImage('ext4', 2200)
    disks.push(disk)
    const there = layoutOf(join(disk.path, 'state'))
    try {
      const storage = await open({ layout: there })
      const { driver, image, rungs } = await storage.status()
      expect(driver).toBe('btrfs')
      expect(image?.bytes).toBe(1024 * MiB)
      expect(rungs[0]?.because).toBe(
        'a btrfs image of our own, mounted, since the file system is ext4',
      )
      expect(rungs[1]?.because).toBe('the file system cannot clone files (ENOTSUP)')
    } finally {
      unmountAll(there.pool)
    }
  })

  test('is not made on a disk too small for it: plain copies are left', async () => {
    const disk = mountImage('ext4', 512)
    disks.push(disk)
    const storage = await open({ layout: layoutOf(join(disk.path, 'state')) })
    const { driver, rungs } = await storage.status()
    expect(driver).toBe('copy')
    expect(rungs[0]?.because).toContain('a btrfs image needs 1 GiB')
  })

  test('full, it refuses with STORAGE_FULL, leaves nothing half-made, and deleting helps', async () => {
    const storage = await open(btrfs)
    const big = 'project/big' as VolumeId
    const made = await storage.createDraft('big' as DraftId)
    await storage.publish('big' as DraftId, big)
    expect(made).toContain('/tmp/')
    fill(join(storage.dataDirectory(big), 'ballast'))
    const full = { reason: 'STORAGE_FULL' }
    await storage.check() // what is there goes on
    await expect(storage.checkRoom()).rejects.toMatchObject({
      reason: 'STORAGE_NEARLY_FULL',
      facts: { place: 'storage pool', reserve: '64 MiB' },
    })
    await expect(storage.createDraft('next' as DraftId)).rejects.toMatchObject(full)
    await expect(
      storage.cloneToDraft(big, 'next' as DraftId, { kind: 'whole' }),
    ).rejects.toMatchObject(full)
    expect(readdirSync(join(layout.pool, 'tmp'))).toEqual([])
    await storage.deleteVolume(big)
    // Space comes back late on btrfs; the next draft waits for it.
    await storage.createDraft('next' as DraftId)
    await storage.checkRoom()
  })
})

describe('a pool of plain files', () => {
  test('begins nothing new below its reserves, and goes on with what has begun', async () => {
    const nothing = { share: 0, bytes: 0 }
    const everything = { share: 1, bytes: Number.POSITIVE_INFINITY }
    const storage = await open({ requested: 'copy', reserves: { pool: everything, disk: nothing } })
    await expect(storage.checkRoom()).rejects.toMatchObject({
      reason: 'STORAGE_NEARLY_FULL',
      facts: { place: 'storage pool', grow: expect.stringContaining('--pool-size') },
    })
    await storage.createDraft('begun' as DraftId)
    const { room } = await storage.status()
    expect(room.pool).toMatchObject({ isEnough: false, reserveBytes: room.pool.totalBytes })
    expect(room.disk).toMatchObject({ isEnough: true, reserveBytes: 64 * MiB })

    const other = await open({ reserves: { pool: nothing, disk: everything } })
    await expect(other.checkRoom()).rejects.toMatchObject({
      reason: 'STORAGE_NEARLY_FULL',
      facts: { place: 'disk of WAL and catalog', grow: expect.stringContaining('--disk-reserve') },
    })
  })

  const copy = { requested: 'copy' } as const

  test.skipIf(missing !== undefined)(
    'that runs full while copying answers STORAGE_FULL and gives the room back',
    async () => {
      const disk = mountImage('ext4', 256)
      disks.push(disk)
      const there = layoutOf(join(disk.path, 'state'))
      const storage = await open({ ...copy, layout: there })
      const big = 'project/big' as VolumeId
      const made = await storage.createDraft('big' as DraftId)
      mkdirSync(join(made, 'global'))
      writeFileSync(join(made, 'global/pg_control'), Buffer.alloc(8192))
      writeFileSync(join(made, 'ballast'), Buffer.alloc(100 * MiB, 1))
      await storage.publish('big' as DraftId, big)
      const cloned = storage.cloneToDraft(big, 'next' as DraftId, { kind: 'whole' })
      await expect(cloned).rejects.toMatchObject({
        reason: 'STORAGE_FULL',
        facts: { needed: '164 MiB' },
      })
      expect(readdirSync(join(there.pool, 'tmp'))).toEqual([])
      // Holes are not forecast and become bytes: the file system itself says it, in mid-file.
      rmSync(join(storage.dataDirectory(big), 'ballast'))
      spawnSync('truncate', ['-s', '1G', join(storage.dataDirectory(big), 'ballast')])
      const { bavail } = statfsSync(there.pool)
      await expect(
        storage.cloneToDraft(big, 'next' as DraftId, { kind: 'whole' }),
      ).rejects.toMatchObject({ reason: 'STORAGE_FULL', facts: { needed: 'more' } })
      expect(readdirSync(join(there.pool, 'tmp'))).toEqual([])
      expect(statfsSync(there.pool).bavail).toBeGreaterThanOrEqual(bavail - 16)
      await storage.check()
    },
  )

  test('is refused when its marker is of another pool', async () => {
    await open(copy)
    const marker = join(layout.pool, '.lakelet-pool')
    writeFileSync(marker, JSON.stringify({ pool: 'another', driver: 'copy' }))
    await expect(open()).rejects.toThrow('Another pool is at')
    await expect(opened[0]?.check()).rejects.toMatchObject({
      reason: 'STORAGE_UNAVAILABLE',
      facts: { problem: 'another pool is mounted in its place' },
    })
  })

  test('is opened again by its marker when the record was lost', async () => {
    const first = await open(copy)
    await first.createDraft('draft' as DraftId)
    await first.publish('draft' as DraftId, 'project/branch' as VolumeId)
    rmSync(layout.storageFile)
    const again = await open()
    expect((await again.status()).driver).toBe('copy')
    expect(await again.listVolumes()).toEqual(['project/branch'])
    rmSync(layout.storageFile)
    await expect(open({ requested: 'btrfs' })).rejects.toThrow('begun with copy')
  })

  test('does not begin among files of somebody else', async () => {
    mkdirSync(layout.pool)
    writeFileSync(join(layout.pool, 'thesis.txt'), 'x')
    await expect(open(copy)).rejects.toThrow('holds files that are not a pool')
  })

  test('with a record that cannot be read is not guessed at', async () => {
    await open(copy)
    writeFileSync(layout.storageFile, '{"version": 2}')
    await expect(open()).rejects.toThrow('cannot be read')
  })

  test.runIf(process.getuid?.() === 0)(
    'is refused where the compute user cannot reach it',
    async () => {
      chmodSync(root, 0o700)
      await expect(open(copy)).rejects.toThrow(`chmod o+x ${root}`)
    },
  )

  test('says what reflink lacks when it is asked for in vain', async () => {
    const disk = missing === undefined ? mountImage('ext4', 64) : undefined
    if (disk === undefined) return
    disks.push(disk)
    const asked = open({ layout: layoutOf(join(disk.path, 'state')), requested: 'reflink' })
    await expect(asked).rejects.toThrow('the file system cannot clone files (ENOTSUP)')
  })
})

/** Writes until the file system refuses. */
function fill(path: string): void {
  spawnSync('dd', ['if=/dev/urandom', `of=${path}`, 'bs=1M', 'conv=fsync'], { stdio: 'ignore' })
}
