/**
 * The branch script of examples/store against a stand-in for the command line, which keeps branches
 * in a file: its name rule, its requests, its `.env` and its refusals. Against a real server it runs
 * in the client suite.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

const original = resolve(import.meta.dirname, '../examples/store/scripts/lakebase-branch.sh')

const standIn = `
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
const [group, verb, name, id] = process.argv.slice(2)
const file = process.env.STAND_IN
const seen = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { branches: {}, tokens: 0 }
const refuse = (message) => { console.error('Error: ' + message); process.exit(1) }
const answer = (value) => { writeFileSync(file, JSON.stringify(seen)); console.log(JSON.stringify(value)) }
if (process.env.BROKEN) refuse(process.env.BROKEN)
if (group === 'current-user') answer({ userName: process.env.LOGIN })
if (verb === 'get-branch') answer(seen.branches[name] ?? refuse('branch id not found'))
if (verb === 'create-branch') {
  const branch = { request: JSON.parse(process.argv[7]), status: { expire_time: '2026-11-23T14:00:00Z' } }
  seen.branches[name + '/branches/' + id] = branch
  answer(branch)
}
if (verb === 'delete-branch') { delete seen.branches[name]; answer({}) }
if (verb === 'list-endpoints') {
  const status = { endpoint_type: 'ENDPOINT_TYPE_READ_WRITE', current_state: 'IDLE', hosts: { host: 'ep-1.localhost' } }
  answer([{ name: name + '/endpoints/primary', status }])
}
if (verb === 'generate-database-credential') {
  seen.tokens += 1
  answer({ token: 'token$' + seen.tokens, expire_time: '2026-11-23T09:00:00Z' })
}
`

let home: string
let repository: string

const git = (directory: string, ...args: string[]): string =>
  execFileSync(
    'git',
    ['-C', directory, '-c', 'user.name=T', '-c', 'user.email=t@example.com', ...args],
    { encoding: 'utf8', stdio: 'pipe' },
  )

interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function script(directory: string, args: readonly string[], env: object = {}): Finished {
  const { PATH, HOME } = process.env
  const done = spawnSync(join(directory, 'scripts/lakebase-branch.sh'), args, {
    encoding: 'utf8',
    env: {
      PATH,
      HOME,
      LOGIN: 'Jane.Doe@example.com',
      STAND_IN: join(home, 'seen.json'),
      LAKEBASE_CLI: `${process.execPath} ${join(home, 'cli.mjs')}`,
      ...env,
    },
  })
  return { code: done.status, stdout: done.stdout, stderr: done.stderr }
}

const nameIn = (directory: string, env: object = {}): string => {
  const { code, stdout, stderr } = script(directory, ['--print-name'], env)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  return stdout.trim()
}

const branches = (): Record<string, { request: unknown }> =>
  JSON.parse(readFileSync(join(home, 'seen.json'), 'utf8')).branches

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'lakelet-script-'))
  repository = join(home, 'repository')
  mkdirSync(join(repository, 'scripts'), { recursive: true })
  cpSync(original, join(repository, 'scripts/lakebase-branch.sh'))
  writeFileSync(join(home, 'cli.mjs'), standIn)
  git(repository, 'init', '--quiet', '--initial-branch', 'main')
  git(repository, 'add', '--all')
  git(repository, 'commit', '--quiet', '--message', 'first')
})

afterEach(() => {
  rmSync(home, { recursive: true, force: true })
})

describe('the name of the branch', () => {
  test('comes from the login and the git branch', () => {
    expect(nameIn(repository)).toMatch(/^jane-doe-main-[0-9a-f]{6}$/)
  })

  test('differs for git branches that look alike after the letters are cleaned', () => {
    const names = ['feature/a', 'feature-a', 'Feature/A', 'feature/ä'].map((branch) => {
      git(repository, 'switch', '--quiet', '--create', branch)
      return nameIn(repository)
    })
    expect(new Set(names).size).toBe(names.length)
  })

  test('is valid and short enough whatever the git branch and login are', () => {
    git(repository, 'switch', '--quiet', '--create', `${'very-long/'.repeat(15)}end`)
    for (const LOGIN of [
      `${'somebody.with.a.long.name'.repeat(3)}@example.com`,
      '007@example.com',
      'ß@example.com',
      '5f0c3f2e-8d4b-4a57-9f0e-0123456789ab',
    ]) {
      const name = nameIn(repository, { LOGIN })
      expect(name).toMatch(/^[a-z][a-z0-9-]{0,62}$/)
    }
    expect(nameIn(repository, { LOGIN: '5f0c3f2e-8d4b-4a57-9f0e-0123456789ab' })).toMatch(
      /^sp-5f0c3f2e-/,
    )
  })

  test('of a detached worktree stays when the agent in it commits', () => {
    const worktree = join(home, 'agent-7')
    git(repository, 'worktree', 'add', '--quiet', '--detach', worktree)
    const before = nameIn(worktree)
    git(worktree, 'commit', '--quiet', '--allow-empty', '--message', 'second')
    expect(before).toMatch(/^jane-doe-agent-7-[0-9a-f]{6}$/)
    expect(nameIn(worktree)).toBe(before)
    expect(nameIn(repository)).not.toBe(before)
  })

  test('of a detached main checkout is its commit', () => {
    git(repository, 'switch', '--quiet', '--detach')
    const commit = git(repository, 'rev-parse', '--short=12', 'HEAD').trim()
    expect(nameIn(repository)).toMatch(new RegExp(`^jane-doe-at-${commit}-[0-9a-f]{6}$`))
  })

  test('outside git is the name of the directory', () => {
    const plain = join(home, 'Plain Copy')
    cpSync(join(repository, 'scripts'), join(plain, 'scripts'), { recursive: true })
    expect(nameIn(plain)).toMatch(/^jane-doe-plain-copy-[0-9a-f]{6}$/)
  })

  test('differs between two people on one git branch', () => {
    expect(nameIn(repository, { LOGIN: 'jane.doe@other.example' })).not.toBe(nameIn(repository))
  })
})

describe('the branch', () => {
  const full = (): string => `projects/store/branches/${nameIn(repository)}`

  test.each([
    ['string', { source_branch: 'projects/store/branches/production', ttl: '21600s' }],
    ['object', { source_branch_id: 'production', ttl: { seconds: 21600 } }],
    ['no-expiry', { source_branch_id: 'production', no_expiry: true }],
  ])('is asked for in the form %s', (form, spec) => {
    expect(script(repository, ['--form', form])).toMatchObject({ code: 0 })
    expect(branches()[full()]?.request).toEqual({ spec })
  })

  test('takes project, source and ttl from the options', () => {
    const args = ['--project', 'shop', '--source', 'staging', '--ttl', '60']
    expect(script(repository, args)).toMatchObject({ code: 0 })
    expect(Object.entries(branches())[0]).toMatchObject([
      `projects/shop/branches/${nameIn(repository)}`,
      { request: { spec: { source_branch: 'projects/shop/branches/staging', ttl: '60s' } } },
    ])
  })

  test('is kept by another run, which brings another credential', () => {
    script(repository, ['--ttl', '60'])
    const before = readFileSync(join(repository, '.env'), 'utf8')
    expect(script(repository, ['--ttl', '90'])).toMatchObject({ code: 0 })
    expect(branches()[full()]?.request).toMatchObject({ spec: { ttl: '60s' } })
    const after = readFileSync(join(repository, '.env'), 'utf8')
    expect(before).toContain("PGPASSWORD='token$1'\n")
    expect(after).toBe(before.replace('token$1', 'token$2'))
  })

  test('is made anew with --force', () => {
    script(repository, ['--ttl', '60'])
    expect(script(repository, ['--force', '--ttl', '90'])).toMatchObject({ code: 0 })
    expect(branches()[full()]?.request).toMatchObject({ spec: { ttl: '90s' } })
  })

  test('is not made when the server only failed to answer', () => {
    const { code, stderr } = script(repository, [], { BROKEN: 'connection refused' })
    expect(code).toBe(1)
    expect(stderr).toContain('connection refused')
    expect(existsSync(join(home, 'seen.json'))).toBe(false)
    expect(existsSync(join(repository, '.env'))).toBe(false)
  })
})

describe('the file', () => {
  test('keeps what others wrote, is private, and reads back in a shell', () => {
    const file = join(repository, '.env')
    writeFileSync(file, 'MINE=1\n')
    chmodSync(file, 0o644)
    script(repository, [], {
      LOGIN: "o'brien@example.com",
      PGPORT: '6543',
      PGSSLROOTCERT: '/c a.pem',
    })
    script(repository, [], {
      LOGIN: "o'brien@example.com",
      PGPORT: '6543',
      PGSSLROOTCERT: '/c a.pem',
    })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const text = readFileSync(file, 'utf8')
    expect(text.match(/^MINE=1$/gm)).toHaveLength(1)
    expect(text.match(/^PGHOST=/gm)).toHaveLength(1)
    const read = execFileSync(
      'bash',
      [
        '-c',
        `. "$0" && printf '%s|' "$MINE" "$PGUSER" "$PGPORT" "$PGSSLROOTCERT" "$PGSSLMODE"`,
        file,
      ],
      { encoding: 'utf8' },
    )
    expect(read).toBe("1|o'brien@example.com|6543|/c a.pem|require|")
  })
})

describe('the command', () => {
  test('is found in the main checkout from a worktree of it', () => {
    const lakelet = join(repository, 'lakelet')
    writeFileSync(
      lakelet,
      `#!/bin/sh\nexec '${process.execPath}' '${join(home, 'cli.mjs')}' "$@"\n`,
    )
    chmodSync(lakelet, 0o755)
    const worktree = join(home, 'agent-8')
    git(repository, 'worktree', 'add', '--quiet', '--detach', worktree)
    expect(nameIn(worktree, { LAKEBASE_CLI: '' })).toMatch(/^jane-doe-agent-8-/)
  })
})

describe('a mistake is named', () => {
  test.each([
    [['--ttl', 'six'], 'a number of seconds'],
    [['--ttl', '0'], 'more than 0'],
    [['--ttl'], '--ttl needs a value'],
    [['--form', 'xml'], 'string, object or no-expiry'],
    [['--what'], 'unknown option: --what'],
  ])('%j', (args, words) => {
    const { code, stderr } = script(repository, args)
    expect(code).toBe(1)
    expect(stderr).toContain(words)
  })

  test('a command that is not there', () => {
    const { code, stderr } = script(repository, [], { LAKEBASE_CLI: 'no-such-command' })
    expect(code).toBe(1)
    expect(stderr).toContain('no-such-command is not a command here')
  })

  test('--help needs no server', () => {
    const { code, stdout } = script(repository, ['--help'], { LAKEBASE_CLI: 'no-such-command' })
    expect(code).toBe(0)
    expect(stdout).toContain('Usage:')
  })
})
