/** What a test run leaves when it ends badly: nothing. And what it says when it cannot begin. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { eventually, TestServer } from '../fixtures/server.ts'
import { lakelet, Project, type Running, testBranches, vitest } from './project.ts'

let server: TestServer
let project: Project

beforeAll(async () => {
  server = await TestServer.start()
  await server.sql(
    'projects/store/branches/production',
    'create table kept (id int); insert into kept values (1), (2)',
  )
  project = await Project.make(server)
  mkdirSync(join(project.path, 'own'))
}, 240_000)
afterAll(async () => {
  project?.dispose()
  await server?.dispose()
})
afterEach(async () => {
  project.seen()
  if (server.isUp) expect(await testBranches(server)).toEqual([])
})

const write = (name: string, text: string) => writeFileSync(join(project.path, 'own', name), text)
const serving = (...flags: string[]): Running =>
  project.start('own', [...lakelet, 'test', '--serve', ...flags])
const poolOf = async ({ output }: Running): Promise<string> => {
  await eventually('the pool is there', () => /"pool"/.test(output()), 30_000)
  return /"pool":"([^"]+)"/.exec(output())?.[1] ?? ''
}
/** The only branch of a run. */
const branch = async (): Promise<string> => {
  const [name, ...others] = await testBranches(server)
  expect(others).toEqual([])
  return name ?? ''
}
const databases = async (): Promise<readonly string[]> => {
  const { rows } = await server.sql(await branch(), 'select datname as name from pg_database')
  return rows.map(({ name }) => name).filter((name) => /^test_\d+$/.test(name))
}
const noBranches = async () => (await testBranches(server)).length === 0

describe('a set-up of one’s own', () => {
  test('migrates by a function; a database that is released goes while the run goes on', async () => {
    write(
      'vitest.config.mjs',
      `export default { test: { globalSetup: ['./setup.mjs'], include: ['released.test.mjs'] } }`,
    )
    write(
      'setup.mjs',
      `import { setUp } from '@lakelet/testing'
       import pg from 'pg'
       export default () =>
         setUp({
           ahead: 1,
           migrate: async ({ url, variables }) => {
             if (variables.DATABASE_URL !== url) throw new Error('two addresses')
             const client = new pg.Client({ connectionString: url })
             await client.connect()
             await client.query('create table by_function ()')
             await client.end()
           },
         })`,
    )
    write(
      'released.test.mjs',
      `import { readFileSync } from 'node:fs'
       import { claimDatabase } from '@lakelet/testing'
       import pg from 'pg'
       import { expect, test } from 'vitest'
       test('two', async () => {
         const [one, two] = [await claimDatabase(), await claimDatabase()]
         expect(one.database).not.toBe(two.database)
         const { host, port, user, database, caFile } = two
         const client = new pg.Client({
           ...{ host, port, user, database, password: () => two.password },
           ssl: { ca: readFileSync(caFile, 'utf8') },
         })
         await client.connect()
         const rows = async (text, ...values) => (await client.query(text, values)).rows
         expect(await rows('select * from by_function')).toEqual([])
         const named = () => rows('select from pg_database where datname = $1', one.database)
         expect(await named()).toHaveLength(1)
         await one.release()
         await expect.poll(named, { timeout: 10_000 }).toHaveLength(0)
         await client.end()
       }, 20_000)`,
    )
    const { code, output } = await project.run('own', vitest)
    expect([code, output]).toEqual([0, expect.stringMatching(/1 passed/)])
  })

  test('whose function leaves a session open is told so', async () => {
    write(
      'open.mjs',
      `import { setUp } from '@lakelet/testing'
       import pg from 'pg'
       const migrate = async ({ url }) => {
         const client = new pg.Client({ connectionString: url })
         client.on('error', () => undefined)
         await client.connect()
       }
       await setUp({ migrate }).catch(({ message }) => console.log(message))
       process.exit()`,
    )
    const { output } = await project.run('own', ['node', 'open.mjs'])
    expect(output).toMatch(/cannot be copied: sessions are open on it/)
    expect(output).toMatch(/Close every connection that the migrations opened/)
    await eventually('the branch is gone', noBranches)
  })

  test('whose function throws leaves nothing', async () => {
    write(
      'throws.mjs',
      `import { setUp } from '@lakelet/testing'
       const migrate = async () => { throw new Error('my own trouble') }
       await setUp({ migrate }).catch(({ message }) => console.log(message))`,
    )
    const { code, output } = await project.run('own', ['node', 'throws.mjs'])
    expect([code, output]).toEqual([0, 'my own trouble\n'])
  })
})

test('with --branches each file has a branch with the source’s data, migrated once', async () => {
  for (const name of ['one', 'two', 'three']) {
    write(
      `${name}.branch.mjs`,
      `import { database } from '@lakelet/testing/file'
       import assert from 'node:assert/strict'
       import { appendFileSync } from 'node:fs'
       import { test } from 'node:test'
       import pg from 'pg'
       test('data of the source and of the migrations', async () => {
         const client = new pg.Client({ connectionString: database.url })
         await client.connect()
         await client.query('insert into kept values (3)')
         const { rows } = await client.query('select count(*)::int as n from kept union all select count(*)::int from products')
         assert.deepEqual(rows, [{ n: 3 }, { n: 1 }])
         await client.end()
         appendFileSync(process.env.SEEN, database.branch + '\\n')
       })`,
    )
  }
  const files = ['one', 'two', 'three'].map((name) => `${name}.branch.mjs`)
  const flags = ['--branches', '--source', 'production', '--ahead', '2']
  const command = [...lakelet, 'test', ...flags, '--', 'node', '--test', ...files]
  const { code, output } = await project.run('own', command)
  expect([code, output]).toEqual([0, expect.stringMatching(/pass 3/)])
  const seen = project.seen()
  expect(seen.filter((line) => line === 'migrated')).toHaveLength(1)
  expect(new Set(seen).size).toBe(4)
})

describe('what dies', () => {
  test('a worker: its database goes, the others stay', async () => {
    const owner = serving('--ahead', '1')
    const LAKELET_TEST_POOL = await poolOf(owner)
    write(
      'worker.mjs',
      `import { claimDatabase } from '@lakelet/testing'
       console.log((await claimDatabase()).database)
       setInterval(() => undefined, 1000)`,
    )
    const start = () => project.start('own', ['node', 'worker.mjs'], { LAKELET_TEST_POOL })
    const [one, two] = [start(), start()]
    await eventually('both have one', () => one.output() !== '' && two.output() !== '')
    expect(await databases()).toContain(one.output().trim())
    process.kill(one.pid, 'SIGKILL')
    await eventually(
      'its database is gone',
      async () => !(await databases()).includes(one.output().trim()),
    )
    expect(await databases()).toContain(two.output().trim())
    process.kill(two.pid, 'SIGKILL')
    owner.end()
    expect((await owner.ended).code).toBe(0)
  })

  test('the runner: everything goes at once', async () => {
    write(
      'hanging.mjs',
      `export default { test: { globalSetup: ['@lakelet/testing/setup'], include: ['hangs.test.mjs'] } }`,
    )
    write(
      'hangs.test.mjs',
      `import { claimDatabase } from '@lakelet/testing'
       import { writeFileSync } from 'node:fs'
       import { test } from 'vitest'
       test('hangs', async () => {
         writeFileSync(process.env.SEEN, (await claimDatabase()).branch)
         await new Promise(() => undefined)
       }, 120_000)`,
    )
    const runner = project.start('own', [...vitest, '--config', 'hanging.mjs'])
    let seen: readonly string[] = []
    await eventually(
      'a test runs',
      () => {
        seen = project.seen().filter((line) => line !== 'migrated')
        return seen.length > 0
      },
      40_000,
    )
    expect(await testBranches(server)).toEqual(seen)
    process.kill(runner.pid, 'SIGKILL')
    await eventually('the branch is gone', noBranches)
  })

  test('whoever asked, while migrations run: they end, and the branch goes', async () => {
    const owner = serving('--migrate', 'sleep 300')
    await eventually('the branch is there', async () => !(await noBranches()))
    await delay(1000) // most likely migrating by now; before that the end is the same
    owner.end()
    expect((await owner.ended).code).toBe(130)
  })

  test('the owner, killed: the end of its branch had moved while it lived, and comes', async () => {
    const owner = serving('--ttl', '30s')
    const LAKELET_TEST_POOL = await poolOf(owner)
    const name = await branch()
    const ends = async () =>
      (await server.api('GET', `/api/2.0/postgres/${name}`)).body.status.expire_time as string
    const first = await ends()
    await eventually('the end has moved', async () => (await ends()) > first)
    process.kill(owner.pid, 'SIGKILL')
    await owner.ended
    const { output } = await project.run('own', ['node', 'worker.mjs'], { LAKELET_TEST_POOL })
    expect(output).toMatch(/the test pool has ended/)
    await eventually('the branch has ended', noBranches, 50_000)
  }, 100_000)
})

describe('what cannot begin says why', () => {
  const refused = async (...words: string[]) => {
    const { code, output } = await project.run('own', [...lakelet, 'test', ...words])
    expect(code).toBe(1)
    return output
  }

  test('flags', async () => {
    expect(await refused()).toMatch(/nothing to run\nHint: .*lakelet test -- /)
    expect(await refused('--ahead', '0', '--', 'true')).toMatch(/"0" is not a number from 1 to 64/)
    expect(await refused('--ttl', '5s', '--', 'true')).toMatch(/--ttl: "5s" is not .*30s or more/)
    expect(await refused('--source', 'nowhere', '--', 'true')).toMatch(/branch id not found/)
    expect(await refused('--project', 'nowhere', '--', 'true')).toMatch(/project id not found/)
    expect(await refused('--', 'no-such-program')).toMatch(
      /no program no-such-program on your PATH/,
    )
  })

  test('migrations that fail: no test runs', async () => {
    const said = await refused('--migrate', 'echo half way; exit 3', '--', 'sh', '-c', 'echo RAN')
    expect(said).toMatch(/half way\nError: migrations ended with 3: .*\nHint: No test was run/)
    expect(said).not.toMatch(/^RAN/m)
  })

  test('the exit code of the tests is ours', async () => {
    expect((await project.run('own', [...lakelet, 'test', '--', 'sh', '-c', 'exit 7'])).code).toBe(
      7,
    )
  })

  test('a server that is down, no program, no pool', async () => {
    await server.stop()
    try {
      const { code, output } = await project.run('vitest', vitest)
      expect(code).toBe(1)
      expect(output).toMatch(/could not make a test pool/)
      expect(output).toMatch(/Start it with: lakelet up/)
    } finally {
      await server.launch()
    }
    const elsewhere = { LAKELET_COMMAND: join(project.path, 'not-there') }
    expect((await project.run('vitest', vitest, elsewhere)).output).toMatch(
      /there is no program .*not-there\n.*LAKELET_COMMAND=/,
    )
    expect((await project.run('own', ['node', 'worker.mjs'])).output).toMatch(
      /there is no test pool to take a database from\n.*lakelet test -- CMD/,
    )
  })

  test('without git the project file counts all the same', async () => {
    const { path } = project
    const toml = readFileSync(join(path, 'lakelet.toml'), 'utf8')
    const bare = join(project.home, 'no-git')
    mkdirSync(bare)
    writeFileSync(
      join(bare, 'lakelet.toml'),
      toml.replace(/migrate = .*/, 'migrate = "echo done > $MARK"'),
    )
    const mark = join(project.home, 'mark')
    const { code } = await project.run('../no-git', [...lakelet, 'test', '--', 'true'], {
      MARK: mark,
    })
    expect([code, readFileSync(mark, 'utf8')]).toEqual([0, 'done\n'])
  })
})
