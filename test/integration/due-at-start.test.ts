/** What fell due while the server was down: met before anybody is let in and before anything is taken on. */

import pg from 'pg'
import { afterEach, describe, expect, test } from 'vitest'
import type { Services } from '../../src/actions/services.ts'
import type { Branch } from '../../src/domain/branch.ts'
import type {
  BranchId,
  BranchUid,
  EndpointId,
  EndpointUid,
  IdentityUid,
  ProjectId,
  ProjectUid,
  VolumeUid,
} from '../../src/domain/names.ts'
import { type Project, projectDefaults } from '../../src/domain/project.ts'
import { createLog } from '../../src/lib/log.ts'
import { type EpochMs, epochMs, hours, minutes, systemClock } from '../../src/lib/time.ts'
import { meetDeadlines, meetDueFirst } from '../../src/reconcile/deadlines.ts'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { eventually, TestServer } from '../fixtures/server.ts'
import { startTestCatalog } from '../fixtures/test-catalog.ts'

const store = 'projects/store'

describe('a server that was down over the end of branches', () => {
  let server: TestServer
  afterEach(async () => {
    await server?.dispose()
  })

  test('hands none of them out again, not even for a moment', async () => {
    server = await TestServer.start({ storage: 'copy' })
    const names = ['one', 'two', 'three']
    for (const id of names) {
      await server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '3600s' } })
    }
    const logins = await Promise.all(
      names.map(async (id) => {
        const { body } = await server.api(
          'GET',
          `/api/2.0/postgres/${store}/branches/${id}/endpoints/primary`,
        )
        return {
          host: body.status.hosts.host,
          password: await server.credential(`${store}/branches/${id}`),
        }
      }),
    )
    const { body: me } = await server.api('GET', '/api/2.0/preview/scim/v2/Me')
    for (const id of names) {
      await server.write('PATCH', `${store}/branches/${id}?update_mask=spec.expire_time`, {
        spec: { expire_time: new Date(Date.now() + 4000).toISOString() },
      })
    }
    await server.kill() // computes run on
    const end = Date.now() + 4500
    await eventually('their end has come', () => Date.now() > end)

    const outcomes: unknown[] = []
    let isOver = false
    const hammer = logins.map(async ({ host, password }) => {
      while (!isOver) {
        const ssl = { ca: server.ca }
        const client = new pg.Client({
          host,
          port: server.pgPort,
          user: me.userName,
          password,
          database: 'databricks_postgres',
          ssl,
        })
        client.on('error', () => undefined)
        try {
          await client.connect()
          outcomes.push('let in')
          await client.end()
        } catch (error) {
          outcomes.push((error as { code?: string }).code)
        }
      }
    })
    // Slow work: were branches ended by it, they would be there for as long.
    await server.launch({ LAKELET_FAILPOINTS: 'delete-branch.close:before=sleep:1000' })
    for (const id of names) {
      expect((await server.api('GET', `/api/2.0/postgres/${store}/branches/${id}`)).status).toBe(
        404,
      )
    }
    isOver = true
    await Promise.all(hammer)
    expect(outcomes.length).toBeGreaterThan(0)
    expect(outcomes).not.toContain('let in')
    const said = server.log
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line).msg as string)
    const met = said.lastIndexOf('met what fell due while the server was down')
    expect(met).toBeGreaterThan(said.lastIndexOf('branch has expired'))
    expect(met).toBeLessThan(said.lastIndexOf('server is ready'))
    await nothingHalfMade(server)
  })
})

const projectOf = (uid: string, time: EpochMs): Project => ({
  uid: uid as ProjectUid,
  projectId: uid as ProjectId,
  displayName: uid,
  pgVersion: 17,
  ownerUid: 'i-ann' as IdentityUid,
  historyRetention: hours(1),
  defaultBranchUid: undefined,
  endpointDefaults: projectDefaults.endpoint,
  enablePgNativeLogin: false,
  customTags: [],
  budgetPolicyId: undefined,
  createTime: time,
  updateTime: time,
  deleteTime: undefined,
  purgeTime: undefined,
})
const past = epochMs(systemClock.now() - hours(1))
const branchOf = (project: string, n: number, expireTime: Branch['expireTime']): Branch => ({
  uid: `br-${n}` as BranchUid,
  projectUid: project as ProjectUid,
  branchId: `b-${n}` as BranchId,
  volumeUid: `br-${n}` as VolumeUid,
  begin: undefined,
  state: 'READY',
  pendingState: undefined,
  stateChangeTime: past,
  isProtected: false,
  isImported: false,
  isRestored: false,
  durability: 'durable',
  slidingTtl: undefined,
  isHeldBySessions: false,
  logicalSizeBytes: 0,
  expireTime,
  sourceBranchUid: undefined,
  sourceBranchId: undefined,
  sourceSnapshotUid: undefined,
  sourceSnapshotId: undefined,
  sourceLsn: undefined,
  sourcePoint: undefined,
  windowStart: undefined,
  historyBytes: 0,
  sourceTime: undefined,
  createdBy: 'i-ann' as IdentityUid,
  createTime: past,
  updateTime: past,
  deleteTime: undefined,
  purgeTime: undefined,
})

test('however many they are, all are met before it goes on', async () => {
  const database = await startTestCatalog()
  try {
    const catalog = await database.open()
    const now = epochMs(systemClock.now())
    const projectUid = 'p-many' as ProjectUid
    await catalog.projects.insert(projectOf(projectUid, past))
    const branch = (n: number, expireTime: Branch['expireTime']) =>
      branchOf(projectUid, n, expireTime)
    await catalog.transaction(async (session) => {
      for (let n = 0; n < 450; n += 1) await session.branches.insert(branch(n, past))
      await session.branches.insert(branch(450, epochMs(now + hours(1))))
      await session.branches.insert(branch(451, undefined))
    })
    const log = createLog('test')
    log.level = 'error'
    // All that it works with: rows and a clock.
    await meetDueFirst({ catalog, clock: systemClock, log } as unknown as Services)
    const rows = await catalog.branches.all(projectUid)
    const left = rows.filter(({ deleteTime }) => deleteTime === undefined)
    expect(left.map(({ branchId }) => branchId).sort()).toEqual(['b-450', 'b-451'])
    const [first, last] = [await catalog.work.isBusy('br-0'), await catalog.work.isBusy('br-449')]
    expect([first, last]).toEqual([true, true])
  } finally {
    await database.dispose()
  }
})

test('a compute that does not answer holds its branch for three minutes, not for ever', async () => {
  const database = await startTestCatalog()
  try {
    const catalog = await database.open()
    const now = epochMs(systemClock.now())
    await catalog.projects.insert(projectOf('p-hung', now))
    const held = { ...branchOf('p-hung', 1, epochMs(now - 1)), isHeldBySessions: true }
    await catalog.transaction(async (session) => {
      await session.branches.insert(held)
      await session.endpoints.insert({
        uid: 'ep-hung' as EndpointUid,
        branchUid: held.uid,
        endpointId: 'primary' as EndpointId,
        type: 'ENDPOINT_TYPE_READ_WRITE',
        life: 'READY',
        ...projectDefaults.endpoint,
        isDisabled: false,
        address: '127.88.0.9',
        lastActiveTime: undefined,
        suspendTime: undefined,
        createTime: now,
        updateTime: now,
      })
    })
    const log = createLog('test')
    log.level = 'silent'
    let at = now
    const computes = {
      state: () => ({ kind: 'ready', since: now }),
      activity: () => Promise.reject(new Error('it hangs')),
    }
    const clock = { ...systemClock, now: () => at }
    const policy = { maxBranchTtl: hours(1) }
    const services = { catalog, clock, log, computes, policy } as unknown as Services
    const isLive = async () => (await catalog.branches.byUid(held.uid))?.deleteTime === undefined
    await meetDeadlines(services)
    expect(await isLive()).toBe(true)
    at = epochMs(now + minutes(3))
    await meetDeadlines(services)
    expect(await isLive()).toBe(false)
  } finally {
    await database.dispose()
  }
})
