/**
 * Branches of a project that is being written to, on each storage driver and each Postgres: every
 * branch is one moment of its source, and holds all that was committed before it was asked for.
 */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { type LoopImage, mountImage, whyNoImages } from '../fixtures/loop-image.ts'
import { Load, sums, whyNoPgbench } from '../fixtures/pgbench.ts'
import { eventually, type ServerOptions, TestServer } from '../fixtures/server.ts'

/** Makes branches under load and looks into each. */
async function branchesAreWhole(
  server: TestServer,
  project: string,
  branches: number,
): Promise<void> {
  const production = `projects/${project}/branches/production`
  await Load.prepare(server, production)
  await server.sql(production, 'create table promised (n int primary key)')
  const load = await Load.start(server, production)
  const writer = await server.connect(production)
  try {
    await eventually('the load is on', async () => {
      const { rows } = await writer.query('select count(*)::int as n from pgbench_history')
      return rows[0].n > 20
    })
    for (let made = 1; made <= branches; made += 1) {
      await writer.query('insert into promised values ($1)', [made])
      const { rows: seen } = await writer.query('select count(*)::int as n from pgbench_history')
      // The last one of a branch that was made a moment ago.
      const source = made === 3 ? `projects/${project}/branches/under-load-2` : production
      const branch = await server.write(
        'POST',
        `projects/${project}/branches?branch_id=under-load-${made}`,
        { spec: { ttl: '1h', source_branch: source } },
      )
      expect(load.isRunning, load.said).toBe(true)
      const client = await server.connect(branch.name)
      try {
        const [accounts, ...others] = await sums(client)
        expect(others).toEqual([accounts, accounts, accounts])
        const { rows } = await client.query(
          `select (select array_agg(n order by n) from promised) as promised,
            (select count(*)::int from pgbench_history) as history,
            pg_is_in_recovery() as recovering`,
        )
        const expected = made === 3 ? [1, 2, 1002] : made === 2 ? [1, 2] : [1]
        expect(rows[0].promised).toEqual(expected)
        if (made !== 3) expect(rows[0].history).toBeGreaterThanOrEqual(seen[0].n)
        expect(rows[0].recovering).toBe(false)
        // Through the index as through the table.
        await client.query('set enable_seqscan = off')
        const { rows: byIndex } = await client.query(
          'select count(*)::int as n from pgbench_accounts where aid > 0',
        )
        expect(byIndex[0].n).toBe(100_000)
        // And it is written to like any other.
        await client.query('insert into promised values ($1)', [1000 + made])
      } finally {
        await client.end()
      }
      const { rows: own } = await writer.query(
        'select count(*)::int as n from promised where n > 1000',
      )
      expect(own[0].n).toBe(0)
    }
  } finally {
    await load.stop()
    await writer.end()
  }
  const client = await server.connect(production)
  const [accounts, ...others] = await sums(client)
  expect(others).toEqual([accounts, accounts, accounts])
  await client.end()
}

const drivers: readonly {
  readonly driver: NonNullable<ServerOptions['storage']>
  readonly image?: 'xfs'
  readonly missing: string | undefined
  readonly majors: readonly (15 | 16 | 18)[]
}[] = [
  { driver: 'btrfs', missing: whyNoImages('btrfs'), majors: [15, 16, 18] },
  { driver: 'reflink', image: 'xfs', missing: whyNoImages('xfs'), majors: [] },
  { driver: 'copy', missing: undefined, majors: [] },
]

describe.each(drivers)('on $driver', ({ driver, image: kind, missing, majors }) => {
  const reason = whyNoPgbench ?? missing
  if (reason !== undefined) {
    test.skip(`not tried: ${reason}`, () => undefined)
    return
  }
  let server: TestServer
  let image: LoopImage | undefined

  beforeAll(async () => {
    if (kind === undefined) {
      server = await TestServer.start({ storage: driver })
      return
    }
    image = mountImage(kind, 4096)
    const stateDir = join(image.path, 'state')
    mkdirSync(stateDir)
    server = await TestServer.start({ storage: driver, stateDir })
  })
  afterAll(async () => {
    await server?.dispose()
    image?.remove()
  })

  test('Postgres 17', async () => {
    await branchesAreWhole(server, 'store', 3)
    await nothingHalfMade(server)
  })

  test.each(majors)('Postgres %s', async (major) => {
    const project = `major-${major}`
    await server.write('POST', `projects?project_id=${project}`, { spec: { pg_version: major } })
    const production = `projects/${project}/branches/production`
    const { rows } = await server.sql(production, 'show server_version')
    expect(rows[0].server_version).toMatch(new RegExp(`^${major}\\.`))
    await branchesAreWhole(server, project, 2)
    await server.write('DELETE', `projects/${project}?purge=true`)
  })

  test('all of it is there after a restart', async () => {
    await server.kill()
    await server.launch()
    const client = await server.connect('projects/store/branches/under-load-1')
    const [accounts, ...others] = await sums(client)
    expect(others).toEqual([accounts, accounts, accounts])
    const { rows } = await client.query('select array_agg(n order by n) as promised from promised')
    expect(rows[0].promised).toEqual([1, 1001])
    await client.end()
    await nothingHalfMade(server)
  })
})
