/** What the guides of worktrees and agents tell people to type, typed: in a home of its own, against a real server. */
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeRepository, type Repository } from '../fixtures/git-repository.ts'
import { type CodeBlock, codeBlocks } from '../fixtures/guide.ts'
import { TestServer } from '../fixtures/server.ts'

const root = resolve(import.meta.dirname, '../..')

let server: TestServer
let home: string
let app: string
let git: Repository['git']
let environment: Record<string, string>

beforeAll(async () => {
  server = await TestServer.start()
  await server.sql('projects/store/branches/production', 'create table products (id int)')
}, 120_000)
afterAll(async () => {
  await server?.dispose()
})
beforeEach(() => {
  const made = makeRepository(server)
  ;({ home, git } = made)
  environment = { ...made.environment }
  app = join(home, 'code/app')
  mkdirSync(join(home, 'code'))
  cpSync(made.path, app, { recursive: true })
  writeFileSync(
    join(app, 'package.json'),
    JSON.stringify({ scripts: { dev: 'test -n "$PGPASSWORD" -a -s "$PGPASSFILE"' } }),
  )
  cpSync(join(home, 'bin/lakelet'), join(app, 'lakelet'))
  cpSync(join(root, 'examples/store/scripts'), join(app, 'examples/store/scripts'), {
    recursive: true,
  })
  git(app, 'add', '.')
  git(app, 'commit', '--quiet', '--message=app')
})
afterEach(() => rmSync(home, { recursive: true }))

/** As it stands there, in one shell, until the first command that fails. */
const type = ({ text }: Pick<CodeBlock, 'text'>, cwd = app) => {
  const { status, stdout, stderr } = spawnSync('bash', ['-e', '-o', 'pipefail', '-c', text], {
    cwd,
    encoding: 'utf8',
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  expect(status, `${text}\n${stdout}\n${stderr}`).toBe(0)
  return stdout
}
const blocksIn = (guide: string, language = 'bash') => {
  const found = codeBlocks(`docs/guide/${guide}.md`)
  return (section: string): CodeBlock => {
    const block = found.find((one) => one.section === section && one.language === language)
    if (block === undefined) throw new Error(`${guide}.md has no ${language} in “${section}”`)
    return block
  }
}

test('worktrees', async () => {
  const bash = blocksIn('worktrees')
  const said = type(bash('A branch for every worktree'))
  const shown = blocksIn('worktrees', '')('A branch for every worktree').text
  expect(firstWords(said)).toEqual(firstWords(shown))
  await server.write('POST', 'projects/store/branches?branch_id=demo', { spec: { ttl: '3600s' } })
  const worked = type(bash('Working with it'))
  expect(worked).toMatch(/^postgresql:\/\/\S+$/m)
  expect(worked).toMatch(/-main-[0-9a-f]{6} ends 2/)
  expect(worked).toMatch(/Branch +demo \(was there/)
  expect(type(bash('By itself, at each checkout'))).toMatch(/Our lines are in/)
  writeFileSync(join(app, 'lakelet.toml'), blocksIn('worktrees', 'toml')('lakelet.toml').text)
  writeFileSync(
    join(home, 'bin/alembic'),
    '#!/bin/sh\ntest -n "$DATABASE_URL" && echo "$@" >alembic-ran\n',
    { mode: 0o755 },
  )
  type({ text: 'lakelet dev' })
  expect(readFileSync(join(app, 'alembic-ran'), 'utf8')).toBe('upgrade head\n')
  type({ text: 'lakelet hooks uninstall' })
  rmSync(join(app, 'lakelet.toml'))
  type(bash('The script'))
  expect(readFileSync(join(home, 'code/agent-1/examples/store/.env'), 'utf8')).toMatch(/agent-1/)
})

test('agents', async () => {
  const bash = blocksIn('agents')
  expect(type(bash('Rules'))).toMatch(/Would write +AGENTS.md[\s\S]*Wrote +AGENTS.md/)
  expect(existsSync(join(app, 'CLAUDE.md'))).toBe(true)
  const token = /"token_value": "(.*)"/.exec(type(bash('An identity of its own')))?.[1] ?? ''
  const { lakelet } = JSON.parse(blocksIn('agents', 'json')('Tools').text).mcpServers
  const client = new Client({ name: 'test-agent', version: '1' })
  await client.connect(
    new StdioClientTransport({
      ...lakelet,
      cwd: app,
      env: { ...environment, DATABRICKS_HOST: server.apiUrl, DATABRICKS_TOKEN: token },
    }),
  )
  const call = async (name: string, args: Record<string, unknown> = {}) => {
    const { content, isError } = await client.callTool({ name, arguments: args })
    return { isError: isError === true, text: JSON.stringify(content) }
  }
  try {
    expect((await call('status')).text).toContain('agent@example.com')
    expect((await call('dev')).isError).toBe(false)
    expect((await call('query', { sql: 'select * from products' })).isError).toBe(false)
    const production = { sql: 'select * from products', branch: 'store/production' }
    expect(await call('query', production)).toMatchObject({
      isError: true,
      text: expect.stringContaining('password authentication failed'),
    })
  } finally {
    await client.close()
  }
  const names = new Set(
    readFileSync(join(root, 'docs/guide/agents.md'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .flatMap((line) =>
        [...(line.split('|')[1] ?? '').matchAll(/`(\w+)`/g)].map(([, name]) => name),
      ),
  )
  const all = new Client({ name: 'test-agent', version: '1' })
  await all.connect(
    new StdioClientTransport({
      ...lakelet,
      args: [...lakelet.args, '--allow', 'write,ddl,branches,protected'],
      cwd: app,
      env: environment,
    }),
  )
  const { tools } = await all.listTools()
  await all.close()
  const scopes = ['write', 'ddl', 'branches', 'protected']
  expect([...names].sort()).toEqual([...tools.map(({ name }) => name), ...scopes].sort())
  const [served, line] = blocksIn('agents', '')('Over HTTP').text.split('\n')
  const [, ...args] = served?.split(' ') ?? []
  const port = args.at(-1) ?? ''
  const over = spawnSync('timeout', ['--signal=TERM', '3', 'lakelet', ...args.slice(0, -1), '0'], {
    cwd: app,
    encoding: 'utf8',
    env: environment,
  })
  expect(
    over.stderr
      .replace(/:\d+\/mcp/, `:${port}/mcp`)
      .replaceAll(home, '/home/you')
      .trim(),
  ).toBe(line)
})

const firstWords = (text: string): readonly string[] =>
  text
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[0] ?? '')
