/** The catalog on a real Postgres: rows and rules, and what happens to its one lock. */
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { CatalogHeld, takeServerLock } from '../../src/catalog/server-lock.ts'
import type { Branch } from '../../src/domain/branch.ts'
import type { Endpoint } from '../../src/domain/endpoint.ts'
import { Fault } from '../../src/domain/faults.ts'
import type { Identity } from '../../src/domain/identity.ts'
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
import { epochMs, hours, systemClock } from '../../src/lib/time.ts'
import type { Catalog, CatalogEvent } from '../../src/ports/catalog.ts'
import { startTestCatalog, type TestCatalog } from '../fixtures/test-catalog.ts'

let database: TestCatalog
let catalog: Catalog
const now = epochMs(Date.UTC(2026, 0, 1))
const inHours = (n: number) => epochMs(now + hours(n))

beforeAll(async () => {
  database = await startTestCatalog()
  catalog = await database.open()
})
beforeEach(async () => {
  await database.sql('truncate projects, identities, branches, endpoints, operations cascade')
})
afterAll(async () => {
  await database?.dispose()
})

const identity = (name: string, more: Partial<Identity> = {}): Identity => ({
  uid: `i-${name}` as IdentityUid,
  kind: 'USER',
  loginName: `${name}@example.com`,
  displayName: name,
  isAdmin: false,
  isActive: true,
  createTime: now,
  ...more,
})
const project = (id: string, more: Partial<Project> = {}): Project => ({
  uid: `p-${id}` as ProjectUid,
  projectId: id as ProjectId,
  displayName: id,
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
  ...more,
})
const branch = (id: string, more: Partial<Branch> = {}): Branch => ({
  uid: `br-${id}` as BranchUid,
  projectUid: 'p-store' as ProjectUid,
  volumeUid: (more.uid ?? `br-${id}`) as string as VolumeUid,
  begin: undefined,
  branchId: id as BranchId,
  state: 'READY',
  pendingState: undefined,
  stateChangeTime: now,
  isProtected: false,
  durability: 'durable',
  slidingTtl: undefined,
  isHeldBySessions: false,
  logicalSizeBytes: 0,
  expireTime: undefined,
  sourceBranchUid: undefined,
  sourceBranchId: undefined,
  sourceSnapshotUid: undefined,
  sourceSnapshotId: undefined,
  isImported: false,
  sourceLsn: undefined,
  sourceTime: undefined,
  sourcePoint: undefined,
  isRestored: false,
  windowStart: undefined,
  historyBytes: 0,
  createdBy: 'i-ann' as IdentityUid,
  createTime: now,
  updateTime: now,
  deleteTime: undefined,
  purgeTime: undefined,
  ...more,
})
const endpoint = (id: string, more: Partial<Endpoint> = {}): Endpoint => ({
  uid: `ep-${id}` as EndpointUid,
  branchUid: `br-${id}` as BranchUid,
  endpointId: 'primary' as EndpointId,
  type: 'ENDPOINT_TYPE_READ_WRITE',
  ...projectDefaults.endpoint,
  life: 'READY',
  isDisabled: false,
  address: '127.88.0.2',
  lastActiveTime: undefined,
  suspendTime: undefined,
  createTime: now,
  updateTime: now,
  ...more,
})

const reasonOf = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'no fault',
    (error: unknown) => (error instanceof Fault ? error.reason : error),
  )

describe('what is taken', () => {
  test('is refused with its reason, and of two at once exactly one wins', async () => {
    const create = (uid: string) => {
      const made = project('store', { uid: uid as ProjectUid })
      return reasonOf(catalog.transaction((session) => session.projects.insert(made)))
    }
    const outcomes = await Promise.all(['p-1', 'p-2', 'p-3'].map(create))
    expect(outcomes.sort()).toEqual(['PROJECT_EXISTS', 'PROJECT_EXISTS', 'no fault'])

    await catalog.projects.insert(project('other'))
    const projectUid = 'p-other' as ProjectUid
    const other = { uid: 'br-2' as BranchUid, projectUid }
    await catalog.branches.insert(branch('main', { projectUid }))
    expect(
      await reasonOf(catalog.transaction((s) => s.branches.insert(branch('main', other)))),
    ).toBe('BRANCH_EXISTS')
    await catalog.endpoints.insert(endpoint('main'))
    const same = { uid: 'ep-2' as EndpointUid, address: '127.88.0.3' }
    expect(
      await reasonOf(catalog.transaction((s) => s.endpoints.insert(endpoint('main', same)))),
    ).toMatch(/ENDPOINT_EXISTS$/)
    await catalog.identities.insert(identity('ann'))
    const twin = { uid: 'i-2' as IdentityUid }
    expect(
      await reasonOf(catalog.transaction((s) => s.identities.insert(identity('ann', twin)))),
    ).toBe('IDENTITY_EXISTS')
  })

  test('is free again for a branch the moment that it is deleted', async () => {
    await catalog.projects.insert(project('store'))
    await catalog.branches.insert(branch('try', { deleteTime: now, purgeTime: inHours(1) }))
    await catalog.branches.insert(branch('try', { uid: 'br-2' as BranchUid }))
    const id = 'try' as BranchId
    const of = 'p-store' as ProjectUid
    expect((await catalog.branches.byId(of, id))?.uid).toBe('br-2')
    expect((await catalog.branches.lastDeleted(of, id))?.uid).toBe('br-try')
  })

  test('is free again for an endpoint the moment that it is deleted; its row stays for its files', async () => {
    await catalog.projects.insert(project('store'))
    await catalog.branches.insert(branch('main'))
    const reader = (uid: string, address: string) =>
      endpoint('main', {
        uid: uid as EndpointUid,
        endpointId: 'reader' as EndpointId,
        type: 'ENDPOINT_TYPE_READ_ONLY',
        address,
      })
    const of = 'br-main' as BranchUid
    await catalog.endpoints.insert(endpoint('main'))
    await catalog.endpoints.insert(reader('ep-1', '127.88.0.3'))
    const twin = catalog.transaction((s) => s.endpoints.insert(reader('ep-2', '127.88.0.4')))
    expect(await reasonOf(twin)).toBe('ENDPOINT_EXISTS')
    await catalog.endpoints.update('ep-1' as EndpointUid, { life: 'DELETED' })
    await catalog.endpoints.insert(reader('ep-2', '127.88.0.4'))
    expect((await catalog.endpoints.byId(of, 'reader' as EndpointId))?.uid).toBe('ep-2')
    const uids = (rows: readonly Endpoint[]) => rows.map(({ uid }) => uid)
    const page = { after: undefined, limit: 10 }
    expect(uids(await catalog.endpoints.list(of, page))).toEqual(['ep-main', 'ep-2'])
    expect(uids(await catalog.endpoints.ofBranch(of))).toContain('ep-1')
    const readers = await catalog.endpoints.everyReader()
    expect(readers.map(({ uid }) => uid).sort()).toEqual(['ep-1', 'ep-2'])
    expect(await catalog.endpoints.contextsOf('p-store' as ProjectUid)).toHaveLength(3)
    expect(await catalog.endpoints.contextsOf('p-other' as ProjectUid)).toEqual([])
  })

  test('leaves nothing of a transaction that failed', async () => {
    await catalog.projects.insert(project('store'))
    await reasonOf(
      catalog.transaction(async (session) => {
        await session.branches.insert(branch('main'))
        await session.projects.insert(project('store'))
      }),
    )
    expect(await catalog.branches.countLive('p-store' as ProjectUid)).toBe(0)
  })
})

describe('lists', () => {
  test('come in pages that miss nothing and repeat nothing', async () => {
    await catalog.projects.insert(project('store'))
    for (const id of ['a', 'b', 'c', 'd', 'e']) await catalog.branches.insert(branch(id))
    // Deleted ones may share an id; the cursor holds the uid too.
    const gone = { deleteTime: now, purgeTime: now }
    await catalog.branches.insert(branch('c', { ...gone, uid: 'br-c2' as BranchUid }))
    await catalog.branches.insert(branch('c', { ...gone, uid: 'br-c3' as BranchUid }))
    for (const [showDeleted, wanted] of [
      [false, ['br-a', 'br-b', 'br-c', 'br-d', 'br-e']],
      [true, ['br-a', 'br-b', 'br-c', 'br-c2', 'br-c3', 'br-d', 'br-e']],
    ] as const) {
      const seen: string[] = []
      let cursor: string | undefined
      for (let pages = 0; pages < 10; pages += 1) {
        const rows = await catalog.branches.list('p-store' as ProjectUid, {
          after: cursor,
          limit: 2,
          showDeleted,
        })
        seen.push(...rows.map(({ uid }) => uid))
        const last = rows.at(-1)
        if (last === undefined) break
        cursor = `${last.branchId}/${last.uid}`
      }
      expect(seen).toEqual(wanted)
    }
  })

  test('of projects show what the identity may see', async () => {
    await catalog.identities.insert(identity('ann'))
    await catalog.identities.insert(identity('ben'))
    for (const id of ['one', 'two', 'three']) await catalog.projects.insert(project(id))
    await catalog.projects.update('p-three' as ProjectUid, {
      deleteTime: now,
      purgeTime: inHours(1),
    })
    await catalog.permissions.set('p-two' as ProjectUid, 'i-ben' as IdentityUid, 'CAN_USE')
    const list = async (visibleTo: string | undefined, showDeleted = false) =>
      (
        await catalog.projects.list({
          after: undefined,
          limit: 10,
          visibleTo: visibleTo as IdentityUid | undefined,
          showDeleted,
        })
      ).map(({ projectId }) => projectId)
    expect(await list(undefined)).toEqual(['one', 'two'])
    expect(await list(undefined, true)).toEqual(['one', 'three', 'two'])
    expect(await list('i-ben')).toEqual(['two'])
    expect(await list('i-ann')).toEqual([])
  })
})

describe('permissions', () => {
  test('are replaced level by level, and go with their identity', async () => {
    const [store, ann, ben] = [
      'p-store' as ProjectUid,
      'i-ann' as IdentityUid,
      'i-ben' as IdentityUid,
    ]
    await catalog.projects.insert(project('store'))
    await catalog.identities.insert(identity('ann'))
    await catalog.identities.insert(identity('ben'))
    await catalog.permissions.set(store, ann, 'CAN_USE')
    await catalog.permissions.set(store, ann, 'CAN_MANAGE')
    await catalog.permissions.set(store, ben, 'CAN_BRANCH')
    expect(await catalog.permissions.levelOf(store, ann)).toBe('CAN_MANAGE')
    await catalog.identities.remove(ben)
    expect(await catalog.permissions.list(store)).toMatchObject([
      { principal: { uid: ann }, level: 'CAN_MANAGE' },
    ])
    await catalog.permissions.removeAll(store)
    expect(await catalog.permissions.levelOf(store, ann)).toBeUndefined()
  })
})

describe('addresses', () => {
  test('are never given twice, not even after the numbers went round', async () => {
    await catalog.projects.insert(project('store'))
    await catalog.branches.insert(branch('a'))
    await catalog.branches.insert(branch('b'))
    const first = await catalog.endpoints.nextAddress()
    await catalog.endpoints.insert(endpoint('a', { address: first }))
    await database.sql("select setval('endpoint_addresses', 65023)")
    const second = await catalog.endpoints.nextAddress()
    expect(second).not.toBe(first)
    expect(second).toMatch(/^127\.88\.\d{1,3}\.\d{1,3}$/)
    const many = await Promise.all(
      Array.from({ length: 20 }, () => catalog.endpoints.nextAddress()),
    )
    expect(new Set(many).size).toBe(20)
  })
})

describe('the next deadline', () => {
  test('is that of something which can be met', async () => {
    const due = inHours(1)
    await catalog.projects.insert(project('store'))
    await catalog.branches.insert(branch('a', { expireTime: inHours(5) }))
    await catalog.branches.insert(branch('b', { deleteTime: now, purgeTime: due }))
    expect(await catalog.branches.nextDue()).toBe(due)
    // A deleted project is purged as a whole: its deleted branches have no deadline of their own.
    const purgeTime = inHours(9)
    await catalog.projects.update('p-store' as ProjectUid, { deleteTime: now, purgeTime })
    expect((await catalog.branches.duePurge(inHours(2))).length).toBe(0)
    expect(await catalog.branches.nextDue()).toBe(inHours(5))
  })
})

describe("the server's lock", () => {
  const endOthers = (where = 'true') =>
    database.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = 'lakelet' and application_name <> 'test' and ${where}`,
    )
  async function until(what: string, check: () => Promise<boolean> | boolean): Promise<void> {
    for (let looks = 0; looks < 200; looks += 1) {
      if (await check()) return
      await delay(50)
    }
    throw new Error(`did not happen: ${what}`)
  }
  const holders = async (): Promise<number> =>
    (
      await database.sql(
        "select 1 from pg_locks where locktype = 'advisory' and objsubid = 1 and granted",
      )
    ).length

  test('is held once, and free when its catalog was closed', async () => {
    await expect(database.open()).rejects.toThrow(CatalogHeld)
    await catalog.close()
    catalog = await database.open()
    expect(await holders()).toBe(1)
  })

  test('comes back when the connection was lost, with all that was told meanwhile', async () => {
    const heard: CatalogEvent['kind'][] = []
    const unlisten = catalog.onEvent(({ kind }) => heard.push(kind))
    for (let times = 0; times < 3; times += 1) {
      await endOthers("application_name like 'lakelet server%'")
      heard.length = 0
      await until('listening again', () => heard.includes('work') && heard.includes('due'))
      expect(await holders()).toBe(1)
    }
    heard.length = 0
    await database.sql("select pg_notify('lakelet', 'due')")
    await until('heard', () => heard.includes('due'))
    unlisten()
  })

  test('found in the hands of another server after a loss is told at once', async () => {
    await catalog.close()
    const taken: Error[] = []
    const first = await database.open({ onTaken: (error) => taken.push(error) })
    // What a second server does in the moment in which the first one has lost its session.
    const thief = (async () => {
      for (;;) {
        await endOthers("application_name like 'lakelet server%'")
        try {
          return await database.open()
        } catch (error) {
          if (!(error instanceof CatalogHeld)) throw error
        }
      }
    })()
    const second = await thief
    await until('told', () => taken.length > 0)
    expect(taken[0]).toBeInstanceOf(CatalogHeld)
    await first.close()
    await second.close()
    catalog = await database.open()
  })

  test('held by a session that only the server knows to be lost is taken back', async () => {
    await catalog.close()
    const directory = await mkdtemp(join(tmpdir(), 'lk-proxy-'))
    const clients = new Set<Socket>()
    // The catalog's side stays open when the server's side breaks, as with a network that fails.
    const proxy = createServer((client) => {
      const upstream = connect(join(database.socketDirectory, '.s.PGSQL.5432'))
      clients.add(client)
      for (const socket of [client, upstream]) socket.on('error', () => undefined)
      client.on('data', (bytes) => upstream.write(bytes))
      upstream.on('data', (bytes) => client.write(bytes))
      upstream.on('close', () => client.destroy())
    })
    await new Promise<void>((resolve) => {
      proxy.listen(join(directory, '.s.PGSQL.5432'), resolve)
    })
    let resumed = 0
    const lock = await takeServerLock({
      connection: { host: directory, user: 'cloud_admin', database: 'lakelet' },
      clock: systemClock,
      log: database.log,
      onNotification: () => undefined,
      onResumed: () => {
        resumed += 1
      },
      onTaken: (error) => expect.unreachable(error.message),
    })
    for (const client of clients) client.destroy()
    await until('held again', () => resumed > 0)
    expect(await holders()).toBe(1)
    await lock.close()
    proxy.close()
    await rm(directory, { recursive: true })
    await until('free', async () => (await holders()) === 0)
    catalog = await database.open()
  })

  test('is taken again after a restart of the catalog, and queries work again', async () => {
    await database.computes.stop(database.spec.uid, 'immediate')
    await database.computes.ensureReady(database.spec)
    await until('held again', async () => (await holders()) === 1)
    await catalog.projects.count()
    await endOthers()
    await until('queries work', () =>
      catalog.projects.count().then(
        () => true,
        () => false,
      ),
    )
  })
})
