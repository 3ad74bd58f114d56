/** WAL of real clusters: its files read by us as Postgres reads them, and copied while it writes. */
import {
  chownSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import {
  embeddedPostgres,
  initCluster,
  majors,
  runSingleUser,
  startCluster,
} from '../../test/fixtures/embedded-cluster.ts'
import {
  type LoopImage,
  mountImage,
  scratchDirectory,
  whyNoImages,
} from '../../test/fixtures/loop-image.ts'
import { type ControlFile, parseControlFile } from '../domain/control-file.ts'
import { layoutOf } from '../domain/layout.ts'
import { formatLsn, lsn, parseLsn } from '../domain/lsn.ts'
import { parsePageHeader, parseSegmentName } from '../domain/wal.ts'
import { createLog } from '../lib/log.ts'
import { findServiceUser, type ServiceUser } from '../lib/service-user.ts'
import { systemClock } from '../lib/time.ts'
import type { DraftId, VolumeId } from '../ports/storage.ts'
import { openStorage } from './open-storage.ts'
import { type CopiedWal, copyWalFiles } from './wal-copy.ts'

const MiB = 2 ** 20
let owner: ServiceUser | undefined
let scratch: string

beforeAll(async () => {
  owner = await findServiceUser()
})

const own = (path: string): string => {
  mkdirSync(path, { mode: 0o700 })
  if (owner !== undefined) chownSync(path, owner.uid, owner.gid)
  return path
}
const controlOf = (data: string): ControlFile =>
  parseControlFile(readFileSync(join(data, 'global/pg_control')))

const copyOf = (data: string, to: string): Promise<CopiedWal> => {
  const { redo, checkpoint, timeline } = controlOf(data)
  const from = join(data, 'pg_wal')
  return copyWalFiles({ from, to, start: redo, through: checkpoint, timeline, owner })
}

describe.each(majors)('Postgres %i', (major) => {
  const isMissing = embeddedPostgres(major) === undefined
  if (isMissing) console.warn(`SKIPPED: Postgres ${major} is not installed`)

  test.skipIf(isMissing)('wrote what we read, and opens on a copy of its WAL', async () => {
    scratch = scratchDirectory()
    const data = own(join(scratch, 'data'))
    initCluster(major, data, { owner })
    // Enough for several segments of 1 MiB, of which a checkpoint recycles the old ones.
    runSingleUser(
      major,
      data,
      [
        'create table many as select n, repeat(md5(n::text), 4) as t from generate_series(1, 30000) n',
        'checkpoint',
        'insert into many select n, repeat(md5(n::text), 4) from generate_series(1, 30000) n',
        'checkpoint',
      ],
      owner,
    )
    const control = controlOf(data)
    expect(control.state).toBe('shut down')
    expect(control.redo).toBe(control.checkpoint)

    const wal = join(data, 'pg_wal')
    const copy = own(join(scratch, 'copy'))
    const copied = await copyOf(data, copy)
    const segments = (of: string): readonly string[] =>
      readdirSync(of).filter((name) => parseSegmentName(name, MiB) !== undefined)
    expect(segments(copy).length).toBe(copied.segments)
    expect(segments(wal).length, 'recycled segments stayed behind').toBeGreaterThan(copied.segments)
    for (const name of segments(copy)) {
      const bytes = readFileSync(join(copy, name))
      expect(bytes.length).toBe(MiB)
      const header = parsePageHeader(bytes)
      const number = parseSegmentName(name, MiB)?.number ?? -1n
      expect(header?.address).toBe(number * BigInt(MiB))
      expect(header?.segment).toMatchObject({ systemId: control.systemId, size: MiB })
      expect(statSync(join(copy, name)).uid).toBe(statSync(data).uid)
    }
    expect(copied, 'the page of the segment and that of the checkpoint').toEqual({
      segments: 1,
      bytes: 2 * 8192,
    })

    renameSync(wal, join(scratch, 'old'))
    renameSync(copy, wal)
    const said = runSingleUser(
      major,
      data,
      [
        'select system_identifier from pg_control_system()',
        'select checkpoint_lsn, redo_lsn, timeline_id from pg_control_checkpoint()',
        'select count(*) from many',
      ],
      owner,
    )
    for (const [name, value] of [
      ['system_identifier', control.systemId],
      ['checkpoint_lsn', formatLsn(control.checkpoint)],
      ['redo_lsn', formatLsn(control.redo)],
      ['timeline_id', control.timeline],
      ['count', 60000],
    ] as const) {
      expect(said).toContain(`${name} = "${value}"`)
    }
    rmSync(scratch, { recursive: true })
  })
})

describe('a source without the WAL that is needed', () => {
  afterEach(() => rmSync(scratch, { recursive: true, force: true }))

  const page = (address: bigint): Buffer => {
    const bytes = Buffer.alloc(8192)
    bytes.writeUInt16LE(0xd116, 0)
    bytes.writeUInt16LE(2, 2)
    bytes.writeUInt32LE(1, 4)
    bytes.writeBigUInt64LE(address, 8)
    bytes.writeUInt32LE(MiB, 32)
    bytes.writeUInt32LE(8192, 36)
    return bytes
  }
  const copyFrom = (from: string, redo: bigint, through: bigint): Promise<CopiedWal> => {
    const to = join(scratch, 'to')
    mkdirSync(to)
    const wanted = { start: lsn(redo), through: lsn(through), timeline: 1 }
    return copyWalFiles({ from, to, ...wanted, owner: undefined })
  }

  test('is an error, not an empty copy', async () => {
    scratch = scratchDirectory()
    const from = join(scratch, 'from')
    mkdirSync(from)
    await expect(copyFrom(from, 0x100000n, 0x100000n)).rejects.toThrow('no WAL segment')
    rmSync(join(scratch, 'to'), { recursive: true })
    writeFileSync(join(from, '000000010000000000000001'), page(0x500000n)) // recycled
    await expect(copyFrom(from, 0x100000n, 0x100000n)).rejects.toThrow('ends at 0/0')
  })

  test('is an error when the log ends before the checkpoint', async () => {
    scratch = scratchDirectory()
    const from = join(scratch, 'from')
    mkdirSync(from)
    writeFileSync(join(from, '000000010000000000000001'), page(0x100000n))
    await expect(copyFrom(from, 0x100028n, 0x102000n)).rejects.toThrow('before the checkpoint')
  })

  test('finished segments are links, the last one is a file of its own, twice over', async () => {
    scratch = scratchDirectory()
    const from = join(scratch, 'from')
    mkdirSync(from)
    const segment = (n: number): Buffer => {
      const pages = MiB / 8192
      const address = (at: number) => BigInt(n) * BigInt(MiB) + BigInt(at) * 8192n
      return Buffer.concat(Array.from({ length: pages }, (_, at) => page(address(at))))
    }
    const names = [1, 2, 3].map((n) => `00000001000000000000000${n}`)
    for (const [index, name] of names.entries()) {
      writeFileSync(join(from, name), segment(index + 1))
    }
    writeFileSync(join(from, '000000010000000000000004'), Buffer.alloc(MiB)) // made ahead of its time
    const to = join(scratch, 'to')
    mkdirSync(to)
    const wanted = { start: lsn(0x100028n), through: lsn(0x100028n), timeline: 1 }
    for (const _ of ['first', 'again, after a crash']) {
      const copied = await copyWalFiles({ from, to, ...wanted, owner: undefined })
      expect(copied).toEqual({ segments: 3, bytes: MiB })
      const inode = (of: string, name = '') => statSync(join(of, name)).ino
      expect(names.map((name) => inode(to, name) === inode(from, name))).toEqual([
        true,
        true,
        false,
      ])
      for (const [index, name] of names.entries()) {
        expect(readFileSync(join(from, name)).equals(segment(index + 1)), name).toBe(true)
        expect(readFileSync(join(to, name)).equals(segment(index + 1)), name).toBe(true)
      }
    }
  })

  test('the newest timeline of a segment is taken, with the histories', async () => {
    scratch = scratchDirectory()
    const from = join(scratch, 'from')
    mkdirSync(from)
    writeFileSync(join(from, '000000010000000000000001'), page(0x100000n))
    writeFileSync(join(from, '000000020000000000000001'), page(0x100000n))
    writeFileSync(join(from, '000000030000000000000001'), page(0x900000n)) // recycled
    writeFileSync(join(from, '00000002.history'), '1\t0/100100\tno recovery target specified\n')
    mkdirSync(join(from, 'archive_status'))
    const copied = await copyFrom(from, 0x100028n, 0x100028n)
    expect(copied).toEqual({ segments: 1, bytes: 8192 })
    expect(readdirSync(join(scratch, 'to')).sort()).toEqual([
      '00000002.history',
      '000000020000000000000001',
    ])
  })
})

const missing = whyNoImages('btrfs')
if (missing !== undefined) console.warn(`SKIPPED: snapshots of a running source: ${missing}`)

describe.each([
  { driver: 'btrfs', skip: missing !== undefined },
  { driver: 'copy', skip: false },
] as const)('a running source on $driver', ({ driver, skip }) => {
  let disk: LoopImage | undefined
  let home: string
  beforeAll(() => {
    if (skip) return
    home = scratchDirectory()
    if (driver === 'btrfs') disk = mountImage('btrfs', 1024)
  })
  afterAll(() => {
    if (skip) return
    disk?.remove()
    rmSync(home, { recursive: true, force: true })
  })

  test.skipIf(skip)('gives branches that hold every commit from before, none in part', async () => {
    const log = createLog('test')
    log.level = 'error'
    const layout = layoutOf(join(disk?.path ?? home, 'state'))
    const storage = await openStorage({
      layout,
      serviceUser: owner,
      log,
      clock: systemClock,
      requested: driver,
    })
    const source = 'project/source' as VolumeId
    const init = 'init' as DraftId
    initCluster(17, await storage.createDraft(init), { owner })
    await storage.linkWal(init, source)
    await storage.publish(init, source)
    const sockets = own(join(home, 'sockets'))
    const server = await startCluster(17, storage.dataDirectory(source), sockets, owner)
    const pool = new pg.Pool({ host: sockets, user: 'cloud_admin', database: 'postgres', max: 4 })
    pool.on('error', () => undefined) // a session that the shutdown meets while it is closing

    /** As the compute room brackets it: WAL is held for an atomic clone, else backup mode. */
    const branch = async (draft: DraftId, to: VolumeId): Promise<void> => {
      if (storage.can.atomicClone) {
        await storage.cloneToDraft(source, draft, { kind: 'whole' })
        await storage.linkWal(draft, to)
        await storage.copyWal(source, draft, to)
      } else {
        const session = await pool.connect()
        try {
          const begun = await session.query(`select pg_backup_start('branch', true)::text as lsn`)
          const made = await storage.cloneToDraft(source, draft, { kind: 'backup' })
          const ended = await session.query('select labelfile from pg_backup_stop(false)')
          writeFileSync(join(made, 'backup_label'), ended.rows[0].labelfile)
          if (owner !== undefined) chownSync(join(made, 'backup_label'), owner.uid, owner.gid)
          await storage.linkWal(draft, to)
          await storage.copyWal(source, draft, to, parseLsn(begun.rows[0].lsn))
        } finally {
          session.release()
        }
      }
      await storage.publish(draft, to)
    }

    try {
      await pool.query('create table pairs (n int, half int)')
      await pool.query(`select pg_create_physical_replication_slot('hold', true)`)
      let begun = 0
      let acknowledged = 0
      let isWriting = true
      const insert = 'insert into pairs select $1, half from (values (1), (2)) v (half)'
      const write = async (): Promise<void> => {
        while (isWriting) {
          begun += 1
          await pool.query(insert, [begun])
          acknowledged += 1
        }
      }
      const writers = Promise.all([write(), write(), write()])
      for (const name of ['one', 'two', 'three']) {
        await pool.query('select pg_sleep(0.1)')
        const to = `project/${name}` as VolumeId
        const before = acknowledged
        await branch(name as DraftId, to)
        const after = begun
        const said = runSingleUser(
          17,
          storage.dataDirectory(to),
          ['select count(*) as rows, count(distinct n) as pairs from pairs'],
          owner,
        )
        const rows = Number(/rows = "(\d+)"/.exec(said)?.[1])
        const pairs = Number(/pairs = "(\d+)"/.exec(said)?.[1])
        expect(pairs).toBeGreaterThanOrEqual(before)
        expect(pairs).toBeLessThanOrEqual(after)
        expect(rows).toBe(2 * pairs)
      }
      isWriting = false
      await writers
    } finally {
      await pool.end()
      await server.stop()
      await storage.close()
    }
  })
})
