/** `lakelet branch promote` with a real tool: migrations alone, after a rehearsal, and nothing where that fails. */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeRepository, program, type Repository } from '../fixtures/git-repository.ts'
import { TestServer } from '../fixtures/server.ts'

const production = 'projects/store/branches/production'
const root = resolve(import.meta.dirname, '../..')

let server: TestServer
let repository: Repository

beforeAll(async () => {
  server = await TestServer.start()
}, 120_000)
afterAll(async () => {
  await server?.dispose()
})
beforeEach(async () => {
  repository = makeRepository(server)
  await server.sql(production, 'DROP TABLE IF EXISTS tea, pgmigrations')
  file('package.json', '{"type": "module", "devDependencies": {"node-pg-migrate": "9.0.0"}}')
  symlinkSync(join(root, 'node_modules'), join(repository.path, 'node_modules'))
  step('1_tea', 'CREATE TABLE tea (id int PRIMARY KEY, name text)')
  const { status, stderr } = lakelet('migrate', '--branch', 'production')
  expect(status, stderr).toBe(0)
  expect(lakelet('dev').status).toBe(0)
})
afterEach(async () => {
  rmSync(repository.home, { recursive: true })
  for (const name of await branches()) {
    if (name !== production) await server.write('DELETE', `${name}?purge=true`)
  }
})

const file = (path: string, text: string) => {
  const at = join(repository.path, path)
  mkdirSync(join(at, '..'), { recursive: true })
  writeFileSync(at, text)
}
const step = (name: string, sql: string) =>
  file(
    `migrations/170000000000${name}.js`,
    `export const up = (pgm) => { pgm.sql(${JSON.stringify(sql)}) }\n`,
  )
const lakelet = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: repository.path,
    encoding: 'utf8',
    env: repository.environment,
  })
  return { status, stdout, stderr }
}
const promote = (...args: string[]) => lakelet('branch', 'promote', ...args)
const branches = async (): Promise<string[]> => {
  const path = '/api/2.0/postgres/projects/store/branches?page_size=99'
  const { body } = await server.api('GET', path)
  return body.branches.map(({ name }: { readonly name: string }) => name)
}
const appliedTo = async (branch: string): Promise<string[]> => {
  const { rows } = await server.sql(branch, 'SELECT name FROM pgmigrations ORDER BY name')
  return rows.map(({ name }) => name)
}
const one = '1700000000001_tea'
const two = '1700000000002_price'

test('the target gets what it lacks, after a rehearsal, and no row', async () => {
  step('2_price', 'ALTER TABLE tea ADD COLUMN price int NOT NULL')
  expect(lakelet('migrate').stdout).toMatch(new RegExp(`^Applied ${two}$`, 'm'))
  const own = (await branches()).find((name) => name !== production) ?? ''
  await server.sql(own, "INSERT INTO tea VALUES (1, 'mine', 2)")
  const tried = JSON.parse(promote('--dry-run', '-o', 'json').stdout)
  expect(tried).toMatchObject({
    source_branch: own,
    target_branch: production,
    missing: [two],
    rehearsal: { exit_code: 0, applied: [two] },
    applied: [],
  })
  expect(await appliedTo(production)).toEqual([one])
  const done = promote()
  expect(done).toMatchObject({ status: 0, stdout: expect.stringMatching(/Rehearsed /) })
  expect(done.stdout).toContain(`Applied ${two} to ${production}\n`)
  expect(await appliedTo(production)).toEqual([one, two])
  expect((await server.sql(production, 'SELECT * FROM tea')).rows).toEqual([])
  expect(promote().stdout).toBe(`${production} lacks no migration of ${own}.\n`)
  expect((await branches()).sort()).toEqual([own, production].sort())
})

test('what the data of the target does not allow is found in the rehearsal', async () => {
  step('2_price', 'ALTER TABLE tea ADD COLUMN price int NOT NULL')
  expect(lakelet('migrate').status).toBe(0)
  await server.sql(production, "INSERT INTO tea VALUES (1, 'there')")
  const { status, stdout, stderr } = promote('--yes')
  expect(status).not.toBe(0)
  expect(stderr + stdout).toMatch(/contains null values/)
  expect(stdout).toContain(`Nothing was done to ${production}.`)
  expect(await appliedTo(production)).toEqual([one])
  expect(await branches()).toHaveLength(2)
})

test('is refused where the tool would do something else', async () => {
  const refused = (says: RegExp, ...args: string[]) => {
    const { status, stderr } = promote(...args)
    expect(stderr).toMatch(says)
    expect(status).toBe(1)
  }
  step('2_price', 'ALTER TABLE tea ADD COLUMN price int')
  refused(/the checkout has 1700000000002_price, which .* has not had\nHint: Run lakelet migrate/)
  expect(lakelet('migrate').status).toBe(0)
  rmSync(join(repository.path, `migrations/${two}.js`))
  refused(/database is ahead of the code: it has had 1700000000002_price/)
  refused(/production was made of no other branch\nHint: .*--to BRANCH/, 'production')
  refused(/not found/, '--to', 'absent')
  rmSync(join(repository.path, 'package.json'))
  file('lakelet.toml', 'migrate = "true"\n')
  refused(/nobody knows what is missing/)
  expect(await appliedTo(production)).toEqual([one])
  expect(await branches()).toHaveLength(2)
})
