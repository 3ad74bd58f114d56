/** Real vitest, jest and node:test with the packed package: a fresh database for each file, and nothing afterwards. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { TestServer } from '../fixtures/server.ts'
import { jest, lakelet, Project, testBranches, vitest } from './project.ts'

let server: TestServer
let project: Project

beforeAll(async () => {
  server = await TestServer.start()
  project = await Project.make(server)
}, 240_000)
afterAll(async () => {
  project?.dispose()
  await server?.dispose()
})
afterEach(async () => {
  expect(await testBranches(server)).toEqual([])
})

const names = ['four', 'one', 'three', 'two']

/** One migration, and for each file a database that no other file had. */
function expectOneEach(files: readonly string[] = names) {
  const seen = project.seen()
  expect(seen.filter((line) => line === 'migrated')).toHaveLength(1)
  const databases = seen.filter((line) => line !== 'migrated').map((line) => line.split(' '))
  expect(databases.map(([, , file]) => file).sort()).toEqual(files)
  expect(new Set(databases.map(([branch, database]) => `${branch} ${database}`)).size).toBe(
    files.length,
  )
  return databases
}

describe('each file has its own database', () => {
  test('in vitest, in parallel', async () => {
    const { code, output } = await project.run('vitest', vitest)
    expect([code, output]).toEqual([0, expect.stringMatching(/4 passed/)])
    const databases = expectOneEach()
    expect(new Set(databases.map(([branch]) => branch)).size).toBe(1)
  })

  test.each(['threads', 'forks', 'vmThreads'])(
    'in vitest with %s that are used again',
    async (pool) => {
      const flags = [`--pool=${pool}`, '--no-isolate', '--maxWorkers=1']
      const { code, output } = await project.run('vitest', [...vitest, ...flags])
      expect([code, output]).toEqual([0, expect.stringMatching(/4 passed/)])
      expectOneEach()
    },
  )

  test.each([['--maxWorkers=4'], ['--runInBand']])('in jest with %s', async (flag) => {
    const { code, output } = await project.run('jest', [...jest, flag])
    expect([code, output]).toEqual([0, expect.stringMatching(/4 passed/)])
    expect(output).not.toMatch(/did not exit|leak/i)
    expectOneEach()
  })

  test('in node:test, below lakelet test', async () => {
    const { code, output } = await project.run('node', [...lakelet, 'test', '--', 'node', '--test'])
    expect([code, output]).toEqual([0, expect.stringMatching(/pass 4/)])
    expectOneEach()
  })

  test('below lakelet test a runner’s own set-up takes the pool that is there', async () => {
    const { code, output } = await project.run('vitest', [...lakelet, 'test', '--', ...vitest])
    expect([code, output]).toEqual([0, expect.stringMatching(/4 passed/)])
    expectOneEach()
  })
})
