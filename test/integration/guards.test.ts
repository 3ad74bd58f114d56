/** Room is kept for what is there; two first starts are kept apart; a compute that cannot start says so. */
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const servers: TestServer[] = []
afterEach(async () => {
  for (const server of servers.splice(0).reverse()) await server.dispose()
})
const kept = <T extends TestServer>(server: T): T => {
  servers.push(server)
  return server
}
const store = 'projects/store'
const production = `${store}/branches/production`
const post = (server: TestServer, path: string, spec: object) =>
  server.api('POST', `/api/2.0/postgres/${path}`, { spec })

describe.each([
  [
    'pool',
    'LAKELET_POOL_RESERVE',
    /^The storage pool has .* of .* free, and .* are kept .* larger --pool-size or a smaller --pool-reserve\.$/,
  ],
  [
    'disk',
    'LAKELET_DISK_RESERVE',
    /^The disk of WAL and catalog has .* of .* free, and .* are kept .* smaller --disk-reserve\.$/,
  ],
])('below the reserve of the %s', (place, variable, text) => {
  test('nothing new is begun, and what is there goes on', async () => {
    const server = kept(await TestServer.start({ storage: 'copy' }))
    await server.sql(production, 'create table t as select generate_series(1, 10) as n')
    await server.write('POST', `${store}/branches?branch_id=before`, { spec: { ttl: '3600s' } })
    await server.stop()
    await server.launch({ [variable]: '90%' }) // of a disk that is fuller than that
    const full = {
      status: 400,
      body: { error_code: 'QUOTA_EXCEEDED', message: expect.stringMatching(text) },
    }
    expect(await post(server, `${store}/branches?branch_id=new`, { ttl: '60s' })).toMatchObject(
      full,
    )
    expect(
      await post(server, `${store}/snapshots?snapshot_id=new`, { source_branch: production }),
    ).toMatchObject(full)
    expect(await post(server, 'projects?project_id=another', {})).toMatchObject(full)
    expect(
      await post(server, `${production}/endpoints?endpoint_id=reader`, {
        endpoint_type: 'ENDPOINT_TYPE_READ_ONLY',
      }),
    ).toMatchObject(full)

    const { body } = await server.api('GET', '/api/lakelet/v1/status')
    expect(body.storage.room[place]).toMatchObject({
      isEnough: false,
      reserveBytes: expect.any(Number),
    })
    expect(body.storage.room[place === 'pool' ? 'disk' : 'pool'].isEnough).toBe(true)

    // Writes of branches, also of one that has to be woken, and every way to get room.
    await server.sql(production, 'insert into t select generate_series(1, 100000)')
    await server.sql(`${store}/branches/before`, 'insert into t values (1)')
    await server.write('DELETE', `${store}/branches/before?purge=true`)
    await nothingHalfMade(server)
  })
})

test('two first starts on one directory: one serves, the other says who does', async () => {
  const one = kept(await TestServer.prepare({ storage: 'copy' }))
  const other = await TestServer.prepare({ storage: 'copy', stateDir: one.stateDir })
  await Promise.all([one.launchOnly(), other.launchOnly()])
  await eventually('one of them has ended', () => one.isGone || other.isGone, 60_000)
  const [up, refused] = one.isGone ? [other, one] : [one, other]
  expect(await refused.exit()).toBe(1)
  expect(refused.output).toMatch(
    /another Lakelet server is running or starting on .* \(pid \d+\)\. Stop it first/,
  )
  await eventually('the other one serves', () => up.isUp, 90_000)
  expect((await up.sql(production, 'select 1 as one')).rows).toEqual([{ one: 1 }])
  await up.stop()
  expect(existsSync(join(one.stateDir, 'server.lock'))).toBe(false)
  // By itself, to see what it traced; the directory is one and the same.
  if (up !== one) await one.launch()
})

test('a compute that cannot start refuses in words wherever it is looked into', async () => {
  const server = kept(await TestServer.start({ storage: 'copy' }))
  const refused = await server
    .write('PATCH', `${production}/endpoints/primary?update_mask=spec.settings.pg_settings`, {
      spec: { settings: { pg_settings: { shared_buffers: 'plenty' } } },
    })
    .catch((error: Error) => JSON.parse(error.message))
  expect(refused).toMatchObject({
    error_code: 'INVALID_STATE',
    message: expect.stringContaining('shared_buffers'),
  })

  const made = await server.write('POST', `${store}/branches?branch_id=broken`, {
    spec: { ttl: '3600s' },
  })
  for (const disabled of [true, false]) {
    await server.write('PATCH', `${made.name}/endpoints/primary?update_mask=spec.disabled`, {
      spec: { disabled },
    })
  }
  const { body: project } = await server.api('GET', `/api/2.0/postgres/${store}`)
  const data = join(server.stateDir, 'pool', project.uid, made.uid, 'volume')
  writeFileSync(join(data, 'PG_VERSION'), '9.6\n')
  for (const path of ['roles', 'databases']) {
    const { status, body } = await server.api('GET', `/api/2.0/postgres/${made.name}/${path}`)
    expect([status, body.error_code]).toEqual([400, 'INVALID_STATE'])
    expect(body.message).toMatch(/cannot start: .*(incompatible|9\.6).*go on from another branch/)
  }
  await server.write('DELETE', `${made.name}?purge=true`)
})

test('logs of server and gateway are bounded', async () => {
  const server = kept(
    await TestServer.start({
      storage: 'copy',
      env: { LAKELET_LOG_SIZE: '20kB', LAKELET_LOG_FILES: '2', LAKELET_LOG_LEVEL: 'debug' },
    }),
  )
  const logs = () =>
    readdirSync(join(server.stateDir, 'log')).filter((name) => name.startsWith('server.log'))
  await eventually('the log was put aside twice', async () => {
    await server.api('GET', `/api/2.0/postgres/${store}`)
    await server.api('GET', `/api/2.0/postgres/projects/none`)
    return logs().includes('server.log.2')
  })
  expect(logs().sort()).toEqual(['server.log', 'server.log.1', 'server.log.2'])
  for (const name of logs()) {
    expect(statSync(join(server.stateDir, 'log', name)).size).toBeLessThanOrEqual(20 * 1024)
  }
})
