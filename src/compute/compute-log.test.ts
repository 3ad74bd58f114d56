import { appendFile, mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { boundComputeLog, openComputeLog, readComputeLog, startProblem } from './compute-log.ts'

const at = '2026-11-23 06:12:14.471 UTC [42]'

describe('why Postgres did not start', () => {
  test('a bad value is told by its own line, without the file', () => {
    const log = [
      `${at} LOG:  invalid value for parameter "work_mem": "lots"`,
      `${at} FATAL:  configuration file "/srv/run/ep-a/postgresql.conf" contains errors`,
    ].join('\n')
    expect(startProblem(log)).toBe('invalid value for parameter "work_mem": "lots"')
  })

  test('an unknown parameter is named, its file and line are not', () => {
    const log = [
      `${at} LOG:  unrecognized configuration parameter "wrok_mem" in file "/srv/run/ep-a/postgresql.conf" line 31`,
      `${at} FATAL:  configuration file "/srv/run/ep-a/postgresql.conf" contains errors`,
    ].join('\n')
    expect(startProblem(log)).toBe('unrecognized configuration parameter "wrok_mem"')
  })

  test('a fatal error brings its detail', () => {
    const log = [
      `${at} FATAL:  database files are incompatible with server`,
      `${at} DETAIL:  The data directory was initialized by PostgreSQL version 16, which is not compatible with this version 17.10.`,
    ].join('\n')
    expect(startProblem(log)).toBe(
      'database files are incompatible with server: The data directory was initialized by PostgreSQL version 16, which is not compatible with this version 17.10',
    )
  })

  test('paths do not leave', () => {
    expect(startProblem(`${at} FATAL:  could not open file "/srv/x/global/pg_control": No`)).toBe(
      'could not open file "pg_control": No',
    )
    expect(
      startProblem(
        '/srv/bin/postgres: error while loading shared libraries: libz.so.1: cannot open shared object file',
      ),
    ).toBe(
      'postgres: error while loading shared libraries: libz.so.1: cannot open shared object file',
    )
  })

  test('silence has no reason', () => {
    expect(startProblem('')).toBeUndefined()
    expect(startProblem(`${at} LOG:  listening on Unix socket ".s.PGSQL.5432"`)).toBeUndefined()
  })
})

describe('the log of a compute', () => {
  let directory = ''
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'lk-log-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  test('only what this run wrote is read back', async () => {
    const path = join(directory, 'a.log')
    await writeFile(path, 'before\n')
    const begin = openComputeLog(path, undefined)
    await appendFile(path, 'after\n')
    expect(await readComputeLog(path, begin)).toBe('after\n')
  })

  test('a log that has grown is put aside at the next start', async () => {
    const path = join(directory, 'a.log')
    await writeFile(path, 'x'.repeat(1024 * 1024 + 1))
    const begin = openComputeLog(path, undefined)
    expect(begin).toBe(0)
    expect((await stat(`${path}.1`)).size).toBe(1024 * 1024 + 1)
  })

  test('a log that is being written is bounded, and the writer goes on', async () => {
    const path = join(directory, 'a.log')
    openComputeLog(path, undefined)
    const file = await open(path, 'a')
    await file.write('x'.repeat(2000))
    await boundComputeLog(path, 1000)
    await file.write('and on\n')
    await file.close()
    expect(await readFile(path, 'utf8')).toBe('and on\n')
    expect((await stat(`${path}.1`)).size).toBe(2000)
  })
})
