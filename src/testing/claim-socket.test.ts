import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { after, epochMs, hours, millis, minutes, systemClock } from '../lib/time.ts'
import { type Access, Claims } from './claim-socket.ts'
import { TestPool } from './test-pool.ts'

// Of a package with a module system of its own, so the compiler shall not follow.
const client: string = '../../packages/testing/src/testing.ts'
const { claimDatabase, TestPoolProblem } = await import(client)

const ends: (() => Promise<void>)[] = []
afterEach(async () => {
  delete process.env.LAKELET_TEST_POOL
  for (const end of ends.splice(0)) await end()
})

/** A pool of numbers, with access as the test gives it; the package's own client takes from it. */
async function poolWith(access: (copy: number) => Promise<Access>) {
  let made = 0
  const removed: number[] = []
  const troubles: unknown[] = []
  const onTrouble = (error: unknown) => {
    troubles.push(error)
  }
  const copies = {
    make: async () => {
      made += 1
      return made
    },
    remove: async (copy: number) => {
      removed.push(copy)
    },
  }
  const pool = new TestPool(copies, 1, onTrouble)
  const claims = await Claims.listen({
    ...{ pool, access, clock: systemClock, onTrouble, renewBefore: minutes(15) },
  })
  ends.push(() => claims.end())
  process.env.LAKELET_TEST_POOL = claims.path
  return { claims, removed, troubles }
}
const accessTo = (copy: number, password: string, left = hours(1)): Access => ({
  credentialEnds: epochMs(after(systemClock.now(), left)),
  line: { database: `test_${copy}`, password, variables: {} },
})

test('whoever connects has a copy until the connection ends', async () => {
  const { removed } = await poolWith(async (copy) => accessTo(copy, 'first'))
  const one = await claimDatabase()
  const two = await claimDatabase()
  expect([one.database, two.database]).toEqual(['test_1', 'test_2'])
  await one.release()
  await expect.poll(() => removed).toEqual([1])
  await two.release()
  await expect.poll(() => removed).toEqual([1, 2])
})

test('before its credential ends the next one is there, and programs see it', async () => {
  let asked = 0
  const { troubles } = await poolWith(async (copy) => {
    asked += 1
    if (asked === 2) return accessTo(copy, 'second')
    return accessTo(copy, 'first', millis(minutes(15) + 100))
  })
  const database = await claimDatabase()
  expect(database.password).toBe('first')
  await expect.poll(() => database.password).toBe('second')
  expect([asked, troubles]).toEqual([2, []])
})

test('what fails is told with what to do, and so is a pool that ends', async () => {
  const { claims } = await poolWith(async () => {
    throw Object.assign(new Error('no branch'), { hint: 'Make one.' })
  })
  const refused = await claimDatabase().catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(TestPoolProblem)
  expect(String(refused)).toMatch(/no branch\nMake one\./)
  await claims.end()
  ends.length = 0
  await expect(claimDatabase()).rejects.toThrow(/the test pool has ended/)
})

test('what a client writes is ignored, and one that is gone before its turn costs nothing', async () => {
  const { claims, removed } = await poolWith(async (copy) => accessTo(copy, 'first'))
  const noise = connect(claims.path)
  noise.write('{"drop": "everything"}\n'.repeat(1000))
  const line = await new Promise<string>((resolve) =>
    noise.once('data', (data) => resolve(String(data))),
  )
  expect(JSON.parse(line).database).toBe('test_1')
  noise.destroy()
  await expect.poll(() => removed).toEqual([1])
})
