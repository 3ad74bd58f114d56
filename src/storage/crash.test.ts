/**
 * A process dies at each failpoint; the next start finds the finished step or no trace of it, and the
 * same step, run again, ends well.
 */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileProduct, type Ended, runModule } from '../../test/fixtures/compiled.ts'
import { initCluster, runSingleUser } from '../../test/fixtures/embedded-cluster.ts'
import { scratchDirectory, unmountAll, whyNoImages } from '../../test/fixtures/loop-image.ts'
import { type Layout, layoutOf } from '../domain/layout.ts'
import { createLog } from '../lib/log.ts'
import { findServiceUser, type ServiceUser } from '../lib/service-user.ts'
import { systemClock } from '../lib/time.ts'
import type { DraftId, DriverName, VolumeId } from '../ports/storage.ts'
import { type OpenStorage, openStorage } from './open-storage.ts'

const log = createLog('test')
log.level = 'error'
const source = 'project/source' as VolumeId
const child = 'project/child' as VolumeId
const operation = 'operation' as DraftId

/** What the server does, in a process that may die: open, recover, then one step. */
const program = `
import { layoutOf } from './domain/layout.js'
import { createLog } from './lib/log.js'
import { findServiceUser } from './lib/service-user.js'
import { systemClock } from './lib/time.js'
import { openStorage } from './storage/open-storage.js'
const { ROOT, STEP, DRIVER } = process.env
const log = createLog('crash')
log.level = 'error'
const storage = await openStorage({
  layout: layoutOf(ROOT), serviceUser: await findServiceUser(), log, clock: systemClock,
  requested: DRIVER, poolBytes: DRIVER === 'btrfs' ? 400 * 2 ** 20 : undefined,
})
if (STEP === 'branch' && !(await storage.hasVolume('project/child'))) {
  await storage.cloneToDraft('project/source', 'operation', { kind: 'whole' })
  await storage.linkWal('operation', 'project/child')
  await storage.copyWal('project/source', 'operation', 'project/child')
  await storage.prepareRecovery('operation')
  await storage.publish('operation', 'project/child')
}
if (STEP === 'set-aside') await storage.setAside('project/child', systemClock.now())
if (STEP === 'put-back') await storage.putBack('project/child')
if (STEP === 'delete') await storage.deleteVolume('project/child')
await storage.settle()
console.log('finished')
`

let compiled: string
let owner: ServiceUser | undefined

beforeAll(async () => {
  compiled = compileProduct()
  owner = await findServiceUser()
})
afterAll(() => rmSync(compiled, { recursive: true, force: true }))

const step = (root: string, driver: DriverName, name: string, failpoints = ''): Promise<Ended> =>
  runModule(compiled, program, {
    ROOT: root,
    DRIVER: driver,
    STEP: name,
    LAKELET_FAILPOINTS: failpoints,
  })

const noBtrfs = whyNoImages('btrfs')

for (const driver of ['btrfs', 'copy'] as const) {
  const missing = driver === 'btrfs' ? noBtrfs : undefined
  if (missing !== undefined) console.warn(`SKIPPED: crashes on ${driver}: ${missing}`)

  describe.skipIf(missing !== undefined)(`a crash on ${driver}`, () => {
    let root: string
    let layout: Layout
    let storage: OpenStorage

    const reopen = async (): Promise<void> => {
      storage = await openStorage({ layout, serviceUser: owner, log, clock: systemClock })
      await storage.recover()
      await storage.settle()
    }
    const traces = (): readonly string[] =>
      [layout.pool, layout.wal].flatMap((top) =>
        readdirSync(top, { withFileTypes: true })
          .filter((entry) => entry.isDirectory())
          .flatMap((group) => readdirSync(join(top, group.name)))
          .filter((name) => name !== 'source'),
      )

    beforeAll(async () => {
      root = scratchDirectory()
      layout = layoutOf(root)
      expect(await step(root, driver, 'open')).toMatchObject({ code: 0 })
      await reopen()
      initCluster(17, await storage.createDraft(operation), { owner })
      await storage.linkWal(operation, source)
      await storage.publish(operation, source)
    })
    afterAll(async () => {
      await storage?.close({ unmount: true })
      rmSync(root, { recursive: true, force: true })
    })

    // Where drivers do not differ, the quick one is asked alone.
    test.each([
      'storage.clone:after',
      'storage.publish:before-rename',
      'storage.publish:after-rename',
      ...(driver === 'copy'
        ? []
        : [
            'storage.clone:before',
            'storage.link-wal:after',
            'storage.copy-wal:after',
            'storage.prepare-recovery:after',
            'storage.publish:after',
          ]),
    ])('at %s leaves the whole branch or no trace of it', async (failpoint) => {
      expect(await step(root, driver, 'branch', `${failpoint}=kill`)).toMatchObject({
        signal: 'SIGKILL',
      })
      await reopen()
      const isThere = await storage.hasVolume(child)
      expect(isThere).toBe(failpoint.startsWith('storage.publish:after'))
      if (!isThere) expect(traces()).toEqual([])
      expect(await step(root, driver, 'branch')).toMatchObject({ code: 0, output: 'finished\n' })
      const said = runSingleUser(17, storage.dataDirectory(child), ['select 1'], owner)
      expect(said).not.toMatch(/PANIC|ERROR|FATAL/)
      await storage.deleteVolume(child)
      await storage.settle()
      expect(traces()).toEqual([])
    })

    test.each([
      ['set-aside', 'storage.set-aside:before'],
      ['set-aside', 'storage.set-aside:between'],
      ['set-aside', 'storage.set-aside:after'],
      ['put-back', 'storage.put-back:between'],
    ])('of what is %s at %s keeps all of it', async (name, failpoint) => {
      expect(await step(root, driver, 'branch')).toMatchObject({ code: 0 })
      if (name === 'put-back') {
        expect(await step(root, driver, 'set-aside')).toMatchObject({ code: 0 })
      }
      expect(await step(root, driver, name, `${failpoint}=kill`)).toMatchObject({
        signal: 'SIGKILL',
      })
      await reopen()
      expect(await step(root, driver, 'set-aside')).toMatchObject({ code: 0 })
      expect(await storage.hasVolume(child)).toBe(false)
      expect(await step(root, driver, 'put-back')).toMatchObject({ code: 0 })
      const said = runSingleUser(17, storage.dataDirectory(child), ['select 1'], owner)
      expect(said).not.toMatch(/PANIC|ERROR|FATAL/)
      await storage.deleteVolume(child)
      await storage.settle()
      expect(traces()).toEqual([])
    })

    test.each([
      'storage.delete:between',
      ...(driver === 'copy'
        ? []
        : ['storage.delete:before', 'storage.delete:after', 'storage.remove:before']),
    ])('at %s is made good by deleting again', async (failpoint) => {
      expect(await step(root, driver, 'branch')).toMatchObject({ code: 0 })
      expect(await step(root, driver, 'delete', `${failpoint}=kill`)).toMatchObject({
        signal: 'SIGKILL',
      })
      await reopen()
      expect(await storage.hasVolume(child)).toBe(failpoint === 'storage.delete:before')
      await storage.deleteVolume(child)
      await storage.settle()
      expect(traces()).toEqual([])
    })
  })

  describe.skipIf(missing !== undefined)(`a crash in the first start on ${driver}`, () => {
    const failpoints = ['storage.open:before-marker', 'storage.open:after-marker']
    test.each(driver === 'btrfs' ? ['storage.open:after-image', ...failpoints] : failpoints)(
      'at %s is completed by the next one',
      async (failpoint) => {
        const root = scratchDirectory()
        const layout = layoutOf(root)
        try {
          expect(await step(root, driver, 'open', `${failpoint}=kill`)).toMatchObject({
            signal: 'SIGKILL',
          })
          expect(existsSync(layout.storageFile)).toBe(false)
          expect(await step(root, driver, 'open')).toMatchObject({ code: 0, output: 'finished\n' })
          const storage = await openStorage({
            layout,
            serviceUser: owner,
            log,
            clock: systemClock,
          })
          const status = await storage.status()
          expect(status.driver).toBe(driver)
          expect(status.image?.bytes).toBe(driver === 'btrfs' ? 400 * 2 ** 20 : undefined)
          await storage.close({ unmount: true })
        } finally {
          if (driver === 'btrfs') unmountAll(layout.pool)
          rmSync(root, { recursive: true, force: true })
        }
      },
    )
  })
}
