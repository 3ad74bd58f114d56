/** `lakelet import` and `lakelet export` as a person runs them. */
import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Run, runProgram } from '../cli/program.ts'
import { TestServer } from '../fixtures/server.ts'
import {
  type SourcePostgres,
  sourcePassword,
  startSourcePostgres,
} from '../fixtures/source-postgres.ts'
import { isInstalled } from '../migrations/installed-programs.ts'

const canRun = await isInstalled('pg_dump', / 15\./)

describe.skipIf(!canRun)('the command line', () => {
  let server: TestServer
  let source: SourcePostgres
  let newer: SourcePostgres
  let root: string
  const lakelet = (args: readonly string[], how: Run = {}) =>
    runProgram(args, { ...how, env: { LAKELET_STATE_DIR: server.stateDir, ...how.env } })

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'lakelet-files-'))
    source = await startSourcePostgres(15)
    newer = await startSourcePostgres(18)
    server = await TestServer.start({ env: { LAKELET_MAX_ROOT_BRANCHES_PER_PROJECT: '6' } })
    await server.write('POST', 'projects?project_id=old', { spec: { pg_version: 15 } })
    await source.sql('create database "Shop=1"')
    await source.sql(
      'create table kept (n int); insert into kept select generate_series(1, 1000)',
      'Shop=1',
    )
    await source.sql('create role clerk; alter table kept owner to clerk', 'Shop=1')
  }, 240_000)
  afterAll(async () => {
    await source?.dispose()
    await newer?.dispose()
    await server?.dispose()
    rmSync(root, { recursive: true, force: true })
  })

  test.each([
    ['16', 16],
    ['18', 18],
  ])(
    'imports Postgres 15 into a project of %s',
    async (name, major) => {
      await server.write('POST', `projects?project_id=p${name}`, { spec: { pg_version: major } })
      const { code, stdout, stderr } = await lakelet([
        'import',
        '--from',
        source.url('Shop=1'),
        '--into',
        `p${name}/shop`,
      ])
      expect([code, stderr]).toEqual([0, expect.stringContaining('Left out: roles clerk (what')])
      expect(JSON.parse(stdout)).toMatchObject({ name: `projects/p${name}/branches/shop` })
      const { rows } = await server.sql(
        `projects/p${name}/branches/shop`,
        'select count(*)::int as n from kept',
        {
          database: 'Shop=1',
        },
      )
      expect(rows).toEqual([{ n: 1000 }])
    },
    60_000,
  )

  test('the address from standard input, the password from PGPASSWORD, the id from the database', async () => {
    const address = `postgres://postgres@127.0.0.1:${source.port}/Shop%3D1`
    const { code, stdout, stderr } = await lakelet(
      ['import', '--from', '-', '--schema-only', '--into', 'projects/old'],
      { stdin: `${address}\n`, env: { PGPASSWORD: sourcePassword } },
    )
    expect([code, stderr]).toEqual([0, expect.anything()])
    expect(JSON.parse(stdout).name).toBe('projects/old/branches/shop-1')
  }, 60_000)

  test('refusals say what to do', async () => {
    const outcome = async (...args: string[]) => {
      const { code, stderr } = await lakelet(args)
      expect(code).toBe(1)
      return stderr
    }
    expect(await outcome('import')).toContain('--from is missing')
    expect(await outcome('import', '--cancel', 'x')).toContain('is no operation of a branch')
    expect(await outcome('import', '--from', newer.url('postgres'), '--into', 'store/new')).toMatch(
      /Postgres 18, and the project's branches are Postgres 17/,
    )
    expect(await outcome('import', '--from', newer.url('postgres'), '--into', 'p18/new')).toMatch(
      /pg_dump of Postgres 18 or newer is not installed[\s\S]*Looked for in its own toolchains, \/usr\/lib\/postgresql\/\*\/bin, the PATH, \/usr\/lib\/postgresql\/15\/bin\/pg_dump is of 15/,
    )
    expect(await outcome('export', 'old/production')).toContain('--to is missing')
    expect(await outcome('export', 'store/production', '--to', join(root, 'x'))).toMatch(
      /pg_dump of Postgres 17 or newer is not here[\s\S]*--format base/,
    )
    writeFileSync(join(root, 'taken'), '')
    expect(await outcome('export', 'old/production', '--to', join(root, 'taken'))).toContain(
      'is there already',
    )
    expect(await outcome('export', 'old/production', '--to', join(root, 'no/such'))).toContain(
      'cannot be written',
    )
    expect(await outcome('export', 'old/absent', '--to', join(root, 'y'))).toContain(
      'branch id not found',
    )
    expect(readdirSync(root)).toEqual(['taken'])
  }, 60_000)

  test('exports in every format', async () => {
    const branch = 'projects/old/branches/production'
    await server.sql(
      branch,
      'create table kept (n int); insert into kept select generate_series(1, 1000)',
    )
    const to = (name: string) => join(root, name)
    for (const format of ['custom', 'plain', 'directory', 'base']) {
      const { code, stderr } = await lakelet([
        'export',
        'old/production',
        '--to',
        to(format),
        '--format',
        format,
      ])
      expect([format, code, stderr]).toEqual([format, 0, expect.stringContaining('Wrote ')])
    }
    for (const format of ['custom', 'directory']) {
      const listed = execFileSync('pg_restore', ['--list', to(format)], { encoding: 'utf8' })
      expect(listed).toContain('TABLE DATA public kept')
    }
    const plain = readFileSync(to('plain'), 'utf8')
    expect(plain).toContain('COPY public.kept')
    expect(plain).not.toMatch(/OWNER TO|lakelet|databricks/)
    await source.sql('create database back')
    writeFileSync(to('password'), `*:*:*:*:${sourcePassword.replace(/[\\:]/g, '\\$&')}\n`, {
      mode: 0o600,
    })
    execFileSync(
      'psql',
      [
        '-qX',
        '-v',
        'ON_ERROR_STOP=1',
        '-h',
        '127.0.0.1',
        '-p',
        String(source.port),
        '-U',
        'postgres',
        '-f',
        to('plain'),
        'back',
      ],
      {
        env: { ...process.env, PGPASSFILE: to('password') },
      },
    )
    expect((await source.sql('select count(*)::int as n from kept', 'back')).rows).toEqual([
      { n: 1000 },
    ])
    expect(execFileSync('tar', ['-tf', to('base')], { encoding: 'utf8' })).toContain('PG_VERSION')
    expect(readdirSync(root).filter((name) => name.includes('partial'))).toEqual([])
  }, 120_000)

  test.skipIf(process.getuid?.() !== 0)(
    'a full disk leaves no file',
    async () => {
      const small = join(root, 'small')
      mkdirSync(small)
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', small])
      try {
        for (const format of ['base', 'custom']) {
          await server.sql(
            'projects/old/branches/production',
            `create table if not exists big as select gen_random_uuid()::text as t from generate_series(1, 100000)`,
          )
          const { code, stderr } = await lakelet([
            'export',
            'old/production',
            '--to',
            join(small, 'x'),
            '--format',
            format,
          ])
          expect([code, stderr]).toEqual([1, expect.stringMatching(/no space left/i)])
          expect(readdirSync(small)).toEqual([])
        }
      } finally {
        execFileSync('umount', [small])
      }
    },
    120_000,
  )

  test.skipIf(process.getuid?.() === 0)('a directory that one may not write to', async () => {
    const closed = join(root, 'closed')
    mkdirSync(closed)
    chmodSync(closed, 0o500)
    const { stderr } = await lakelet(['export', 'old/production', '--to', join(closed, 'x')])
    expect(stderr).toContain('cannot be written')
    expect(existsSync(join(closed, 'x'))).toBe(false)
  })
})
