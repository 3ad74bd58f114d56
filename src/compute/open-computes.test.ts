/** One compute with the real Postgres: starts, refusals, crashes, stops, and what it tells of itself. */
import { chown, readdir, readlink, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { settingsForCu } from '../domain/cu.ts'
import { Fault } from '../domain/faults.ts'
import { postgresMajors } from '../domain/project.ts'
import { millis, systemClock } from '../lib/time.ts'
import type { ComputeSpec, ComputeState } from '../ports/compute.ts'
import { processTable } from './process-table.ts'
import {
  openTestRoom,
  processesBelow,
  queryOne,
  type TestRoom,
  withClient,
} from './room.fixture.ts'

let room: TestRoom
beforeAll(async () => {
  room = await openTestRoom()
})
afterAll(() => room.close())

const ask = (spec: ComputeSpec, sql: string) =>
  queryOne(room.computes.socketDirectory(spec.uid), sql)

const refusalOf = async (work: Promise<unknown>): Promise<Fault> => {
  const error = await work.then(
    () => new Error('it did not fail'),
    (reason) => reason,
  )
  if (error instanceof Fault) return error
  throw error
}

const pidOf = (spec: ComputeSpec): number => {
  const state = room.computes.state(spec.uid)
  if (state.kind !== 'ready') throw new Error(`it is ${state.kind}`)
  return state.pid
}

/** Bounded wait for a state that comes by itself. */
async function until(isThere: () => boolean): Promise<void> {
  for (let tries = 0; tries < 1000; tries++) {
    if (isThere()) return
    await systemClock.sleep(millis(10))
  }
  throw new Error('it did not come')
}

describe.each(postgresMajors)('Postgres %i', (major) => {
  test('is made, runs with our settings, and stops without a trace', async () => {
    const spec = await room.spec(
      `ep-major-${major}`,
      { ...settingsForCu(1), work_mem: '5MB' },
      major,
    )
    await room.computes.ensureReady(spec)
    expect(await ask(spec, 'SHOW server_version')).toMatch(new RegExp(`^${major}\\.`))
    expect(await ask(spec, 'SHOW work_mem')).toBe('5MB')
    expect(await ask(spec, 'SHOW max_connections')).toBe('209')
    expect(await ask(spec, 'SHOW data_checksums')).toBe('on')
    expect(await ask(spec, 'SHOW wal_segment_size')).toBe('4MB')
    expect(await ask(spec, 'SHOW server_encoding')).toBe('UTF8')
    expect(await ask(spec, 'SHOW default_text_search_config')).toBe('pg_catalog.english')
    expect(await ask(spec, "SELECT 'Z' < 'a' AND 'ä' > 'z' AND upper('ä') = 'Ä'")).toBe(true)
    expect(
      await ask(spec, "SELECT datlocprovider FROM pg_database WHERE datname = 'postgres'"),
    ).toBe(major >= 17 ? 'b' : 'c')
    expect(await room.computes.logicalSize(spec.uid)).toBeGreaterThan(1_000_000)
    await room.computes.stop(spec.uid, 'fast')
    expect(room.computes.state(spec.uid)).toEqual({ kind: 'stopped' })
    expect(await processesBelow(spec.dataDirectory)).toEqual([])
  })

  test('lets a role that is no superuser create trusted extensions, and only those', async () => {
    const spec = await room.spec(`ep-ext-${major}`, {}, major)
    await room.computes.ensureReady(spec)
    await ask(spec, 'CREATE ROLE dev LOGIN')
    await ask(spec, 'GRANT CREATE ON DATABASE postgres TO dev')
    await withClient(
      room.computes.socketDirectory(spec.uid),
      async (client) => {
        await client.query('CREATE SCHEMA ext')
        await client.query('SET search_path = ext')
        for (const name of ['pg_trgm', 'postgres_fdw', 'pg_stat_statements', 'lakelet_probe']) {
          await client.query(`CREATE EXTENSION ${name}`)
        }
        // The socket trusts, so postgres_fdw must not let it in: it wants a password to be used.
        await client.query(
          `CREATE SERVER self FOREIGN DATA WRAPPER postgres_fdw
             OPTIONS (host '${room.computes.socketDirectory(spec.uid)}', dbname 'postgres')`,
        )
        await client.query(
          `CREATE USER MAPPING FOR dev SERVER self OPTIONS (user 'cloud_admin', password 'x')`,
        )
        await client.query(
          `CREATE FOREIGN TABLE stolen (rolname text) SERVER self
             OPTIONS (schema_name 'pg_catalog', table_name 'pg_authid')`,
        )
        await expect(client.query('SELECT * FROM stolen')).rejects.toThrow(/password/)
        for (const name of ['file_fdw', 'dblink', 'plpython3u', 'pageinspect']) {
          await expect(client.query(`CREATE EXTENSION ${name}`), name).rejects.toThrow(/permission/)
        }
      },
      { user: 'dev' },
    )
    await room.computes.stop(spec.uid, 'immediate')
  })
})

describe('a start', () => {
  test('is one start for fifty callers', async () => {
    const spec = await room.spec('ep-fifty')
    const seen: string[] = []
    const forget = room.computes.onChange((uid, state) => {
      if (uid === spec.uid) seen.push(state.kind)
    })
    await Promise.all(Array.from({ length: 50 }, () => room.computes.ensureReady(spec)))
    const pid = pidOf(spec)
    await room.computes.ensureReady(spec)
    expect(pidOf(spec)).toBe(pid)
    await Promise.all([room.computes.stop(spec.uid, 'fast'), room.computes.stop(spec.uid, 'fast')])
    forget()
    expect(seen).toEqual(['starting', 'ready', 'stopping', 'stopped'])
  })

  test('goes on for the others when one caller will not wait', async () => {
    const spec = await room.spec('ep-impatient')
    const others = room.computes.ensureReady(spec)
    const refusal = await refusalOf(room.computes.ensureReady(spec, AbortSignal.abort()))
    expect(refusal.reason).toBe('COMPUTE_STARTING')
    await others
    await room.computes.stop(spec.uid, 'fast')
  })

  test('that is stopped meanwhile fails and leaves nothing', async () => {
    const spec = await room.spec('ep-cancelled')
    const [start, stop] = await Promise.allSettled([
      room.computes.ensureReady(spec),
      room.computes.stop(spec.uid, 'fast'),
    ])
    expect(start.status).toBe('rejected')
    expect(stop.status).toBe('fulfilled')
    expect(room.computes.state(spec.uid).kind).toBe('stopped')
    expect(await processesBelow(spec.dataDirectory)).toEqual([])
    await room.computes.ensureReady(spec)
    await room.computes.stop(spec.uid, 'fast')
  })

  test('that is asked for during a stop follows it', async () => {
    const spec = await room.spec('ep-again')
    await room.computes.ensureReady(spec)
    const before = pidOf(spec)
    const stopping = room.computes.stop(spec.uid, 'fast')
    await room.computes.ensureReady(spec)
    await stopping
    expect(pidOf(spec)).not.toBe(before)
    await room.computes.stop(spec.uid, 'fast')
  })

  test.each([
    [{ work_mem: 'lots' }, 'invalid value for parameter "work_mem": "lots"'],
    [{ wrok_mem: '4MB' }, 'unrecognized configuration parameter "wrok_mem"'],
    [
      { shared_preload_libraries: 'nope' },
      'could not access file "nope": No such file or directory',
    ],
    [{ 'a\nb': '1' }, 'the name of a setting is not valid'],
  ])('with %j fails in the words of Postgres', async (settings, words) => {
    const spec = await room.spec('ep-bad', settings)
    const refusal = await refusalOf(room.computes.ensureReady(spec))
    expect(refusal.reason).toBe('COMPUTE_FAILED')
    expect(refusal.facts.problem).toBe(words)
    expect(refusal.message).not.toContain(room.root)
    expect(room.computes.state(spec.uid)).toEqual({ kind: 'crashed', problem: words })
    expect(await processesBelow(spec.dataDirectory)).toEqual([])
    await room.computes.ensureReady({ ...spec, settings: {} })
    await room.computes.stop(spec.uid, 'fast')
  })

  test('takes any value of a setting as it is', async () => {
    const values = [
      "it's",
      'back\\slash',
      'line\nbreak',
      'tab\t',
      '#x',
      '',
      'ünïcode',
      "\\'",
      '{$x}',
    ]
    const settings = Object.fromEntries(values.map((value, index) => [`probe.v${index}`, value]))
    const spec = await room.spec('ep-quoting', settings)
    await room.computes.ensureReady(spec)
    for (const [index, value] of values.entries()) {
      expect(await ask(spec, `SELECT current_setting('probe.v${index}')`)).toBe(value)
    }
    await room.computes.stop(spec.uid, 'fast')
  })

  test('cannot be led to another socket, to TCP or away from fsync', async () => {
    const spec = await room.spec('ep-forced', {
      listen_addresses: '*',
      unix_socket_directories: '/tmp',
      FSYNC: 'off',
      hba_file: '/etc/passwd',
    })
    await room.computes.ensureReady(spec)
    await ask(spec, "ALTER SYSTEM SET listen_addresses = '*'")
    await room.computes.stop(spec.uid, 'fast')
    await room.computes.ensureReady(spec)
    expect(await ask(spec, 'SHOW listen_addresses')).toBe('')
    expect(await ask(spec, 'SHOW fsync')).toBe('on')
    const run = room.computes.socketDirectory(spec.uid)
    expect(await ask(spec, 'SHOW unix_socket_directories')).toBe(run)
    const { mode, uid } = await stat(run)
    expect(mode & 0o777).toBe(0o700)
    expect(uid).toBe(room.serviceUser?.uid ?? process.getuid?.())
    await room.computes.stop(spec.uid, 'fast')
  })

  test('succeeds beside a stale postmaster.pid whose pid lives on in another process', async () => {
    const spec = await room.spec('ep-stale')
    const path = join(spec.dataDirectory, 'postmaster.pid')
    await writeFile(path, `${process.pid}\n${spec.dataDirectory}\n1\n5432\n\n\n\nready   \n`)
    const user = room.serviceUser
    if (user !== undefined) await chown(path, user.uid, user.gid)
    expect(await room.computes.adopt(spec)).toBe('absent')
    await room.computes.ensureReady(spec)
    await room.computes.stop(spec.uid, 'fast')
  })

  test('works on a cluster whose log was born elsewhere', async () => {
    const dataDirectory = await room.directory('wal-data')
    const walDirectory = await room.directory('wal-live')
    await room.computes.initialize(17, dataDirectory, { walDirectory, sync: true })
    expect(await readlink(join(dataDirectory, 'pg_wal'))).toBe(walDirectory)
    expect((await readdir(walDirectory)).length).toBeGreaterThan(0)
    const spec = { uid: room.uid('ep-wal'), major: 17 as const, dataDirectory, settings: {} }
    await room.computes.ensureReady(spec)
    await room.computes.stop(spec.uid, 'fast')
  })
})

describe('a compute that somebody kills while it starts', () => {
  /** Kills each new postmaster of the directory, so many of them; answers their pids. */
  const killNew = async (directory: string, most: number, isOver: () => boolean) => {
    const killed = new Set<number>()
    while (!isOver() && killed.size < most) {
      for (const { pid, command } of await processTable.withCommand(`-D ${directory} `)) {
        if (killed.has(pid) || !/\/postgres -D /.test(command) || killed.size === most) continue
        process.kill(pid, 'SIGKILL')
        killed.add(pid)
      }
      await systemClock.sleep(millis(1))
    }
    return killed
  }

  test.each([
    [1, 'ready'],
    [2, 'refused'],
    // The second one may be ready before it is met.
  ] as const)('%i times is %s', { retry: 3 }, async (times, outcome) => {
    const spec = await room.spec(`ep-killed-${times}`)
    let isOver = false
    const ended = room.computes
      .ensureReady(spec)
      .then(
        () => 'ready',
        (error: unknown) => String(error),
      )
      .finally(() => {
        isOver = true
      })
    const killed = await killNew(spec.dataDirectory, times, () => isOver)
    expect(killed.size).toBe(times)
    if (outcome === 'ready') expect(await ended).toBe('ready')
    else expect(await ended).toMatch(/cannot start: Postgres ended with signal SIGKILL/)
    await room.computes.stop(spec.uid, 'fast')
    expect(await processesBelow(spec.dataDirectory)).toEqual([])
  })
})

describe('a compute that dies', () => {
  test.each(['SIGKILL', 'SIGQUIT'] as const)('of %s is seen, and starts again', async (signal) => {
    const spec = await room.spec(`ep-crash-${signal.toLowerCase()}`)
    await room.computes.ensureReady(spec)
    await ask(spec, 'CREATE TABLE kept AS SELECT 1 AS n')
    // A busy backend outlives its postmaster and would keep the next one from starting.
    const busy = ask(spec, 'SELECT count(*) FROM generate_series(1, 1000000000)').catch(() => 'cut')
    await systemClock.sleep(millis(100))
    process.kill(pidOf(spec), signal)
    await until(() => room.computes.state(spec.uid).kind === 'crashed')
    const state: ComputeState = room.computes.state(spec.uid)
    expect(state.kind === 'crashed' && state.problem).toMatch(/^Postgres ended with /)
    await Promise.all([room.computes.ensureReady(spec), room.computes.ensureReady(spec)])
    expect(await busy).toBe('cut')
    expect(await ask(spec, 'SELECT n FROM kept')).toBe(1)
    await room.computes.stop(spec.uid, 'fast')
    expect(await processesBelow(spec.dataDirectory)).toEqual([])
  })

  test('is stopped for good when nobody starts it again', async () => {
    const spec = await room.spec('ep-crash-stop')
    await room.computes.ensureReady(spec)
    process.kill(pidOf(spec), 'SIGKILL')
    await until(() => room.computes.state(spec.uid).kind === 'crashed')
    await room.computes.stop(spec.uid, 'immediate')
    expect(room.computes.state(spec.uid).kind).toBe('stopped')
    expect(await processesBelow(spec.dataDirectory)).toEqual([])
  })
})

describe('a running compute', () => {
  test('tells how its clients use it, and does not count us', async () => {
    const spec = await room.spec('ep-activity')
    await room.computes.ensureReady(spec)
    await ask(spec, 'CREATE ROLE app LOGIN')
    const { uid } = spec
    expect(await room.computes.activity(uid)).toEqual({
      sessions: 0,
      busy: 0,
      lastActive: undefined,
    })
    const run = room.computes.socketDirectory(uid)
    await withClient(
      run,
      async (client) => {
        await client.query("SET application_name = 'lakelet'")
        const idle = await room.computes.activity(uid)
        expect(idle).toMatchObject({ sessions: 1, busy: 0 })
        expect(Math.abs((idle.lastActive ?? 0) - systemClock.now())).toBeLessThan(60_000)
        await client.query('BEGIN')
        expect(await room.computes.activity(uid)).toMatchObject({ sessions: 1, busy: 1 })
      },
      { user: 'app' },
    )
    await room.computes.stop(uid, 'fast')
  })

  test('answers us whatever its owner set on the database', async () => {
    const spec = await room.spec('ep-hostile', { statement_timeout: '1', search_path: 'x' })
    await room.computes.ensureReady(spec)
    const run = room.computes.socketDirectory(spec.uid)
    await withClient(run, async (client) => {
      await client.query('SET statement_timeout = 0')
      await client.query('ALTER DATABASE postgres SET default_transaction_read_only = on')
      await client.query("ALTER DATABASE postgres SET statement_timeout = '1ms'")
      await client.query('CREATE DATABASE other')
    })
    expect(await room.computes.logicalSize(spec.uid)).toBeGreaterThan(0)
    const idle = { clone: async () => undefined, copyWal: async () => undefined }
    await room.computes.bracket(spec.uid, 'atomic', idle)
    await withClient(
      run,
      async (client) => {
        await client.query('SET statement_timeout = 0')
        await client.query('DROP DATABASE postgres')
      },
      { database: 'other' },
    )
    expect(await room.computes.activity(spec.uid)).toMatchObject({ busy: 0 })
    await room.computes.stop(spec.uid, 'fast')
    await room.computes.ensureReady(spec)
    await room.computes.stop(spec.uid, 'fast')
  })

  test('of another volume under the same name is ended before this one starts', async () => {
    const spec = await room.spec('ep-swapped')
    await room.computes.ensureReady(spec)
    const before = pidOf(spec)
    // Another server, which knows nothing of the first, starts the endpoint on a new volume.
    const later = await room.again()
    const swapped = { ...spec, dataDirectory: await room.cluster('ep-swapped-new') }
    expect(await later.adopt(swapped)).toBe('absent')
    await later.ensureReady(swapped)
    expect(await processTable.find(before)).toBeUndefined()
    expect(await ask(spec, 'SHOW data_directory')).toBe(swapped.dataDirectory)
    await later.stop(spec.uid, 'fast')
  })
})
