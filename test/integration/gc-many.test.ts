/** A thousand left-overs in one sweep: rows of a real catalog, a real repository; no computes. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Services } from '../../src/actions/services.ts'
import type { Branch } from '../../src/domain/branch.ts'
import type {
  BindingUid,
  BranchId,
  BranchUid,
  IdentityUid,
  ProjectId,
  ProjectUid,
  VolumeUid,
} from '../../src/domain/names.ts'
import { projectDefaults } from '../../src/domain/project.ts'
import { createLog } from '../../src/lib/log.ts'
import { type EpochMs, epochMs, hours, millis, systemClock } from '../../src/lib/time.ts'
import { leftOverCollector } from '../../src/reconcile/collect-left-overs.ts'
import { boundTo } from '../../src/worktree/bound-to.ts'
import { findWorktree } from '../../src/worktree/git-worktree.ts'
import { findLeftOvers } from '../../src/worktree/left-overs.ts'
import { makeRepository, type Repository } from '../fixtures/git-repository.ts'
import { startTestCatalog, type TestCatalog } from '../fixtures/test-catalog.ts'

const count = 1000
const project = 'p-many' as ProjectUid
const now = systemClock.now()

let database: TestCatalog
let repository: Repository
beforeAll(async () => {
  database = await startTestCatalog()
  repository = makeRepository({ stateDir: '/nonexistent' })
}, 60_000)
afterAll(async () => {
  rmSync(repository.home, { recursive: true, force: true })
  await database.dispose()
})

const branch = (id: string, source: string | undefined): Branch => ({
  uid: `br-${id}` as BranchUid,
  projectUid: project,
  branchId: id as BranchId,
  volumeUid: `br-${id}` as VolumeUid,
  begin: undefined,
  state: 'READY',
  pendingState: undefined,
  stateChangeTime: now,
  isProtected: false,
  isImported: false,
  isRestored: false,
  durability: 'durable',
  slidingTtl: undefined,
  isHeldBySessions: false,
  logicalSizeBytes: 0,
  expireTime: undefined,
  sourceBranchUid: source as BranchUid | undefined,
  sourceBranchId: undefined,
  sourceSnapshotUid: undefined,
  sourceSnapshotId: undefined,
  sourceLsn: undefined,
  sourcePoint: undefined,
  windowStart: undefined,
  historyBytes: 0,
  sourceTime: undefined,
  createdBy: 'i-ann' as IdentityUid,
  createTime: now,
  updateTime: now,
  deleteTime: undefined,
  purgeTime: undefined,
})

test('a thousand of them are collected in one sweep, within 30 seconds', async () => {
  const catalog = await database.open()
  await catalog.projects.insert({
    uid: project,
    projectId: 'many' as ProjectId,
    displayName: 'many',
    pgVersion: 17,
    ownerUid: 'i-ann' as IdentityUid,
    historyRetention: hours(1),
    defaultBranchUid: undefined,
    endpointDefaults: projectDefaults.endpoint,
    enablePgNativeLogin: false,
    customTags: [],
    budgetPolicyId: undefined,
    createTime: now,
    updateTime: now,
    deleteTime: undefined,
    purgeTime: undefined,
  })
  const worktree = await findWorktree(repository.path)
  const to = await boundTo(worktree, { env: {}, agent: undefined })
  const like = {
    host: to.host,
    commonDir: to.common_dir,
    device: to.device,
    rootDevice: to.root_device,
    isOwn: true,
    boundBy: 'i-ann' as IdentityUid,
    createTime: now,
    updateTime: now,
    gone: undefined,
  }
  await catalog.transaction(async (session) => {
    await session.branches.insert(branch('root', undefined))
    for (let n = 0; n <= count; n += 1) {
      const id = `b-${n}`
      await session.branches.insert(branch(id, 'br-root'))
      // Half of them have lost their worktree, half their git branch; the last one nothing.
      const own = n % 2 === 0 && n < count
      await session.bindings.save({
        ...like,
        uid: `binding-${n}` as BindingUid,
        branchUid: `br-${id}` as BranchUid,
        gitDir: own ? join(to.common_dir, 'worktrees', id) : to.git_dir,
        root: own ? join(repository.home, id) : to.root,
        gitRef: n === count ? 'refs/heads/main' : `refs/heads/${id}`,
      })
    }
  })
  const log = createLog('test')
  log.level = 'error'
  let at: EpochMs = now
  const clock = { ...systemClock, now: () => at }
  const services = { catalog, clock, log, policy: { collectGrace: hours(1) } } as Services
  const sweep = leftOverCollector(services, { host: to.host, look: findLeftOvers })
  expect(await sweep()).toBe(epochMs(now + hours(1)))
  const live = async () =>
    (await catalog.branches.all(project)).filter(({ deleteTime }) => deleteTime === undefined)
  expect(await live()).toHaveLength(count + 2)
  at = epochMs(now + hours(1))
  const began = systemClock.monotonic()
  await sweep()
  const taken = millis(systemClock.monotonic() - began)
  expect((await live()).map(({ branchId }) => branchId).sort()).toEqual([`b-${count}`, 'root'])
  expect(taken).toBeLessThan(30_000)
  console.info(`${count} left-overs in ${Math.round(taken)} ms`)
  const [{ n }] = await database.sql(
    `select count(*)::int as n from operations where kind = 'delete-branch' and state = 'pending'`,
  )
  expect(n).toBe(count)
}, 120_000)
