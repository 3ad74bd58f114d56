/** Files without rows and rows without files: told, set aside after a grace, and back when they are wanted. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { nothingHalfMade } from '../fixtures/left-overs.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
const store = 'projects/store'
const production = `${store}/branches/production`

beforeAll(async () => {
  server = await TestServer.start({ storage: 'copy', env: { LAKELET_STRAY_GRACE: '1s' } })
  await server.sql(production, 'create table kept as select generate_series(1, 1000) as n')
})
afterAll(async () => {
  await server?.dispose()
})

const sweep = async () => (await server.api('GET', '/api/lakelet/v1/status')).body.sweep
const clean = { strays: [], set_aside: [], missing: [] }
const at = (...path: string[]) => join(server.stateDir, ...path)
const make = (id: string) =>
  server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '3600s' } })
const purge = (id: string) => server.write('DELETE', `${store}/branches/${id}?purge=true`)

/** A sweep at each start; two, since the first one only takes notice. */
async function sweptTwice(): Promise<void> {
  for (let starts = 0; starts < 2; starts += 1) {
    await server.stop()
    await server.launch()
    await eventually('the sweep at start', () =>
      server.log.split('\n').some((line) => line.includes('"server is ready"')),
    )
  }
}

async function homeOf(branch: string): Promise<readonly [project: string, branch: string]> {
  const [{ body: project }, { body }] = await Promise.all([
    server.api('GET', `/api/2.0/postgres/${store}`),
    server.api('GET', `/api/2.0/postgres/${branch}`),
  ])
  return [project.uid, body.uid]
}

test('a server that did nothing but its work has neither', async () => {
  await make('one')
  await purge('one')
  expect(await sweep()).toEqual(clean)
})

test('strays wait, are set aside with their WAL, and are kept', async () => {
  const [project] = await homeOf(production)
  const volume = at('pool', project, 'br-stray', 'volume')
  const wal = at('wal', project, 'br-stray', 'live')
  for (const path of [volume, wal]) mkdirSync(path, { recursive: true })
  writeFileSync(join(volume, 'data'), 'somebody wants this')
  writeFileSync(join(wal, '000000010000000000000001'), 'and this')
  const lost = at('wal', project, 'br-without-volume', 'live')
  mkdirSync(lost, { recursive: true })
  mkdirSync(at('pool', 'tmp', 'nobodys-draft', 'volume'), { recursive: true })
  mkdirSync(at('run', 'ep-nobodys'))
  writeFileSync(at('log', 'ep-nobodys.log'), 'said long ago')

  const { strays } = await sweep()
  expect(strays.map(({ kind, id, act }: Record<string, string>) => [kind, id, act])).toEqual([
    ['volume', `${project}/br-stray`, 'set aside'],
    ['wal', `${project}/br-without-volume`, 'set aside'],
    ['draft', 'nobodys-draft', 'remove'],
    ['run', 'ep-nobodys', 'remove'],
    ['log', 'ep-nobodys', 'remove'],
  ])

  await sweptTwice()
  await eventually('nothing is where nobody knows it', async () => {
    const { strays: left } = await sweep()
    return left.length === 0
  })
  const aside = (await sweep()).set_aside.map(({ volume: id }: { volume: string }) => id)
  expect(aside.sort()).toEqual([`${project}/br-stray`, `${project}/br-without-volume`])
  expect(existsSync(volume)).toBe(false)
  const kept = readdirSync(at('pool', 'strays')).find((name) => name.includes('.br-stray.')) ?? ''
  expect(readdirSync(at('pool', 'strays', kept))).toEqual(['data'])
  expect(readdirSync(at('wal', 'strays', kept, 'live'))).toHaveLength(1)
  for (const path of [at('run', 'ep-nobodys'), at('log', 'ep-nobodys.log'), lost]) {
    expect(existsSync(path), path).toBe(false)
  }
  rmSync(at('pool', 'strays', kept), { recursive: true })
  for (const name of readdirSync(at('wal', 'strays')))
    rmSync(at('wal', 'strays', name), { recursive: true })
  await nothingHalfMade(server)
})

test('a branch whose volume is gone says so everywhere, and is whole when it is put back', async () => {
  const made = await make('away')
  await server.write('POST', `${store}/snapshots?snapshot_id=from-away`, {
    spec: { source_branch: made.name, no_expiry: true },
  })
  await server.write('PATCH', `${made.name}/endpoints/primary?update_mask=spec.disabled`, {
    spec: { disabled: true },
  })
  await server.write('PATCH', `${made.name}/endpoints/primary?update_mask=spec.disabled`, {
    spec: { disabled: false },
  })
  const [project, uid] = await homeOf(made.name)
  const home = at('pool', project, uid, 'volume')
  renameSync(home, at('elsewhere'))

  const missing = {
    error_code: 'INVALID_STATE',
    message: expect.stringContaining(
      `The data of branch 'away' is not in the storage pool. Put its volume ${project}/${uid} back`,
    ),
  }
  for (const [method, path, body] of [
    ['GET', `${made.name}/roles`],
    ['GET', `${made.name}/databases`],
    [
      'POST',
      `${store}/branches?branch_id=child`,
      { spec: { source_branch: made.name, ttl: '60s' } },
    ],
    ['POST', `${store}/snapshots?snapshot_id=none`, { spec: { source_branch: made.name } }],
  ] as const) {
    const reply = await server.api(method, `/api/2.0/postgres/${path}`, body)
    expect([path, reply.status, reply.body]).toEqual([path, 400, expect.objectContaining(missing)])
  }
  await expect(server.sql(made.name, 'select 1')).rejects.toMatchObject({ code: '58P01' })
  expect((await sweep()).missing).toEqual([{ branch: made.name, volume: `${project}/${uid}` }])

  // Its WAL stays through any number of starts: with the volume it is the branch again.
  await sweptTwice()
  expect((await sweep()).missing).toHaveLength(1)
  renameSync(at('elsewhere'), home)
  expect((await server.sql(made.name, 'select count(*) from kept')).rows).toEqual([
    { count: '1000' },
  ])
  expect((await sweep()).missing).toEqual([])
  await server.write('DELETE', `${store}/snapshots/from-away`)
  await purge('away')
})

test('what was set aside comes back when a row wants it; a snapshot without data says so', async () => {
  const made = await server.write('POST', `${store}/snapshots?snapshot_id=wanted`, {
    spec: { source_branch: production, no_expiry: true },
  })
  const [project] = await homeOf(production)
  const volume = at('pool', project, made.uid, 'volume')
  const name = `${project}.${made.uid}.1000`
  renameSync(volume, at('pool', 'strays', name))
  renameSync(at('wal', project, made.uid), at('wal', 'strays', name))
  const from = { spec: { source_snapshot: made.name, ttl: '3600s' } }
  const refused = await server.api(
    'POST',
    `/api/2.0/postgres/${store}/branches?branch_id=back`,
    from,
  )
  expect(refused).toMatchObject({
    status: 400,
    body: {
      message: expect.stringContaining("The data of snapshot 'wanted' is not in the storage pool"),
    },
  })
  expect((await sweep()).set_aside).toMatchObject([{ volume: `${project}/${made.uid}` }])
  await server.stop()
  await server.launch()
  await eventually('the volume is back', () => existsSync(volume))
  const back = await server.write('POST', `${store}/branches?branch_id=back`, from)
  expect((await server.sql(back.name, 'select count(*) from kept')).rows).toEqual([
    { count: '1000' },
  ])
  await purge('back')
  await server.write('DELETE', made.name)
  await nothingHalfMade(server)
  expect(await sweep()).toEqual(clean)
})

test('a Postgres of ours that no endpoint knows is ended, and its volume kept', async () => {
  const made = await make('forgotten')
  const [project, uid] = await homeOf(made.name)
  const endpoint = (await server.api('GET', `/api/2.0/postgres/${made.name}/endpoints/primary`))
    .body.uid
  // As a catalog looks that was restored from before the branch was made.
  const catalog = (text: string) =>
    spawnSync(
      'psql',
      ['-X', '-q', '-h', at('run', 'catalog'), '-U', 'cloud_admin', '-d', 'lakelet', '-c', text],
      {
        encoding: 'utf8',
      },
    )
  const { status, stderr } = catalog(`delete from branches where uid = '${uid}'`)
  expect([status, stderr]).toEqual([0, ''])
  await server.kill()
  await server.launch()
  expect((await sweep()).strays.map(({ kind }: { kind: string }) => kind)).toEqual(
    expect.arrayContaining(['process', 'volume']),
  )
  await server.kill()
  await server.launch()
  await eventually('it is gone', async () => (await sweep()).strays.length === 0)
  expect((await sweep()).set_aside).toMatchObject([{ volume: `${project}/${uid}` }])
  const left = server.processes().filter((pid) => commandOf(pid).includes(endpoint))
  expect(left).toEqual([])
  await server.stop()
  await server.launch({ LAKELET_STRAY_RETENTION: '1s' })
  await eventually('its time is over', async () => (await sweep()).set_aside.length === 0)
  expect(await sweep()).toEqual(clean)
})

const commandOf = (pid: number): string =>
  spawnSync('cat', [`/proc/${pid}/cmdline`], { encoding: 'utf8' }).stdout

test('where the rows cannot be read, nothing is touched', async () => {
  const [project] = await homeOf(production)
  mkdirSync(at('pool', project, 'br-unsure', 'volume'), { recursive: true })
  await server.stop()
  await server.launch() // takes notice
  await server.stop()
  await server.launch({ LAKELET_FAILPOINTS: 'catalog.known-volumes=error' })
  await eventually('the sweep fails', () => server.log.includes('"loop":"sweep-strays"'))
  expect(existsSync(at('pool', project, 'br-unsure', 'volume'))).toBe(true)
  await server.stop()
  rmSync(at('pool', project, 'br-unsure'), { recursive: true })
  await server.launch()
  expect(await sweep()).toEqual(clean)
})
