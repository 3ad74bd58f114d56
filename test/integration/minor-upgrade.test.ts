/**
 * Another build of the same major: what runs goes on with the old one, whoever wakes gets the new one. With
 * Debian's Postgres 15 beside the embedded 15, which differ in what `version()` says of their builders.
 */
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'

const debian = '/usr/lib/postgresql/15'
let server: TestServer
const production = 'projects/old/branches/production'
const endpoint = `${production}/endpoints/primary`

beforeAll(async () => {
  server = await TestServer.start()
  await server.write('POST', 'projects?project_id=old', { spec: { pg_version: 15 } })
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail') console.error(server.output, server.log.slice(-4000))
})
afterAll(async () => {
  await server?.dispose()
})

const version = async (of = production) =>
  (await server.sql(of, 'select version()')).rows[0].version as string
const copies = () => readdirSync(join(server.stateDir, 'toolchains')).sort()
const restart = async () => {
  await server.kill() // the computes stay
  await server.launch({ LAKELET_POSTGRES_DIR: debian })
}
const sleep = async () => {
  for (const disabled of [true, false]) {
    await server.write('PATCH', `${endpoint}?update_mask=spec.disabled`, { spec: { disabled } })
  }
}

test.skipIf(!existsSync(join(debian, 'bin/postgres')))(
  'a compute that runs goes on, and wakes on the new binaries with all of its data',
  async () => {
    await server.sql(
      production,
      `create extension hstore; create table kept (n int primary key, tags hstore);
       insert into kept select n, hstore('n', n::text) from generate_series(1, 1000) n`,
    )
    expect(await version()).not.toMatch(/Debian/)
    const before = copies()
    await restart()
    const { body: status } = await server.api('GET', '/api/lakelet/v1/status')
    expect(status.postgres.toolchains).toContainEqual(
      expect.objectContaining({ major: 15, origin: 'directory' }),
    )
    expect(await version()).not.toMatch(/Debian/) // taken over as it runs
    expect(copies()).toEqual(expect.arrayContaining(before)) // and its files are kept

    await sleep()
    expect(await version()).toMatch(/Debian/)
    await server.sql(production, "insert into kept values (1001, 'n=>1001')")
    const kept = await server.sql(
      production,
      'select count(*)::int as n from kept where tags is not null',
    )
    expect(kept.rows[0].n).toBe(1001)
    await server.write('POST', 'projects/old/branches?branch_id=dev', { spec: { ttl: '1h' } })
    expect(await version('projects/old/branches/dev')).toMatch(/Debian/)

    // Nothing runs from the old copy any more: the next start removes it.
    await restart()
    await eventually(
      'the old copy is gone',
      () => copies().filter((name) => name.startsWith('15-')).length === 1,
    )
    expect(await version()).toMatch(/Debian/)
  },
  120_000,
)

test('a directory that is no installation ends the start, and says so', async () => {
  await server.stop()
  await server.launchOnly({ LAKELET_POSTGRES_DIR: '/usr/share' })
  expect(await server.exit()).toBe(1)
  expect(server.output).toMatch(
    /\/usr\/share is no Postgres installation: it has no program bin\/postgres/,
  )
})
