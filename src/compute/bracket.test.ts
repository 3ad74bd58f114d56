/**
 * Clones of a source under write load, taken inside a bracket with nothing but a plain copy: each must
 * recover to one moment that holds every commit acknowledged before it was asked for.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chown, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseLsn } from '../domain/lsn.ts'
import { postgresMajors } from '../domain/project.ts'
import { run } from '../lib/subprocess.ts'
import { millis, systemClock } from '../lib/time.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import { checkpointAbove } from './bracket.ts'
import { copyDirectory, openTestRoom, queryOne, type TestRoom } from './room.fixture.ts'

const pgbench = '/usr/lib/postgresql/15/bin/pgbench'
let room: TestRoom
const running: ChildProcess[] = []
beforeAll(async () => {
  room = await openTestRoom()
})
afterAll(async () => {
  for (const child of running) child.kill('SIGKILL')
  await room.close()
})

const ask = (spec: ComputeSpec, sql: string) =>
  queryOne(room.computes.socketDirectory(spec.uid), sql)
const lsnOf = async (spec: ComputeSpec, call: string): Promise<bigint> =>
  parseLsn(String(await ask(spec, `SELECT ${call}`))) ?? 0n

const invariants = `SELECT count(DISTINCT s) FROM (
    SELECT sum(abalance) AS s FROM pgbench_accounts UNION ALL
    SELECT sum(bbalance) FROM pgbench_branches UNION ALL
    SELECT sum(tbalance) FROM pgbench_tellers UNION ALL
    SELECT coalesce(sum(delta), 0) FROM pgbench_history) AS sums`

async function load(spec: ComputeSpec): Promise<() => Promise<void>> {
  const to = ['-h', room.computes.socketDirectory(spec.uid), '-U', 'cloud_admin']
  await run(pgbench, [...to, '-i', '-q', '-s', '1', 'postgres'])
  const child = spawn(pgbench, [...to, '-n', '-c', '2', '-T', '60', 'postgres'], {
    stdio: 'ignore',
  })
  running.push(child)
  return async () => {
    const gone = once(child, 'exit')
    child.kill('SIGINT')
    await gone
  }
}

/** As the copy driver does it: data first, pg_control last, nothing of WAL, slots and lock files. */
async function copyInBackupMode(from: string, to: string): Promise<void> {
  await copyDirectory(from, to)
  const control = join('global', 'pg_control')
  await run('cp', ['-p', join(from, control), join(to, control)])
  await emptyWal(to)
}

async function emptyWal(clone: string): Promise<void> {
  await rm(join(clone, 'postmaster.pid'), { force: true })
  for (const inside of ['pg_wal', 'pg_replslot']) {
    const path = join(clone, inside)
    for (const name of await readdir(path)) await rm(join(path, name), { recursive: true })
  }
  await mkdir(join(clone, 'pg_wal', 'archive_status'))
  await own(join(clone, 'pg_wal', 'archive_status'))
}

const own = async (path: string) => {
  const user = room.serviceUser
  if (user !== undefined) await chown(path, user.uid, user.gid)
}

async function copyWal(from: string, to: string): Promise<void> {
  for (const name of await readdir(join(from, 'pg_wal'))) {
    if (!/^[0-9A-F]{24}$/.test(name)) continue
    await run('cp', ['-p', join(from, 'pg_wal', name), join(to, 'pg_wal', name)])
  }
}

describe.skipIf(!existsSync(pgbench))('a source under load', () => {
  test.each(postgresMajors)(
    'in backup mode on Postgres %i gives clones of one moment',
    async (major) => {
      const source = await room.spec(`src-${major}`, { synchronous_commit: 'off' }, major)
      await room.computes.ensureReady(source)
      const stopLoad = await load(source)
      for (const round of major === 17 ? [1, 2] : [1]) {
        await systemClock.sleep(millis(200))
        const clone = join(room.root, 'data', `clone-${major}-${round}`)
        const before = Number(await ask(source, 'SELECT count(*) FROM pgbench_history'))
        const flushed = await lsnOf(source, 'pg_current_wal_flush_lsn()')
        const bracketed = await room.computes.bracket(source.uid, 'backup', {
          clone: () => copyInBackupMode(source.dataDirectory, clone),
          copyWal: async (fromLsn) => {
            expect(fromLsn).toBeGreaterThan(0n)
            await copyWal(source.dataDirectory, clone)
          },
        })
        const insert = await lsnOf(source, 'pg_current_wal_insert_lsn()')
        expect(bracketed.backupLabel).toMatch(/^START WAL LOCATION: /)
        await writeFile(join(clone, 'backup_label'), bracketed.backupLabel ?? '')
        await own(join(clone, 'backup_label'))

        const uid = room.uid(`clone-${major}-${round}`)
        const branch = { ...source, uid, dataDirectory: clone }
        await room.computes.ensureReady(branch)
        expect(await ask(branch, invariants)).toBe('1')
        expect(
          Number(await ask(branch, 'SELECT count(*) FROM pgbench_history')),
        ).toBeGreaterThanOrEqual(before)
        const point = await room.computes.recoveredTo(uid)
        expect(point).toBeGreaterThan(flushed)
        expect(point).toBeLessThanOrEqual(insert)
        await room.computes.stop(uid, 'immediate')
        await rm(clone, { recursive: true })
      }
      await stopLoad()
      await room.computes.stop(source.uid, 'immediate')
    },
  )

  test('keeps its WAL from the redo point of the clone on, checkpoints or not', async () => {
    const small = { max_wal_size: '8MB', min_wal_size: '8MB' }
    const source = { ...(await room.spec('src-atomic', small)), keepsWal: true }
    await room.computes.ensureReady(source)
    const stopLoad = await load(source)
    const clone = join(room.root, 'data', 'clone-atomic')
    const acknowledged = { rows: 0 }
    await room.computes.bracket(source.uid, 'atomic', {
      // Without an atomic file system, a frozen source stands for one: no process of it moves.
      clone: async () => {
        acknowledged.rows = Number(await ask(source, 'SELECT count(*) FROM pgbench_history'))
        await frozen(source, () => copyDirectory(source.dataDirectory, clone))
        await emptyWal(clone)
      },
      copyWal: async (fromLsn) => {
        expect(fromLsn).toBeUndefined()
        // WAL would be gone by now, were it not kept.
        for (let round = 0; round < 3; round++) {
          await ask(source, 'SELECT pg_switch_wal()')
          await ask(source, 'CHECKPOINT')
        }
        await copyWal(source.dataDirectory, clone)
      },
    })
    const insert = await lsnOf(source, 'pg_current_wal_insert_lsn()')
    await stopLoad()
    const branch = { ...source, uid: room.uid('clone-atomic'), dataDirectory: clone }
    await room.computes.ensureReady(branch)
    expect(await ask(branch, invariants)).toBe('1')
    expect(
      Number(await ask(branch, 'SELECT count(*) FROM pgbench_history')),
    ).toBeGreaterThanOrEqual(acknowledged.rows)
    expect(await room.computes.recoveredTo(branch.uid)).toBeLessThanOrEqual(insert)
    await room.computes.stop(branch.uid, 'immediate')
    await room.computes.stop(source.uid, 'immediate')
  })
})

/** Runs work while the postmaster and then its children are stopped by signal. */
async function frozen(spec: ComputeSpec, work: () => Promise<void>): Promise<void> {
  const state = room.computes.state(spec.uid)
  if (state.kind !== 'ready') throw new Error(`it is ${state.kind}`)
  const stopped: number[] = []
  const stop = (pid: number) => {
    process.kill(pid, 'SIGSTOP')
    stopped.push(pid)
  }
  try {
    stop(state.pid)
    const children = await run('pgrep', ['-P', String(state.pid)])
    for (const pid of children.trim().split('\n').map(Number)) stop(pid)
    await systemClock.sleep(millis(20))
    await work()
  } finally {
    for (const pid of stopped.reverse()) process.kill(pid, 'SIGCONT')
  }
}

describe('a bracket', () => {
  test('checkpoints only a source that wrote much since the last time', async () => {
    const source = await room.spec('src-redo')
    await room.computes.ensureReady(source)
    const redo = () => lsnOf(source, 'redo_lsn FROM pg_control_checkpoint()')
    const idle = { clone: async () => undefined, copyWal: async () => undefined }
    const first = await redo()
    await room.computes.bracket(source.uid, 'atomic', idle)
    expect(await redo()).toBe(first)
    await ask(source, "CREATE TABLE t AS SELECT repeat('x', 900) FROM generate_series(1, 75000)")
    await room.computes.bracket(source.uid, 'atomic', idle)
    expect(await redo()).toBeGreaterThan(first + checkpointAbove)
    await room.computes.stop(source.uid, 'immediate')
  })

  test('does not wait for a checkpoint under way', async () => {
    const source = await room.spec('src-underway')
    await room.computes.ensureReady(source)
    await ask(source, "CREATE TABLE t AS SELECT repeat('x', 900) FROM generate_series(1, 9000)")
    // A spread checkpoint: it takes minutes, unless somebody hurries it.
    let isOver = false
    const spread = ask(source, "SELECT pg_backup_start('spread', false)")
      .catch(() => undefined)
      .finally(() => {
        isOver = true
      })
    await systemClock.sleep(millis(300))
    const idle = { clone: async () => undefined, copyWal: async () => undefined }
    await room.computes.bracket(source.uid, 'atomic', idle)
    expect(isOver).toBe(false)
    await room.computes.stop(source.uid, 'immediate')
    await spread
  })

  test('that fails lets go of everything', async () => {
    const source = await room.spec('src-fail')
    await room.computes.ensureReady(source)
    for (const kind of ['atomic', 'backup'] as const) {
      const failing = room.computes.bracket(source.uid, kind, {
        clone: async () => {
          throw new Error('no space left')
        },
        copyWal: async () => undefined,
      })
      await expect(failing).rejects.toThrow('no space left')
    }
    // Backup mode would hold up nothing, but a second one proves that the first was left.
    const idle = { clone: async () => undefined, copyWal: async () => undefined }
    const { backupLabel } = await room.computes.bracket(source.uid, 'backup', idle)
    expect(backupLabel).toContain('LABEL: lakelet')
    await room.computes.stop(source.uid, 'immediate')
  })
})
