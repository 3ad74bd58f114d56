/** Storage that is full, gone or read-only: said in words, nothing half made, well again afterwards. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { type LoopImage, mountImage, whyNoImages } from '../fixtures/loop-image.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
const production = `${store}/branches/production`
const noImages = whyNoImages('ext4') ?? whyNoImages('btrfs')

let server: TestServer
const make = (id: string) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h' } })
const purge = (id: string) => server.write('DELETE', `${store}/branches/${id}?purge=true`)
const count = async (branch: string) =>
  (await server.sql(branch, 'select count(*)::int as n from kept')).rows[0].n

interface Refused {
  readonly error_code: string
  readonly message: string
}
/** The error of an operation, or of the request itself. */
async function refused(work: Promise<unknown>): Promise<Refused> {
  try {
    await work
  } catch (error) {
    return JSON.parse(error instanceof Error ? error.message : String(error))
  }
  throw new Error('it was done')
}
const full = {
  error_code: 'QUOTA_EXCEEDED',
  message: expect.stringMatching(/no room left: .* free, .* needed\. Delete branches, or give/),
}
const nearlyFull = {
  error_code: 'QUOTA_EXCEEDED',
  message: expect.stringMatching(
    /storage pool has .* of .* free, and 64 MiB are kept .*Delete branches.*--pool-size/,
  ),
}
/** Fills a file system up to this much. */
function fill(directory: string, file: string, leaveMebibytes: number): string {
  const { bavail, bsize } = statfsSync(directory)
  const path = join(directory, file)
  const bytes = bavail * bsize - leaveMebibytes * 2 ** 20
  const { status, stderr } = spawnSync('fallocate', ['-l', String(bytes), path])
  expect(status, String(stderr)).toBe(0)
  return path
}

describe.skipIf(noImages !== undefined)('a full file system under plain copies', () => {
  let image: LoopImage
  beforeAll(async () => {
    image = mountImage('ext4', 2048)
    const stateDir = join(image.path, 'state')
    mkdirSync(stateDir)
    const env = { LAKELET_POOL_RESERVE: '64MB', LAKELET_DISK_RESERVE: '64MB' }
    server = await TestServer.start({ storage: 'copy', stateDir, env })
    await server.sql(
      production,
      "create table kept as select n, repeat('x', 500) as filler from generate_series(1, 20000) n",
    )
    await historyHasBegun()
  })
  afterAll(async () => {
    await server?.dispose()
    image?.remove()
  })

  test('a branch that does not fit is refused; the source works on', async () => {
    const ballast = fill(image.path, 'ballast', 80) // above the reserve, below a copy
    const before = await count(production)
    expect(await refused(make('no-room'))).toMatchObject(full)
    await server.sql(production, 'insert into kept values (0)')
    expect(await count(production)).toBe(before + 1)
    expect((await server.api('GET', `/api/2.0/postgres/${store}/branches/no-room`)).status).toBe(
      404,
    )
    await nothingHalfMade(server)
    rmSync(ballast)
    await make('no-room')
    expect(await count(`${store}/branches/no-room`)).toBe(before + 1)
    await purge('no-room')
  })

  test('one that meets the end of the disk on the way leaves nothing', async () => {
    // Room when it is judged, none when it is used: the source grows into it meanwhile.
    const ballast = fill(image.path, 'ballast', 64 + 110)
    const before = await count(production)
    const started = await server.api(
      'POST',
      `/api/2.0/postgres/${store}/branches?branch_id=eaten`,
      {
        spec: { ttl: '1h' },
      },
    )
    expect(started.status).toBe(200)
    const eater = fill(image.path, 'eater', 5)
    const outcome = await server.follow(started.body.name).catch((error: unknown) => error)
    rmSync(eater)
    rmSync(ballast)
    if (outcome instanceof Error) expect(JSON.parse(outcome.message)).toMatchObject(full)
    else await purge('eaten')
    await nothingHalfMade(server)
    expect(await count(production)).toBe(before)
    await server.stop()
    expect(server.processes()).toEqual([])
    await server.launch()
    expect(await count(production)).toBe(before)
    await make('eaten')
    await purge('eaten')
    await nothingHalfMade(server)
  })

  test('a snapshot meets the same ends: refused, or nothing of it stays', async () => {
    const take = (id: string) =>
      server.write('POST', `${store}/snapshots?snapshot_id=${id}`, {
        spec: { source_branch: production, no_expiry: true },
      })
    const ballast = fill(image.path, 'ballast', 80)
    expect(await refused(take('no-room'))).toMatchObject(full)
    rmSync(ballast)
    await nothingHalfMade(server)

    const barely = fill(image.path, 'ballast', 64 + 110)
    const started = await server.api(
      'POST',
      `/api/2.0/postgres/${store}/snapshots?snapshot_id=eaten`,
      { spec: { source_branch: production, no_expiry: true } },
    )
    expect(started.status).toBe(200)
    const eater = fill(image.path, 'eater', 5)
    const outcome = await server.follow(started.body.name).catch((error: unknown) => error)
    rmSync(eater)
    rmSync(barely)
    if (outcome instanceof Error) expect(JSON.parse(outcome.message)).toMatchObject(full)
    else await server.write('DELETE', `${store}/snapshots/eaten`)
    await nothingHalfMade(server)
    const made = await take('eaten') // the id is free again
    await server.write('DELETE', made.name)
    await nothingHalfMade(server)
  })
})

describe.skipIf(noImages !== undefined)('a btrfs pool of our own', () => {
  beforeAll(async () => {
    server = await TestServer.start({ storage: 'btrfs', poolSize: '512MB' })
    await server.sql(
      production,
      "create table kept as select n, repeat('x', 500) as filler from generate_series(1, 2000) n",
    )
    await historyHasBegun()
  })
  afterAll(async () => {
    await server?.dispose()
  })

  test('that is full says so, keeps what it has, and works again with room', async () => {
    const pool = join(server.stateDir, 'pool')
    const before = await count(production)
    const ballast = join(pool, 'tmp', 'ballast')
    const { bavail, bsize } = statfsSync(pool)
    try {
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - 30 * 2 ** 20, 'x'), { flush: true })
      expect(await refused(make('no-room'))).toMatchObject(nearlyFull)
      expect(await count(production)).toBe(before)
    } finally {
      rmSync(ballast, { force: true }) // else the next tests meet a full pool
    }
    spawnSync('sync', ['-f', pool])
    await nothingHalfMade(server)
    await make('no-room')
    expect(await count(`${store}/branches/no-room`)).toBe(before)
    await purge('no-room')
    await nothingHalfMade(server)
  })

  test('that somebody unmounted: refusals say so, and a restart mounts it again', async () => {
    await make('before')
    const before = await count(production)
    await disable(true)
    await disable(true, `${store}/branches/before`)
    const { status, stderr } = spawnSync('umount', ['-l', join(server.stateDir, 'pool')])
    expect(status, String(stderr)).toBe(0)
    const gone = {
      error_code: 'TEMPORARILY_UNAVAILABLE',
      message: expect.stringMatching(
        /storage pool is not available.*not mounted.*restart the server/,
      ),
    }
    expect(await refused(make('unmounted'))).toMatchObject(gone)
    await disable(false)
    await expect(server.sql(production, 'select 1')).rejects.toMatchObject({
      code: '58030',
      hint: expect.stringMatching(/Mount it again, or restart the server/),
    })
    // A delete cannot be refused any more; it waits for the pool.
    const deleting = await server.api(
      'DELETE',
      `/api/2.0/postgres/${store}/branches/before?purge=true`,
    )
    expect(deleting.status).toBe(200)
    await server.stop()
    await server.launch()
    await server.follow(deleting.body.name)
    expect(await count(production)).toBe(before)
    await make('unmounted')
    expect(await count(`${store}/branches/unmounted`)).toBe(before)
    await purge('unmounted')
    await nothingHalfMade(server)
  })

  test('that was unmounted under running computes: nothing committed is lost', async () => {
    const session = await server.connect(production)
    let acknowledged = await count(production)
    const insert = async () => {
      await session.query('insert into kept values (-1)')
      acknowledged += 1
    }
    await insert()
    spawnSync('umount', ['-l', join(server.stateDir, 'pool')])
    await insert().catch(() => undefined) // Postgres may go on in what it has open, or not
    expect((await refused(make('unmounted'))).error_code).toBe('TEMPORARILY_UNAVAILABLE')
    await session.end().catch(() => undefined)
    await server.stop()
    await server.launch()
    expect(await count(production)).toBe(acknowledged)
    await nothingHalfMade(server)
  })
})

/** The first base takes room, of which the tests want to know how much there is. */
const historyHasBegun = () =>
  eventually('history has begun', async () => {
    const { body } = await server.api('GET', `/api/2.0/postgres/${production}`)
    return body.status.history !== undefined
  })

const disable = (disabled: boolean, branch = production) =>
  server.write('PATCH', `${branch}/endpoints/primary?update_mask=spec.disabled`, {
    spec: { disabled },
  })

test.skipIf(noImages === undefined)(`storage trouble cannot be made here: ${noImages}`, () => {
  expect(noImages).toBeDefined()
})
