/** `lakelet dev` in real git worktrees against a real server: name, source, file, migrations, and what is refused. */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeRepository, program, type Repository } from '../fixtures/git-repository.ts'
import { TestServer } from '../fixtures/server.ts'

const script = resolve(import.meta.dirname, '../../examples/store/scripts/lakebase-branch.sh')

let server: TestServer
let home: string
let repository: string
let git: Repository['git']
let environment: Repository['environment']

beforeAll(async () => {
  server = await TestServer.start()
  await server.sql(
    'projects/store/branches/production',
    'create table products (id int primary key); insert into products values (1), (2)',
  )
}, 120_000)
afterAll(async () => {
  await server?.dispose()
})
beforeEach(() => {
  ;({ home, path: repository, git, environment } = makeRepository(server))
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(server.log.slice(-2000))
  rmSync(home, { recursive: true })
  const { body } = await server.api('GET', '/api/2.0/postgres/projects/store/branches?page_size=99')
  // biome-ignore lint/suspicious/noExplicitAny: an answer as clients read it
  const newestFirst = body.branches.sort((one: any, other: any) =>
    one.create_time < other.create_time ? 1 : -1,
  )
  for (const { name, status } of newestFirst) {
    if (status.default !== true) await server.write('DELETE', `${name}?purge=true`)
  }
})

const dev = (directory: string, ...args: string[]) => lakelet(directory, 'dev', ...args)
const lakelet = (directory: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: directory,
    encoding: 'utf8',
    env: environment,
  })
  return { status, stdout, stderr }
}
const made = (directory: string, ...args: string[]) => {
  const { status, stdout, stderr } = dev(directory, ...args, '-o', 'json')
  expect(stderr).toBe('')
  expect(status).toBe(0)
  return JSON.parse(stdout)
}
const envOf = (directory: string): Record<string, string> =>
  Object.fromEntries(
    execFileSync('sh', ['-c', 'set -a; . ./.env; env -0'], {
      cwd: directory,
      encoding: 'utf8',
      env: { PATH: process.env.PATH },
    })
      .split('\0')
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
  )
const query = async (url: string, text: string) => {
  const client = new pg.Client({
    connectionString: url.replace(/\?.*$/, ''),
    ssl: { ca: server.ca },
  })
  await client.connect()
  try {
    return (await client.query(text)).rows
  } finally {
    await client.end()
  }
}

describe('lakelet dev', () => {
  test('makes the branch once, writes who may get in where, and both ways in work', async () => {
    writeFileSync(join(repository, '.env'), 'MINE=1\n')
    chmodSync(join(repository, '.env'), 0o644)
    const first = made(repository)
    expect(first).toMatchObject({
      is_new: true,
      source_branch: 'projects/store/branches/production',
      database: 'databricks_postgres',
      env_file: join(repository, '.env'),
    })
    expect(first.branch).toMatch(/^projects\/store\/branches\/[a-z0-9-]+-main-[0-9a-f]{6}$/)
    const ends = new Date(first.expire_time).getTime() - Date.now()
    expect(ends / 3_600_000).toBeGreaterThan(5.9)
    expect(ends / 3_600_000).toBeLessThan(6.1)
    expect(statSync(join(repository, '.env')).mode & 0o777).toBe(0o600)
    const env = envOf(repository)
    expect(env).toMatchObject({
      MINE: '1',
      LAKEBASE_BRANCH: first.branch,
      PGUSER: first.user,
      PGHOST: first.host,
    })
    expect(await query(env.DATABASE_URL ?? '', 'select count(*)::int as n from products')).toEqual([
      { n: 2 },
    ])
    const again = made(repository)
    expect(again).toMatchObject({
      branch: first.branch,
      is_new: false,
      expire_time: first.expire_time,
    })
    const renewed = envOf(repository)
    expect(renewed.PGPASSWORD).not.toBe(env.PGPASSWORD)
    expect(renewed.MINE).toBe('1')
    const said = dev(repository)
    expect(said.stdout).toMatch(/Branch +\S+ \(was there, ends 2/)
    expect(said.stdout).toMatch(/Next +lakelet psql store\//)
  })

  test('names it as the script does, whatever the branch is called', () => {
    const names = [
      'feature/a',
      'Feature-A',
      `${'x'.repeat(120)}/${'y'.repeat(120)}`,
      'ünïcode/世界',
      "it's#1%2",
    ]
    const byScript = () =>
      execFileSync('bash', [join(repository, 'scripts/lakebase-branch.sh'), '--print-name'], {
        encoding: 'utf8',
        env: { ...environment, LAKEBASE_CLI: join(home, 'bin/lakelet') },
      }).trim()
    mkdirSync(join(repository, 'scripts'))
    cpSync(script, join(repository, 'scripts/lakebase-branch.sh'))
    const seen = new Set<string>()
    for (const name of names) {
      git(repository, 'switch', '--quiet', '--create', name)
      const { stdout } = dev(repository, '--print-name')
      expect(stdout.trim(), name).toBe(byScript())
      seen.add(stdout)
    }
    git(repository, 'switch', '--quiet', '--detach')
    expect(dev(repository, '--print-name').stdout.trim()).toBe(byScript())
    expect(seen.size).toBe(names.length)
  })

  test('gives a worktree its own, of the branch that its git branch was made from', async () => {
    const main = made(repository)
    await query(envOf(repository).DATABASE_URL ?? '', 'insert into products values (3)')
    const other = join(home, 'worktrees', 'pay')
    git(repository, 'worktree', 'add', '--quiet', '-b', 'feature/pay', other, 'main')
    const pay = made(other)
    expect(pay).toMatchObject({ is_new: true, source_branch: main.branch })
    expect(
      await query(envOf(other).DATABASE_URL ?? '', 'select count(*)::int as n from products'),
    ).toEqual([{ n: 3 }])
    const detached = join(home, 'worktrees', 'agent-1')
    git(repository, 'worktree', 'add', '--quiet', '--detach', detached)
    const agent = made(detached)
    expect(agent.branch).toContain('-agent-1-')
    expect(agent.source_branch).toBe('projects/store/branches/production')
    git(detached, 'commit', '--quiet', '--allow-empty', '--message=more')
    expect(made(detached)).toMatchObject({ branch: agent.branch, is_new: false })
    // A copied file names another worktree's branch until this one has its own.
    cpSync(join(repository, '.env'), join(detached, '.env'))
    for (const args of [['url'], ['run', '--', 'true'], ['psql']]) {
      const { status, stderr } = lakelet(detached, ...args)
      expect(status).toBe(1)
      expect(stderr).toMatch(/\.env was written for another worktree and copied here/)
      expect(stderr).toContain(main.branch)
      expect(stderr).toMatch(/lakelet dev/)
    }
    expect(made(detached).branch).toBe(agent.branch)
    expect(envOf(detached).LAKEBASE_BRANCH).toBe(agent.branch)
  })

  test('does what lakelet.toml says, and runs the migrations with the new database', async () => {
    mkdirSync(join(repository, 'api'))
    writeFileSync(
      join(repository, 'api/lakelet.toml'),
      `project = "store"
       source = "production"
       env_file = "config.local"
       migrate = "echo \\"$DB_HOST\\" > migrated && echo done"
       [[ttl]]
       match = "keep/*"
       ttl = "none"
       [env]
       DB_HOST = "host"
       DB_URL = "url"`,
    )
    git(repository, 'switch', '--quiet', '--create', 'keep/this')
    const inside = join(repository, 'api')
    const { status, stdout, stderr } = dev(inside)
    expect(status).toBe(0)
    expect(stdout).toMatch(/never ends/)
    expect(stdout).toMatch(/Migrated/)
    expect(stderr).toMatch(/git does not ignore api\/config\.local/)
    const text = readFileSync(join(inside, 'config.local'), 'utf8')
    expect(text).not.toContain('PGHOST')
    const host = /^DB_HOST=(.*)$/m.exec(text)?.[1]
    expect(readFileSync(join(inside, 'migrated'), 'utf8')).toBe(`${host}\n`)
    rmSync(join(inside, 'migrated'))
    expect(dev(inside, '--no-migrate').status).toBe(0)
    expect(existsSync(join(inside, 'migrated'))).toBe(false)
    writeFileSync(join(inside, 'lakelet.toml'), 'migrate = "exit 3"\n')
    const failed = dev(inside)
    expect(failed.status).toBe(1)
    expect(failed.stderr).toMatch(/migrations ended with 3: exit 3/)
    expect(failed.stderr).toMatch(/run lakelet dev again/)
  })

  test('many at once end with one branch, and all of them with a way in', async () => {
    const { spawn } = await import('node:child_process')
    const runs = Array.from(
      { length: 4 },
      () =>
        new Promise<string>((done) => {
          const child = spawn(process.execPath, [program, 'dev', '-o', 'json'], {
            cwd: repository,
            env: environment,
          })
          let out = ''
          child.stdout.on('data', (bytes) => {
            out += bytes
          })
          child.once('close', () => done(out))
        }),
    )
    const all = (await Promise.all(runs)).map((out) => JSON.parse(out))
    expect(new Set(all.map(({ branch }) => branch)).size).toBe(1)
    expect(all.filter(({ is_new }) => is_new)).toHaveLength(1)
  })
})

describe('lakelet run, url, psql and branch use', () => {
  test('know the worktree that they are called in', async () => {
    const without = lakelet(repository, 'run', '--', 'true')
    expect(without.stderr).toMatch(/this worktree has no branch yet/)
    expect(without.stderr).toMatch(/lakelet dev/)
    const { branch } = made(repository)
    const url = lakelet(repository, 'url').stdout.trim()
    expect(await query(url, 'select count(*)::int as n from products')).toEqual([{ n: 2 }])
    const run = (...args: string[]) => lakelet(repository, 'run', ...args)
    const shown = run('--', 'sh', '-c', 'echo "$LAKEBASE_BRANCH $0"; cat "$PGPASSFILE"', 'an arg')
    expect(shown.stdout).toMatch(new RegExp(`^${branch} an arg\\n127\\.[^:]+:\\d+:\\*:[^:]+:ey`))
    // By the file alone: libpq finds the password where no variable holds it.
    const psql = "psql -Atc 'select count(*) from products'"
    const script = `test -z "$PGPASSWORD" && case $DATABASE_URL in *:ey*) exit 9;; esac; ${psql}`
    expect(run('--password-file', '--', 'sh', '-c', script)).toMatchObject({
      status: 0,
      stdout: '2\n',
    })
    expect(run('--', 'sh', '-c', 'exit 7').status).toBe(7)
    expect(run('--', 'no-such-program').stderr).toMatch(/there is no program no-such-program/)
    expect(run().stderr).toMatch(/nothing to run/)
    const hours = async () => {
      const { body } = await server.api('GET', `/api/2.0/postgres/${branch}`)
      return Math.round((new Date(body.status.expire_time).getTime() - Date.now()) / 3_600_000)
    }
    expect(lakelet(repository, 'branch', 'renew', '--ttl', '3d').stdout).toMatch(/ ends 2/)
    expect(await hours()).toBe(72)
    // From now on, not from the creation of the branch, as a ttl of the API counts.
    const before = Date.now()
    expect(lakelet(repository, 'branch', 'renew', branch).status).toBe(0)
    const { body: renewed } = await server.api('GET', `/api/2.0/postgres/${branch}`)
    expect(Date.parse(renewed.status.expire_time)).toBeGreaterThanOrEqual(before + 21_600_000)
    expect(await hours()).toBe(6)
    expect(lakelet(repository, 'branch', 'renew', '--ttl', 'long').stderr).toMatch(
      /is not a length of time/,
    )
    expect(lakelet(repository, 'psql', '--', '-Atc', 'show lakelet.none').stderr).toMatch(
      /lakelet.none/,
    )
    const name = 'projects/store/branches/shared'
    await server.write('POST', 'projects/store/branches?branch_id=shared', {
      spec: { ttl: '1h' },
    })
    const used = lakelet(repository, 'branch', 'use', 'store/shared')
    expect(used.stderr).toBe('')
    expect(envOf(repository).LAKEBASE_BRANCH).toBe(name)
    expect(run('--', 'sh', '-c', 'echo $LAKEBASE_BRANCH').stdout).toBe(`${name}\n`)
    await server.write('DELETE', `${name}?purge=true`)
    expect(run('--', 'true').stderr).toMatch(/shared is gone: it has ended/)
    expect(made(repository).branch).toBe(branch)
    expect(lakelet(repository, 'branch', 'use', 'store/absent').stderr).toMatch(
      /branch id not found/,
    )
  })
})

test('a submodule is a repository of its own, and two worktrees of one git branch share its database', () => {
  const own = made(repository).branch
  git(
    repository,
    '-c',
    'protocol.file.allow=always',
    'submodule',
    'add',
    '--quiet',
    repository,
    'part',
  )
  git(join(repository, 'part'), 'switch', '--quiet', '--create', 'of-the-part')
  writeFileSync(join(repository, 'part/.gitignore'), '.env\n')
  const part = made(join(repository, 'part')).branch
  expect(part).toContain('of-the-part')
  expect(envOf(repository).LAKELET_BRANCH ?? own).toBe(own) // its block is as it was

  git(
    repository,
    'worktree',
    'add',
    '--quiet',
    '--force',
    '../twin',
    String(git(repository, 'branch', '--show-current')).trim(),
  )
  const twin = made(join(home, 'twin'))
  expect([twin.branch, twin.is_new]).toEqual([own, false])
})

test('a branch that lakelet.toml lets live for ever gets an end only when one is said', async () => {
  writeFileSync(join(repository, 'lakelet.toml'), '[[ttl]]\r\nttl = "none"\r\n')
  expect(made(repository).expire_time).toBeUndefined()
  const renew = (...args: string[]) => lakelet(repository, 'branch', 'renew', ...args)
  const { status, stderr } = renew()
  expect([status, stderr]).toEqual([1, expect.stringMatching(/live for ever/)])
  expect(stderr).toMatch(/Hint: Give it an end all the same: --ttl 7d/)
  expect(renew('--ttl', '7d')).toMatchObject({ status: 0, stderr: '' })
})

test('lakelet test runs the migrations that it finds, none where lakelet.toml says so, and none that cannot run', async () => {
  mkdirSync(join(repository, 'db/migrations'), { recursive: true })
  writeFileSync(join(repository, 'db/migrations/001_a.sql'), '-- migrate:up\nselect 1;\n')
  const tested = () => lakelet(repository, 'test', '--', 'true')
  expect(tested().stderr).toMatch(/for dbmate, but dbmate is not installed[\s\S]*Hint: Install it/)
  mkdirSync(join(repository, 'node_modules/.bin'), { recursive: true })
  const mark = join(home, 'mark')
  const tool = `#!/bin/sh\necho "$1 $PGDATABASE" >>'${mark}'\n`
  writeFileSync(join(repository, 'node_modules/.bin/dbmate'), tool, { mode: 0o755 })
  expect(tested()).toMatchObject({ status: 0 })
  expect(readFileSync(mark, 'utf8')).toMatch(/^\S+ \S+\n$/)
  writeFileSync(join(repository, 'lakelet.toml'), 'migrate = "none"\n')
  expect(tested()).toMatchObject({ status: 0 })
  expect(readFileSync(mark, 'utf8').split('\n').length).toBe(2)
})

test('a project that was deleted is told as that, not as a branch that has ended', async () => {
  await server.write('POST', 'projects?project_id=brief', { spec: {} })
  writeFileSync(join(repository, 'lakelet.toml'), 'project = "brief"\n')
  made(repository)
  await server.write('DELETE', 'projects/brief?purge=true')
  for (const args of [['dev'], ['url']]) {
    const { status, stderr } = lakelet(repository, ...args)
    expect([status, stderr]).toEqual([1, expect.stringMatching(/project id not found/)])
    expect(stderr).toMatch(/Hint:|lakelet/)
  }
})

describe('is refused, before anything is made', () => {
  const branches = async () =>
    (await server.api('GET', '/api/2.0/postgres/projects/store/branches')).body.branches.length

  const refused = async (directory: string, says: RegExp, ...args: string[]) => {
    const { status, stderr } = dev(directory, ...args)
    expect(status).toBe(1)
    expect(stderr).toMatch(says)
    expect(await branches()).toBe(1)
    return stderr
  }

  test('outside of a repository, in a bare one, in .git, before the first commit', async () => {
    expect(await refused(home, /is not in a git repository/)).toMatch(/Hint: .*git init/)
    git(home, 'init', '--quiet', '--bare', 'bare.git')
    await refused(join(home, 'bare.git'), /is in a bare repository/)
    await refused(join(repository, '.git'), /is git's own/)
    git(home, 'init', '--quiet', 'empty')
    git(join(home, 'empty'), 'checkout', '--quiet', '--orphan', 'x')
    expect(dev(join(home, 'empty'), '--print-name').stdout).toMatch(/-x-[0-9a-f]{6}\n$/)
  })

  test('an env file that git keeps, that is a link or a directory', async () => {
    const file = join(repository, '.env')
    writeFileSync(file, 'A=1\n')
    git(repository, 'add', '--force', '.env')
    await refused(repository, /git keeps \.env: a password written into it would be committed/)
    git(repository, 'rm', '--quiet', '--cached', '.env')
    rmSync(file)
    symlinkSync('../shared.env', file)
    await refused(repository, /\.env is a link to \.\.\/shared\.env/)
    rmSync(file)
    mkdirSync(file)
    expect(await refused(repository, /\.env is not a file/)).toMatch(/Hint: Name another file/)
    // Nor is it taken for one that says nothing.
    const run = lakelet(repository, 'url')
    expect([run.status, run.stderr]).toEqual([
      1,
      expect.stringMatching(/\.env cannot be read \(EISDIR\)/),
    ])
    expect(run.stderr).toMatch(/Hint: Mend its rights/)
  })

  test('a lakelet.toml that is wrong, a project that is not there, a ttl that is none', async () => {
    writeFileSync(join(repository, 'lakelet.toml'), 'projekt = "store"\n')
    await refused(repository, /lakelet\.toml: projekt: is nothing that it knows/)
    rmSync(join(repository, 'lakelet.toml'))
    await refused(
      repository,
      /--ttl: "6 hours" is not a length of time such as/,
      '--ttl',
      '6 hours',
    )
    const { status, stderr } = dev(repository, '--project', 'absent')
    expect([status, stderr]).toEqual([1, expect.stringMatching(/project id not found/)])
  })
})
