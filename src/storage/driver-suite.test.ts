/**
 * One suite for every driver, on real file systems: what holds for one rung of the ladder holds for
 * all. A rung that this machine does not offer is skipped, and says so.
 */
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { initCluster, runSingleUser } from '../../test/fixtures/embedded-cluster.ts'
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
import type { DraftId, DriverName, VolumeId } from '../ports/storage.ts'
import { type OpenStorage, openStorage } from './open-storage.ts'

const noBtrfs = whyNoImages('btrfs')
const noXfs = whyNoImages('xfs')

interface Ground {
  readonly name: string
  readonly driver: DriverName
  readonly missing: string | undefined
  readonly disk: (() => LoopImage) | undefined
  readonly requested?: DriverName
}

const MiB = 2 ** 20
const grounds: readonly Ground[] = [
  {
    name: 'btrfs on an image of our own',
    driver: 'btrfs',
    missing: noBtrfs,
    disk: undefined,
    requested: 'btrfs',
  },
  {
    name: 'btrfs where the state directory is on btrfs',
    driver: 'btrfs',
    missing: noBtrfs,
    disk: () => mountImage('btrfs', 1024),
  },
  {
    name: 'reflink on XFS',
    driver: 'reflink',
    missing: noXfs,
    disk: () => mountImage('xfs', 1024),
  },
  {
    name: 'reflink on btrfs',
    driver: 'reflink',
    missing: noBtrfs,
    disk: () => mountImage('btrfs', 1024),
    requested: 'reflink',
  },
  {
    name: 'copy on the ordinary file system',
    driver: 'copy',
    missing: undefined,
    disk: undefined,
    requested: 'copy',
  },
]

const log = createLog('test')
log.level = 'warn'
const draft = (id: string): DraftId => id as DraftId
const volume = (id: string): VolumeId => id as VolumeId
const source = volume('project-1/source')
const whole = { kind: 'whole' } as const

for (const ground of grounds) {
  if (ground.missing !== undefined) console.warn(`SKIPPED: ${ground.name}: ${ground.missing}`)
  describe.skipIf(ground.missing !== undefined)(ground.name, () => {
    let disk: LoopImage | undefined
    let root: string
    let layout: Layout
    let owner: ServiceUser | undefined
    let storage: OpenStorage

    const open = (): Promise<OpenStorage> =>
      openStorage({
        layout,
        serviceUser: owner,
        log,
        clock: systemClock,
        ...(ground.requested === undefined ? {} : { requested: ground.requested }),
        ...(ground.disk === undefined && ground.driver === 'btrfs' ? { poolBytes: 512 * MiB } : {}),
      })

    /** The whole way of a branch from a stopped source. */
    const branch = async (from: VolumeId, as: VolumeId): Promise<void> => {
      const id = draft(`op-${as.replace('/', '-')}`)
      await storage.cloneToDraft(from, id, whole)
      await storage.linkWal(id, as)
      await storage.copyWal(from, id, as)
      await storage.publish(id, as)
    }

    beforeAll(async () => {
      owner = await findServiceUser()
      disk = ground.disk?.()
      root = disk === undefined ? scratchDirectory() : join(disk.path, 'state')
      layout = layoutOf(root)
      storage = await open()
      const made = await storage.createDraft(draft('init'))
      initCluster(17, made, { owner })
      await storage.linkWal(draft('init'), source)
      await storage.publish(draft('init'), source)
    })

    afterAll(async () => {
      await storage?.close({ unmount: true })
      if (disk === undefined) rmSync(root, { recursive: true, force: true })
      disk?.remove()
    })

    test('the ladder takes this rung and says why', async () => {
      const status = await storage.status()
      expect(status.driver).toBe(ground.driver)
      expect(status.rungs.filter((rung) => rung.isTaken)).toHaveLength(1)
      expect(status.rungs.find((rung) => rung.isTaken)?.driver).toBe(ground.driver)
      expect(status.rungs.every((rung) => rung.because.length > 0)).toBe(true)
      expect(status.freeBytes).toBeLessThanOrEqual(status.totalBytes)
    })

    test('a branch of a stopped source opens, and lives by itself', async () => {
      const child = volume('project-1/child')
      await branch(source, child)
      const data = storage.dataDirectory(child)
      const made = runSingleUser(17, data, ['create table only_here (n int)'], owner)
      expect(made).not.toContain('ERROR')
      expect(runSingleUser(17, data, ['select * from only_here'], owner)).not.toContain('ERROR')
      const there = runSingleUser(
        17,
        storage.dataDirectory(source),
        ['select * from only_here'],
        owner,
      )
      expect(there).toContain('does not exist')
      await storage.deleteVolume(child)
    })

    test('WAL is linked by a relative path that is right in the draft and in the volume', async () => {
      const child = volume('project-1/linked')
      const made = await storage.cloneToDraft(source, draft('link'), whole)
      expect(existsSync(join(made, 'pg_wal'))).toBe(false)
      await storage.linkWal(draft('link'), child)
      expect(readlinkSync(join(made, 'pg_wal'))).toBe('../../../../wal/project-1/linked/live')
      expect(statSync(join(made, 'pg_wal')).ino).toBe(statSync(storage.walDirectory(child)).ino)
      expect(readdirSync(storage.walDirectory(child))).toEqual([])
      await storage.copyWal(source, draft('link'), child)
      await storage.publish(draft('link'), child)
      const place = join(storage.dataDirectory(child), 'pg_wal')
      expect(statSync(place).ino).toBe(statSync(storage.walDirectory(child)).ino)
      await storage.deleteVolume(child)
    })

    test('fresh WAL costs the bytes that are in it', async () => {
      const child = volume('project-1/small-wal')
      await storage.cloneToDraft(source, draft('wal'), whole)
      await storage.linkWal(draft('wal'), child)
      const copied = await storage.copyWal(source, draft('wal'), child)
      expect(copied.segments).toBe(1)
      expect(copied.bytes).toBeLessThan(MiB)
      const [name = ''] = readdirSync(storage.walDirectory(child)).filter((n) => n.length === 24)
      expect(statSync(join(storage.walDirectory(child), name)).size).toBe(MiB)
      await storage.deleteDraft(draft('wal'))
      expect(existsSync(storage.walDirectory(child))).toBe(false)
    })

    test('a clone leaves out what belongs to a run of its source', async () => {
      const data = storage.dataDirectory(source)
      writeFileSync(join(data, 'postmaster.pid'), '1')
      writeFileSync(join(data, 'standby.signal'), '')
      writeFileSync(join(data, 'recovery.signal'), '')
      mkdirSync(join(data, 'pg_replslot/consumer'))
      writeFileSync(join(data, 'pg_replslot/consumer/state'), 'x')
      try {
        for (const kind of ['whole', 'backup'] as const) {
          const made = await storage.cloneToDraft(source, draft('left-out'), { kind })
          for (const name of [
            ...['postmaster.pid', 'postmaster.opts', 'standby.signal', 'recovery.signal'],
            ...['pg_wal', 'pg_replslot/consumer'],
          ]) {
            expect(existsSync(join(made, name)), `${kind}: ${name}`).toBe(false)
          }
          for (const name of ['PG_VERSION', 'global/pg_control', 'pg_replslot', 'pg_notify']) {
            expect(existsSync(join(made, name)), `${kind}: ${name}`).toBe(true)
          }
        }
      } finally {
        for (const name of ['postmaster.pid', 'standby.signal', 'recovery.signal']) {
          rmSync(join(data, name))
        }
        rmSync(join(data, 'pg_replslot/consumer'), { recursive: true })
        await storage.deleteDraft(draft('left-out'))
      }
    })

    test('files belong to the compute user, and only it may read them', async () => {
      const child = volume('project-1/owned')
      await branch(source, child)
      const uid = owner?.uid ?? process.getuid?.()
      const foreign = [storage.dataDirectory(child), storage.walDirectory(child)].flatMap((top) =>
        ['', ...readdirSync(top, { recursive: true, encoding: 'utf8' })]
          .map((name) => join(top, name))
          .filter((path) => lstatSync(path).uid !== uid),
      )
      expect(foreign).toEqual([])
      expect(statSync(storage.dataDirectory(child)).mode & 0o777).toBe(0o700)
      expect(statSync(storage.walDirectory(child)).mode & 0o777).toBe(0o700)
      expect(statSync(join(storage.dataDirectory(child), '..')).mode & 0o777).toBe(0o755)
      await storage.deleteVolume(child)
    })

    test('a clone holds the same bytes as its stopped source', async () => {
      const made = await storage.cloneToDraft(source, draft('same'), whole)
      const from = storage.dataDirectory(source)
      const differing = readdirSync(from, { recursive: true, encoding: 'utf8' }).filter((name) => {
        if (name.startsWith('pg_wal') || name.startsWith('pg_subtrans')) return false
        if (!lstatSync(join(from, name)).isFile() || name === 'postmaster.opts') return false
        return !readFileSync(join(from, name)).equals(readFileSync(join(made, name)))
      })
      expect(differing).toEqual([])
      await storage.deleteDraft(draft('same'))
    })

    test('a draft that is made again begins anew', async () => {
      const first = await storage.createDraft(draft('again'))
      writeFileSync(join(first, 'old'), 'x')
      const second = await storage.createDraft(draft('again'))
      expect(readdirSync(second)).toEqual([])
      const third = await storage.cloneToDraft(source, draft('again'), whole)
      expect(existsSync(join(third, 'PG_VERSION'))).toBe(true)
      await storage.deleteDraft(draft('again'))
      expect(existsSync(third)).toBe(false)
    })

    test('what is absent is deleted already', async () => {
      await storage.deleteVolume(volume('project-1/never'))
      await storage.deleteDraft(draft('never'))
      expect(await storage.hasVolume(volume('project-1/never'))).toBe(false)
    })

    test('publishing again is done already, and never goes over a volume', async () => {
      const child = volume('project-2/twice')
      await branch(source, child)
      await storage.publish(draft('op-project-2-twice'), child)
      await storage.cloneToDraft(source, draft('other'), whole)
      await expect(storage.publish(draft('other'), child)).rejects.toThrow('is there already')
      await expect(storage.linkWal(draft('other'), child)).rejects.toThrow('is there already')
      await expect(storage.copyWal(source, draft('other'), child)).rejects.toThrow('already')
      await storage.deleteDraft(draft('other'))
      expect(existsSync(storage.walDirectory(child))).toBe(true)
      await storage.deleteVolume(child)
      await expect(storage.publish(draft('other'), child)).rejects.toThrow('neither')
    })

    test('volumes are listed, and a deleted one leaves nothing once deletions have settled', async () => {
      const one = volume('project-3/one')
      const two = volume('templates/two')
      await branch(source, one)
      await branch(one, two)
      expect([...(await storage.listVolumes())].sort()).toEqual([source, one, two].sort())
      await storage.deleteVolume(one)
      expect(await storage.hasVolume(one)).toBe(false)
      expect(runSingleUser(17, storage.dataDirectory(two), [], owner)).not.toContain('PANIC')
      await storage.deleteVolume(two)
      await storage.settle()
      expect([...(await storage.listVolumes())]).toEqual([source])
      expect(traces(layout)).toEqual(['pool/project-1/source', 'wal/project-1/source'])
    })

    test('ids cannot reach outside of the pool', async () => {
      for (const id of [
        '../x',
        'a/..',
        '../../etc',
        'a',
        'a/b/c',
        '/a/b',
        'a/',
        'tmp/x',
        'trash/x',
      ]) {
        expect(() => storage.dataDirectory(volume(id)), id).toThrow('not a volume id')
        await expect(storage.deleteVolume(volume(id)), id).rejects.toThrow('not a volume id')
      }
      for (const id of ['..', '.', 'a/b', '', 'a\0b', 'x'.repeat(65), '../../x']) {
        await expect(storage.createDraft(draft(id)), id).rejects.toThrow('not a draft id')
        await expect(storage.deleteDraft(draft(id)), id).rejects.toThrow('not a draft id')
      }
    })

    test('the source of a clone must be there', async () => {
      const cloned = storage.cloneToDraft(volume('project-1/gone'), draft('gone'), whole)
      await expect(cloned).rejects.toThrow()
      expect(readdirSync(join(layout.pool, 'tmp'))).toEqual([])
    })

    test('bytes of its own are few for a clone of a copy-on-write driver', async () => {
      const child = volume('project-1/measured')
      await branch(source, child)
      const bytes = await storage.exclusiveBytes(child)
      if (ground.driver === 'reflink') expect(bytes).toBeUndefined()
      else if (ground.driver === 'btrfs') expect(bytes).toBeLessThan(4 * MiB)
      else expect(bytes).toBeGreaterThan(10 * MiB)
      await storage.deleteVolume(child)
      expect(await storage.exclusiveBytes(child)).toBeUndefined()
    })

    test('a snapshot stays as it was, without its source, and opens wherever it is cloned to', async () => {
      const from = volume('project-1/snapped')
      const snapshot = volume('project-1/sn-one')
      await branch(source, from)
      runSingleUser(17, storage.dataDirectory(from), ['create table before (n int)'], owner)
      await branch(from, snapshot)
      runSingleUser(17, storage.dataDirectory(from), ['create table since (n int)'], owner)
      await storage.deleteVolume(from)
      await storage.settle()
      for (const name of ['first', 'second']) {
        const child = volume(`project-1/${name}`)
        await branch(snapshot, child)
        const data = storage.dataDirectory(child)
        const has = (table: string) => runSingleUser(17, data, [`select * from ${table}`], owner)
        expect(has('before')).not.toContain('ERROR')
        expect(has('since')).toContain('does not exist')
        runSingleUser(17, data, ['drop table before'], owner) // the next must not see it
        await storage.deleteVolume(child)
      }
      await storage.deleteVolume(snapshot)
    })

    test('a volume is measured with its WAL, as if it shared nothing and as it does', async () => {
      const child = volume('project-1/sized')
      await branch(source, child)
      const { full, exclusive } = await storage.measure(child)
      expect(full).toBeGreaterThan(20 * MiB)
      if (ground.driver === 'reflink') expect(exclusive).toBeUndefined()
      else if (ground.driver === 'btrfs') expect(exclusive).toBeLessThan(4 * MiB)
      else expect(exclusive).toBe(full)
      await storage.deleteVolume(child)
      await expect(storage.measure(child)).rejects.toThrow('is not there')
    })

    test('a start throws drafts away and keeps volumes', async () => {
      const kept = volume('project-1/kept')
      await branch(source, kept)
      await storage.cloneToDraft(source, draft('half'), whole)
      await storage.linkWal(draft('half'), volume('project-1/half'))
      const foreign = join(layout.pool, 'tmp', 'no draft') // somebody's file must not keep it from starting
      writeFileSync(foreign, '')
      await storage.close()
      storage = await open()
      await storage.recover()
      expect(existsSync(foreign)).toBe(false)
      await storage.settle()
      expect([...(await storage.listVolumes())].sort()).toEqual([kept, source].sort())
      expect(runSingleUser(17, storage.dataDirectory(kept), [], owner)).not.toContain('PANIC')
      await storage.deleteVolume(kept)
      await storage.settle()
      expect(traces(layout)).toEqual(['pool/project-1/source', 'wal/project-1/source'])
    })

    test('another driver cannot be had for a pool that exists', async () => {
      for (const requested of ['btrfs', 'reflink', 'copy'] as const) {
        if (requested === ground.driver) continue
        await expect(
          openStorage({ layout, serviceUser: owner, requested, log, clock: systemClock }),
        ).rejects.toThrow(`begun with ${ground.driver}, and ${requested} was asked for`)
      }
    })

    test.runIf(ground.disk !== undefined)('what was published survives a power cut', async () => {
      const child = volume('project-1/durable')
      await branch(source, child)
      disk?.cutPower() // at once: what comes later may carry it to disk by chance
      storage = await open()
      await storage.recover()
      expect([...(await storage.listVolumes())].sort()).toEqual([child, source].sort())
      const said = runSingleUser(17, storage.dataDirectory(child), ['select 1'], owner)
      expect(said).not.toMatch(/PANIC|ERROR|FATAL/)
      await storage.deleteVolume(child)
      await storage.settle()
    })

    test.runIf(ground.disk !== undefined)(
      'what was deleted stays so after a power cut',
      async () => {
        const child = volume('project-1/gone')
        await branch(source, child)
        await storage.deleteVolume(child)
        await storage.settle()
        disk?.cutPower()
        storage = await open()
        await storage.recover()
        expect(await storage.hasVolume(child)).toBe(false)
        expect(existsSync(storage.walDirectory(child))).toBe(false)
        await storage.settle()
      },
    )

    // Last: it takes the pool away.
    test('a pool that is not there is unavailable, and nothing is written beside it', async () => {
      const marker = join(layout.pool, '.lakelet-pool')
      const text = readFileSync(marker)
      if (ground.name.includes('of our own')) unmountAll(layout.pool)
      else rmSync(marker)
      const before = readdirSync(layout.pool)
      const unavailable = { reason: 'STORAGE_UNAVAILABLE' }
      await expect(storage.check()).rejects.toMatchObject(unavailable)
      await expect(storage.createDraft(draft('x'))).rejects.toMatchObject(unavailable)
      await expect(storage.cloneToDraft(source, draft('x'), whole)).rejects.toMatchObject(
        unavailable,
      )
      await expect(storage.recover()).rejects.toMatchObject(unavailable)
      await expect(storage.deleteVolume(source)).rejects.toMatchObject(unavailable)
      expect(readdirSync(layout.pool)).toEqual(before)
      expect(existsSync(storage.walDirectory(source))).toBe(true)
      if (ground.name.includes('of our own')) storage = await open()
      else {
        await expect(open()).rejects.toThrow('is not at')
        writeFileSync(marker, text)
      }
      await storage.check()
    })
  })
}

/** Every `<pool or wal>/<a>/<b>` there is, trash and drafts too. */
function traces(layout: Layout): readonly string[] {
  return (['pool', 'wal'] as const).flatMap((top) =>
    readdirSync(layout[top], { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .flatMap((group) =>
        readdirSync(join(layout[top], group.name)).map((name) => `${top}/${group.name}/${name}`),
      ),
  )
}
