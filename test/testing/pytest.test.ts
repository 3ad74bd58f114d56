/** Real pytest, alone and with pytest-xdist, with the plugin as it is built: a fresh database for each file. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'
import { lakelet, Project, testBranches } from './project.ts'
import { installPytest } from './python.ts'

let server: TestServer
let project: Project
let pytest: readonly string[]

beforeAll(async () => {
  pytest = await installPytest()
  server = await TestServer.start()
  project = await Project.make(server)
  mkdirSync(join(project.path, 'own'))
}, 300_000)
afterAll(async () => {
  project?.dispose()
  await server?.dispose()
})
afterEach(async () => {
  project.seen()
  if (server.isUp) expect(await testBranches(server)).toEqual([])
})

const write = (name: string, text: string) => writeFileSync(join(project.path, 'own', name), text)

test.each([
  ['alone', []],
  ['with xdist', ['-n', '4', '--dist', 'loadfile']],
])('each file has its own database: %s', async (_how, flags) => {
  const { code, output } = await project.run('pytest', [...pytest, ...flags])
  expect([code, output]).toEqual([0, expect.stringMatching(/8 passed/)])
  const seen = project.seen()
  expect(seen.filter((line) => line === 'migrated')).toHaveLength(1)
  const files = new Map(seen.map((line) => line.split(' ')).map(([, name, file]) => [name, file]))
  files.delete(undefined) // of the migrations' line
  expect([...files.values()].sort()).toEqual(['four', 'one', 'three', 'two'])
})

test('below lakelet test it takes the pool that is there', async () => {
  const { code, output } = await project.run('pytest', [...lakelet, 'test', '--', ...pytest])
  expect([code, output]).toEqual([0, expect.stringMatching(/8 passed/)])
  expect(project.seen().filter((line) => line === 'migrated')).toHaveLength(1)
})

test.each([[[]], [['-n', '2']]])('settings and a hook that migrates: %j', async (flags) => {
  write(
    'pytest.ini',
    '[pytest]\nlakelet_source = production\nlakelet_ahead = 1\nlakelet_branches = true\n',
  )
  write(
    'conftest.py',
    `import psycopg

def pytest_lakelet_migrate(database):
    assert database["variables"]["PGHOST"] == database["host"]
    with psycopg.connect(database["url"], connect_timeout=10) as connection:
        connection.execute("create table by_hook ()")
`,
  )
  write(
    'test_hook.py',
    `import psycopg

def test_hook(lakelet_database):
    parts = dict(host=lakelet_database.host, port=lakelet_database.port, dbname=lakelet_database.database,
                 user=lakelet_database.user, password=lakelet_database.password,
                 sslmode="verify-full", sslrootcert=lakelet_database.ca_file)
    with psycopg.connect(**parts) as connection:
        assert connection.execute("select * from by_hook").fetchall() == []
    assert lakelet_database.branch.endswith(("-1", "-2", "-3"))
`,
  )
  const { code, output } = await project.run('own', [...pytest, ...flags, 'test_hook.py'])
  expect([code, output]).toEqual([0, expect.stringMatching(/1 passed/)])
  write('pytest.ini', '[pytest]\n')
  write('conftest.py', '')
})

test('killed, alone and with workers, it leaves nothing', async () => {
  write(
    'test_hangs.py',
    `import os, time

def test_hangs(lakelet_database):
    open(os.environ["SEEN"], "w").write("hangs")
    time.sleep(10)
`,
  )
  for (const flags of [[], ['-n', '2']]) {
    const runner = project.start('own', [...pytest, ...flags, 'test_hangs.py'])
    await eventually('a test runs', () => project.seen().includes('hangs'), 40_000)
    process.kill(runner.pid, 'SIGKILL')
    await eventually('the branch is gone', async () => (await testBranches(server)).length === 0)
    // A worker of xdist goes on with its test, and ends when it wants to tell of it.
    await eventually('the workers have ended', () => project.processes().length === 0, 40_000)
  }
}, 120_000)

test('what cannot begin is told to the tests that want a database; the others pass', async () => {
  write(
    'test_both.py',
    `def test_with(lakelet_database):
    pass

def test_without():
    pass
`,
  )
  const both = [...pytest, 'test_both.py']
  write(
    'conftest.py',
    'def pytest_lakelet_migrate(database):\n    raise ValueError("my own trouble")\n',
  )
  const failed = await project.run('own', both)
  expect(failed.output).toMatch(/pytest_lakelet_migrate failed: ValueError\('my own trouble'\)/)
  expect(failed.output).toMatch(/1 passed, 1 error/)
  write('conftest.py', '')
  expect((await project.run('own', both, { LAKELET_COMMAND: '/not-there' })).output).toMatch(
    /there is no program \/not-there/,
  )
  await server.stop()
  try {
    for (const flags of [[], ['-n', '2']]) {
      const { code, output } = await project.run('own', [...both, ...flags])
      expect(code).toBe(1)
      expect(output).toMatch(/Start it with: lakelet up/)
      expect(output).toMatch(/1 passed, 1 error/)
    }
  } finally {
    await server.launch()
  }
})
