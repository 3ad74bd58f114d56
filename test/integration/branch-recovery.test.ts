/**
 * How a branch of a running source comes up: every Postgres, on a copy-on-write pool and on a plain one,
 * under write load. It recovers as a standby that is promoted at the end of its WAL, so what is asked
 * here is that it holds one whole moment, that it stays whole when it dies before its first checkpoint,
 * and that a branch of it can be taken before then.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { placeVolume } from '../../src/actions/place-volume.ts'
import { type OpenComputes, openComputes } from '../../src/compute/open-computes.ts'
import { parseControlFile } from '../../src/domain/control-file.ts'
import { layoutOf } from '../../src/domain/layout.ts'
import { parseLsn } from '../../src/domain/lsn.ts'
import type { EndpointUid } from '../../src/domain/names.ts'
import { type PostgresMajor, postgresMajors } from '../../src/domain/project.ts'
import { KeyedMutex } from '../../src/lib/keyed-mutex.ts'
import { createLog } from '../../src/lib/log.ts'
import { findServiceUser } from '../../src/lib/service-user.ts'
import { systemClock as clock } from '../../src/lib/time.ts'
import type { ComputeSpec } from '../../src/ports/compute.ts'
import type { DraftId, VolumeId } from '../../src/ports/storage.ts'
import { type OpenStorage, openStorage } from '../../src/storage/open-storage.ts'
import { scratchDirectory, unmountAll, whyNoImages } from '../fixtures/loop-image.ts'
import { pgbenchProgram, whyNoPgbench } from '../fixtures/pgbench.ts'

const invariants = `SELECT count(DISTINCT s)::text AS answer FROM (
    SELECT sum(abalance) AS s FROM pgbench_accounts UNION ALL
    SELECT sum(bbalance) FROM pgbench_branches UNION ALL
    SELECT sum(tbalance) FROM pgbench_tellers UNION ALL
    SELECT coalesce(sum(delta), 0) FROM pgbench_history) AS sums`

for (const driver of ['btrfs', 'copy'] as const) {
  const missing = whyNoPgbench ?? (driver === 'btrfs' ? whyNoImages('btrfs') : undefined)
  describe.skipIf(missing !== undefined)(`a branch of a running source, on ${driver}`, () => {
    const home = scratchDirectory()
    const layout = layoutOf(home)
    const log = createLog('test', join(home, 'test.log'))
    const volumes = new KeyedMutex()
    let storage: OpenStorage
    let computes: OpenComputes
    let load: ChildProcess | undefined

    beforeAll(async () => {
      const serviceUser = await findServiceUser()
      storage = await openStorage({ layout, serviceUser, log, clock, requested: driver })
      computes = await openComputes({ layout, serviceUser, log, clock, extensionFiles: [] })
    })
    afterAll(async () => {
      load?.kill('SIGKILL')
      await computes?.close('immediate')
      await storage?.close({ unmount: true })
      unmountAll(home)
      rmSync(home, { recursive: true, force: true })
    })

    const volume = (name: string) => `recovery/${name}` as VolumeId
    const specOf = (name: string, major: PostgresMajor): ComputeSpec => ({
      uid: `ep-${driver}-${name}` as EndpointUid,
      major,
      dataDirectory: storage.dataDirectory(volume(name)),
      // Fewer than the source has, which a standby that serves readers would refuse.
      settings: name.startsWith('source') ? {} : { max_connections: '20' },
    })
    const ask = async (spec: ComputeSpec, sql: string): Promise<string> => {
      const host = computes.socketDirectory(spec.uid)
      const client = new pg.Client({ host, user: 'cloud_admin', database: 'postgres' })
      await client.connect()
      try {
        return String((await client.query(sql)).rows[0].answer)
      } finally {
        await client.end()
      }
    }
    const count = async (spec: ComputeSpec) =>
      Number(await ask(spec, 'SELECT count(*)::text AS answer FROM pgbench_history'))
    const branchFrom = async (source: ComputeSpec, from: string, name: string) => {
      const branch = specOf(name, source.major)
      await placeVolume(
        { storage, computes, volumes, clock },
        { volume: () => Promise.resolve(volume(from)), lock: from, compute: source.uid },
        volume(name),
        name as DraftId,
      )
      await computes.ensureReady(branch)
      return branch
    }

    test.each(postgresMajors)('is one whole moment of Postgres %i', async (major) => {
      const source = specOf(`source-${major}`, major)
      const init = `init-${major}` as DraftId
      await computes.initialize(major, await storage.createDraft(init))
      await storage.linkWal(init, volume(`source-${major}`))
      await storage.publish(init, volume(`source-${major}`))
      await computes.ensureReady(source)
      const to = ['-h', computes.socketDirectory(source.uid), '-U', 'cloud_admin']
      execFileSync(pgbenchProgram, [...to, '-i', '-q', '-s', '1', 'postgres'], { stdio: 'ignore' })
      load = spawn(pgbenchProgram, [...to, '-n', '-c', '2', '-T', '60', 'postgres'])
      await delay(500)

      const before = await count(source)
      const flushed = await ask(source, 'SELECT pg_current_wal_flush_lsn()::text AS answer')
      const branch = await branchFrom(source, `source-${major}`, `branch-${major}`)
      const inserted = await ask(source, 'SELECT pg_current_wal_insert_lsn()::text AS answer')
      expect(load.exitCode).toBe(null)
      load.kill('SIGINT')

      expect(await ask(branch, invariants)).toBe('1')
      const rows = await count(branch)
      expect(rows).toBeGreaterThanOrEqual(before)
      const point = await computes.recoveredTo(branch.uid)
      expect(point).toBeGreaterThanOrEqual(parseLsn(flushed) ?? 0n)
      expect(point).toBeLessThanOrEqual(parseLsn(inserted) ?? 0n)
      expect(await ask(branch, 'SELECT pg_is_in_recovery()::text AS answer')).toBe('false')
      for (const name of ['standby.signal', 'promote', 'backup_label']) {
        expect(existsSync(join(branch.dataDirectory, name)), name).toBe(false)
      }
      const said = readFileSync(join(layout.log, `${branch.uid}.log`), 'utf8')
      expect(said).toContain('was shut down in recovery') // so no fsync of every file
      expect(said).toContain('received promote request') // so no checkpoint at its end
      // What promotes it must not leave it read-only, nor let it wait for anybody.
      await ask(branch, `CREATE TABLE mine AS SELECT '1' AS answer`).catch(() => undefined)
      expect(await ask(branch, 'SELECT answer FROM mine')).toBe('1')

      // A branch of the branch, which has most likely not finished its first checkpoint.
      const second = await branchFrom(branch, `branch-${major}`, `second-${major}`)
      expect(await ask(second, invariants)).toBe('1')
      expect(await count(second)).toBe(rows)
      expect(await ask(second, 'SELECT answer FROM mine')).toBe('1')
      expect(await computes.recoveredTo(second.uid)).toBeGreaterThan(point)

      // Dies without a shutdown: recovery goes over the promotion, and Postgres fsyncs what it must.
      await computes.stop(branch.uid, 'immediate')
      const control = readFileSync(join(branch.dataDirectory, 'global/pg_control'))
      expect(parseControlFile(control).state).toBe('in production')
      await computes.ensureReady(branch)
      expect(await ask(branch, invariants)).toBe('1')
      expect(await count(branch)).toBe(rows)
      expect(await ask(branch, 'SELECT answer FROM mine')).toBe('1')

      for (const { uid } of [source, branch, second]) await computes.stop(uid, 'immediate')
    })
  })
}
