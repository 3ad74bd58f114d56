/** `lakelet init` in real repositories: what it writes, what it leaves alone, and that each command of its rules works. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeRepository, program, type Repository } from '../fixtures/git-repository.ts'
import { TestServer } from '../fixtures/server.ts'

const files = ['AGENTS.md', 'CLAUDE.md', '.cursor/rules/lakelet.mdc']

let server: TestServer
let home: string
let repository: string
let git: Repository['git']
let environment: Record<string, string>

beforeAll(async () => {
  server = await TestServer.start()
}, 120_000)
afterAll(async () => {
  await server?.dispose()
})
beforeEach(() => {
  const made = makeRepository(server)
  ;({ home, git } = made)
  repository = realpathSync(made.path)
  environment = { ...made.environment }
})
afterEach(() => rmSync(home, { recursive: true }))

const init = (directory: string, ...args: string[]) =>
  spawnSync(process.execPath, [program, 'init', ...args], {
    cwd: directory,
    encoding: 'utf8',
    env: environment,
  })
const read = (path: string) => readFileSync(join(repository, path), 'utf8')

describe('lakelet init', () => {
  test('writes the project file and the rules once, and again nothing', () => {
    const dry = init(repository, '--dry-run')
    expect(dry).toMatchObject({ status: 0, stderr: '' })
    expect(dry.stdout.match(/Would write +\S+/g)).toHaveLength(4)
    expect(git(repository, 'status', '--porcelain')).toBe('')
    const { status, stdout } = init(repository)
    expect(status).toBe(0)
    expect(stdout).toBe(['lakelet.toml', ...files].map((path) => `Wrote      ${path}\n`).join(''))
    expect(read('lakelet.toml')).toMatch(/^project = "store"$/m)
    expect(read('.cursor/rules/lakelet.mdc')).toMatch(
      /^---\ndescription: .*\nalwaysApply: true\n---\n/,
    )
    const before = ['lakelet.toml', ...files].map(read)
    expect(init(repository).stdout.match(/As it was/g)).toHaveLength(4)
    expect(['lakelet.toml', ...files].map(read)).toEqual(before)
    expect(JSON.parse(init(repository, '-o', 'json').stdout).files[0]).toEqual({
      path: 'lakelet.toml',
      does: 'nothing',
    })
  })

  test('each command of its rules works in a worktree of the repository', async () => {
    expect(init(repository).status).toBe(0)
    git(repository, 'add', '.')
    git(repository, 'commit', '--quiet', '--message=rules')
    const worktree = join(home, 'agent-1')
    git(repository, 'worktree', 'add', '--quiet', '--detach', worktree)
    for (const file of files) {
      const rules = readFileSync(join(worktree, file), 'utf8')
      const [, block = ''] = /```bash\n([\s\S]*?)```/.exec(rules) ?? []
      const commands = block.trim().split('\n')
      expect(commands.length).toBeGreaterThanOrEqual(5)
      for (const line of commands) {
        const done = spawnSync('bash', ['-c', line], {
          cwd: worktree,
          encoding: 'utf8',
          env: environment,
        })
        expect(done, line).toMatchObject({ status: 0, stderr: '' })
        expect(done.stdout, line).not.toBe('')
      }
      // What is a command in the text, and may be run.
      for (const [, inline = ''] of rules.matchAll(/`(lakelet [^`]+)`/g)) {
        const done = spawnSync('bash', ['-c', inline], { cwd: worktree, env: environment })
        expect(done.status, inline).toBe(0)
      }
    }
    const { body } = await server.api('GET', '/api/2.0/postgres/projects/store/branches')
    expect(
      body.branches.filter(({ name }: { name: string }) => name.includes('agent-1')),
    ).toHaveLength(1)
    // Each thing that the rules say is said is really said.
    const said = (...args: string[]) =>
      spawnSync(process.execPath, [program, ...args], {
        cwd: repository,
        encoding: 'utf8',
        env: environment,
      }).stderr
    expect(said('url')).toContain('has no branch yet')
    expect(
      spawnSync('bash', ['-c', 'lakelet dev'], { cwd: repository, env: environment }).status,
    ).toBe(0)
    const name = /^LAKEBASE_BRANCH=(.*)$/m.exec(read('.env'))?.[1]
    await server.write('DELETE', `${name}?purge=true`)
    expect(said('url')).toContain('has ended')
  })

  test('keeps what people wrote, byte by byte, with its line ends and rights', () => {
    const mine = Buffer.concat([
      Buffer.from('# Rules\r\n\r\nBe k\u00efnd.\r\n'),
      Buffer.from([0xff, 0xfe, 0x0d, 0x0a]),
    ])
    writeFileSync(join(repository, 'AGENTS.md'), mine)
    chmodSync(join(repository, 'AGENTS.md'), 0o664)
    writeFileSync(join(repository, 'lakelet.toml'), 'env_file = "config.local"\nmigrate = "true"\n')
    const first = init(repository)
    expect(first.stdout).toMatch(/As it was +lakelet.toml\nChanged +AGENTS.md/)
    expect(first.stderr).toMatch(/git does not ignore config.local/)
    expect(read('lakelet.toml')).toBe('env_file = "config.local"\nmigrate = "true"\n')
    const whole = readFileSync(join(repository, 'AGENTS.md'))
    expect(whole.subarray(0, mine.length).equals(mine)).toBe(true)
    expect(
      whole
        .toString()
        .split('\n')
        .every((line) => line === '' || line.endsWith('\r')),
    ).toBe(true)
    expect(whole.toString()).toMatch(/config\.local, run the migrations/)
    expect(statSync(join(repository, 'AGENTS.md')).mode & 0o777).toBe(0o664)
    const edited = Buffer.concat([Buffer.from('Above\r\n'), whole, Buffer.from('Below\r\n')])
    writeFileSync(join(repository, 'AGENTS.md'), edited)
    writeFileSync(join(repository, 'lakelet.toml'), '')
    expect(init(repository).stdout).toMatch(/Changed +AGENTS.md/)
    const after = readFileSync(join(repository, 'AGENTS.md'))
    expect(after.subarray(0, mine.length + 7).equals(edited.subarray(0, mine.length + 7))).toBe(
      true,
    )
    expect(after.toString()).toMatch(/Below\r\n$/)
    expect(after.toString()).not.toContain('config.local')
  })

  test('writes beside the project file of one project of several', () => {
    mkdirSync(join(repository, 'api/src'), { recursive: true })
    writeFileSync(join(repository, 'api/lakelet.toml'), '')
    expect(init(join(repository, 'api/src')).status).toBe(0)
    expect(existsSync(join(repository, 'api/AGENTS.md'))).toBe(true)
    expect(existsSync(join(repository, 'AGENTS.md'))).toBe(false)
  })

  test('needs no server', () => {
    environment.LAKELET_STATE_DIR = join(home, 'nothing')
    expect(init(repository)).toMatchObject({ status: 0, stderr: '' })
    expect(read('lakelet.toml')).toMatch(/^# project = "store"/m)
    rmSync(join(repository, 'lakelet.toml'))
    expect(init(repository, '--project', 'shop').status).toBe(0)
    expect(read('lakelet.toml')).toMatch(/^project = "shop"$/m)
    expect(read('AGENTS.md')).toContain('"shop/$(lakelet dev --print-name)"')
  })

  test('takes a link between the files for one of them', () => {
    writeFileSync(join(repository, 'AGENTS.md'), '# Mine\n')
    symlinkSync('AGENTS.md', join(repository, 'CLAUDE.md'))
    expect(init(repository).stdout).not.toContain('CLAUDE.md')
    expect(read('CLAUDE.md').match(/>>> lakelet init/g)).toHaveLength(1)
  })

  test.each<[string, (path: string) => void, RegExp, string[]]>([
    [
      'outside of a repository',
      () => rmSync(join(repository, '.git'), { recursive: true }),
      /git init/,
      [],
    ],
    [
      'a link out of it',
      (path) => symlinkSync('/etc/hosts', path),
      /is a link to[\s\S]*Make it a file/,
      [],
    ],
    ['a directory', (path) => mkdirSync(path), /is not a file/, []],
    [
      'no text',
      (path) => writeFileSync(path, Buffer.from('A\0B\0', 'latin1')),
      /Save it as UTF-8/,
      [],
    ],
    [
      'a torn block',
      (path) => writeFileSync(path, '<!-- >>> lakelet init\nMine\n'),
      /where they end is unknown/,
      [],
    ],
    ['no id', () => undefined, /"A B" is no id/, ['--project', 'A B']],
    [
      'another project than the file has',
      () => writeFileSync(join(repository, 'lakelet.toml'), 'project = "a"\n'),
      /Write project = "b" into it/,
      ['--project', 'b'],
    ],
  ])('refuses %s before anything is written', (_, spoil, words, args) => {
    spoil(join(repository, 'CLAUDE.md'))
    const { status, stderr } = init(repository, ...args)
    expect(status).toBe(1)
    expect(stderr).toMatch(words)
    expect(existsSync(join(repository, 'AGENTS.md'))).toBe(false)
  })
})
