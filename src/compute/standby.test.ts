/** Hot standbys of a real Postgres, each major: what they see, what they refuse, what they survive. */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { postgresMajors } from '../domain/project.ts'
import { millis, seconds, systemClock } from '../lib/time.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import { commandLine } from './configuration.ts'
import { copyDirectory, openTestRoom, queryOne, type TestRoom } from './room.fixture.ts'

let room: TestRoom
beforeAll(async () => {
  room = await openTestRoom()
})
afterAll(async () => {
  await room.close()
})

const ask = (spec: ComputeSpec, sql: string) =>
  queryOne(room.computes.socketDirectory(spec.uid), sql)

/** A cluster that never ran demands of its standbys what initdb ran with. */
const asInitdb = { max_connections: '100', max_locks_per_transaction: '64' }

/** A standby on a plain copy of a source that does not run. */
async function standbyOf(
  source: ComputeSpec,
  name: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<ComputeSpec> {
  const dataDirectory = join(room.root, 'data', name)
  await copyDirectory(source.dataDirectory, dataDirectory)
  await rm(join(dataDirectory, 'postmaster.pid'), { force: true })
  return {
    ...source,
    uid: room.uid(name),
    dataDirectory,
    settings: { ...source.settings, ...settings },
    follows: source.uid,
  }
}

async function caughtUp(source: ComputeSpec, standby: ComputeSpec): Promise<void> {
  const { flushed } = await room.computes.logReach(source.uid)
  const seen = await room.computes.awaitReplay(standby.uid, {
    through: flushed,
    patience: seconds(20),
  })
  expect(seen.replayed).toBeGreaterThanOrEqual(flushed)
}

describe.each(postgresMajors)('a standby on Postgres %i', (major) => {
  let source: ComputeSpec
  let standby: ComputeSpec
  beforeAll(async () => {
    source = await room.spec(`source-${major}`, asInitdb, major)
    standby = await standbyOf(source, `standby-${major}`)
    await room.computes.ensureReady(source)
    await ask(source, 'CREATE TABLE kept (n int)')
    await room.computes.ensureReady(standby)
  })

  test('sees what was committed, roles included, and takes no writes', async () => {
    await ask(source, 'INSERT INTO kept SELECT generate_series(1, 1000)')
    await ask(source, 'CREATE ROLE late LOGIN')
    await caughtUp(source, standby)
    expect(await ask(standby, 'SELECT count(*) FROM kept')).toBe('1000')
    expect(await ask(standby, "SELECT count(*) FROM pg_roles WHERE rolname = 'late'")).toBe('1')
    expect(await ask(standby, 'SHOW in_hot_standby')).toBe('on')
    await expect(ask(standby, 'INSERT INTO kept VALUES (0)')).rejects.toMatchObject({
      code: '25006',
    })
    await expect(ask(standby, 'CREATE ROLE r')).rejects.toMatchObject({ code: '25006' })
  })

  test('counts for nothing in what keeps its source awake, and holds WAL while it runs only', async () => {
    expect(await ask(source, 'SELECT count(*) FROM pg_stat_replication')).toBe('1')
    expect(await room.computes.activity(source.uid)).toMatchObject({ sessions: 0, busy: 0 })
    expect(await ask(source, 'SELECT bool_and(temporary) FROM pg_replication_slots')).toBe(true)
    await room.computes.stop(standby.uid, 'fast')
    await eventually(async () => {
      return (await ask(source, 'SELECT count(*) FROM pg_replication_slots')) === '0'
    })
    await room.computes.ensureReady(standby)
  })

  test('goes on while its source sleeps, and follows it again when told', async () => {
    await eventually(
      async () =>
        (await ask(
          source,
          "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'",
        )) === '1',
    )
    await ask(source, 'INSERT INTO kept VALUES (1001)')
    await room.computes.stop(source.uid, 'fast') // hands out what it has before it ends
    await eventually(async () => (await ask(standby, 'SELECT count(*) FROM kept')) === '1001')
    await room.computes.ensureReady(source)
    await room.computes.followNow(standby.uid)
    await ask(source, 'INSERT INTO kept VALUES (1002)')
    await caughtUp(source, standby)
    expect(await ask(standby, 'SELECT count(*) FROM kept')).toBe('1002')
  })

  test('killed, comes back as a standby', async () => {
    const state = room.computes.state(standby.uid)
    if (state.kind !== 'ready') throw new Error(state.kind)
    process.kill(state.pid, 'SIGKILL')
    await eventually(async () => (await room.computes.look(standby.uid)).kind === 'crashed')
    await room.computes.ensureReady(standby)
    await ask(source, 'INSERT INTO kept VALUES (1003)')
    await caughtUp(source, standby)
    expect(await ask(standby, 'SELECT count(*) FROM kept')).toBe('1003')
  })

  test('that slept too long finds that its WAL is gone', async () => {
    await room.computes.stop(standby.uid, 'fast')
    for (let n = 0; n < 3; n += 1) {
      await ask(source, 'INSERT INTO kept SELECT generate_series(1, 100)')
      await ask(source, 'SELECT pg_switch_wal()')
    }
    await ask(source, 'CHECKPOINT')
    await room.computes.ensureReady(standby)
    const { flushed, oldest } = await room.computes.logReach(source.uid)
    const goal = { through: flushed, oldest, patience: seconds(20) }
    const seen = await room.computes.awaitReplay(standby.uid, goal)
    expect(seen.received).toBeLessThan(oldest)
    await room.computes.stop(standby.uid, 'fast')
    await room.computes.stop(source.uid, 'fast')
  })
})

describe('a standby', () => {
  test('is taken over by the next server, and is still one', async () => {
    const source = await room.spec('adopted-source', asInitdb)
    const standby = await standbyOf(source, 'adopted')
    await room.computes.ensureReady(source)
    await room.computes.ensureReady(standby)
    const next = await room.again()
    expect(await next.adopt(standby)).toBe('adopted')
    expect(await ask(standby, 'SELECT pg_is_in_recovery()')).toBe(true)
  })

  test('with fewer connections than its source says so; with settings that promote, stays one', async () => {
    const source = await room.spec('larger', asInitdb)
    const smaller = await standbyOf(source, 'smaller', { max_connections: '20' })
    await expect(room.computes.ensureReady(smaller)).rejects.toMatchObject({
      reason: 'COMPUTE_FAILED',
      facts: { problem: expect.stringContaining('insufficient') },
    })
    const stubborn = await standbyOf(source, 'stubborn', {
      hot_standby: 'off',
      primary_conninfo: '',
      recovery_end_command: 'touch /tmp/never',
      promote_trigger_file: '/dev/null',
    })
    await room.computes.ensureReady(stubborn)
    expect(await ask(stubborn, 'SELECT pg_is_in_recovery()')).toBe(true)
    expect(await ask(stubborn, 'SHOW recovery_end_command')).toBe('')
    expect(existsSync(join(stubborn.dataDirectory, 'standby.signal'))).toBe(true)
  })

  test('that pauses because its source was enlarged, tells it', async () => {
    const source = await room.spec('grows', asInitdb)
    const standby = await standbyOf(source, 'stays-small')
    await room.computes.ensureReady(source)
    await room.computes.ensureReady(standby)
    await room.computes.stop(source.uid, 'fast')
    await room.computes.ensureReady({
      ...source,
      settings: { ...source.settings, max_connections: '120' },
    })
    await room.computes.followNow(standby.uid)
    const { flushed } = await room.computes.logReach(source.uid)
    const seen = await room.computes.awaitReplay(standby.uid, {
      through: flushed,
      patience: seconds(20),
    })
    expect(seen.isPaused).toBe(true)
  })
})

describe('the command line of a standby', () => {
  test('quotes the way to its source', () => {
    const places = { uid: 'ep-a', dataDirectory: '/d', runDirectory: '/r' }
    expect(commandLine(places).join(' ')).not.toContain('primary_conninfo')
    expect(commandLine({ ...places, followed: "/o'c\\d" }).join(' ')).toContain(
      "primary_conninfo=host='/o\\'c\\\\d' port='5432' user='cloud_admin' application_name='ep-a'",
    )
  })
})

async function eventually(check: () => Promise<boolean>): Promise<void> {
  const end = systemClock.monotonic() + 20_000
  while (!(await check())) {
    if (systemClock.monotonic() > end) throw new Error('it did not happen in 20 s')
    await systemClock.sleep(millis(20))
  }
}
