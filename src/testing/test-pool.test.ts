import { expect, test } from 'vitest'
import { TestPool } from './test-pool.ts'

/** Copies are numbers; each make waits until the test lets it go on. */
function numbered() {
  const begun: { let(): void; fail(error: Error): void }[] = []
  const removed: number[] = []
  const troubles: unknown[] = []
  let made = 0
  return {
    removed,
    troubles,
    begun,
    copies: {
      make: () =>
        new Promise<number>((resolve, reject) => {
          begun.push({
            let: () => {
              made += 1
              resolve(made)
            },
            fail: reject,
          })
        }),
      remove: async (copy: number) => {
        removed.push(copy)
      },
    },
    onTrouble: (error: unknown) => {
      troubles.push(error)
    },
  }
}
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function filled(ahead: number) {
  const world = numbered()
  const pool = new TestPool(world.copies, ahead, world.onTrouble)
  const filling = pool.fill()
  for (let at = 0; at < ahead; at += 1) {
    await turn()
    world.begun[at]?.let()
  }
  await filling
  return { ...world, pool }
}

test('copies lie ready, each is handed out once, and what was taken is made up for', async () => {
  const { pool, begun } = await filled(2)
  expect(begun.length).toBe(2)
  expect(await Promise.all([pool.take(), pool.take()])).toEqual([1, 2])
  await turn()
  expect(begun.length).toBe(3)
  begun[2]?.let()
  await turn()
  expect(begun.length).toBe(4)
  expect(await pool.take()).toBe(3)
})

test('whoever finds none waits for the next one, in the order of asking', async () => {
  const { pool, begun } = await filled(1)
  const taken: Promise<number>[] = [pool.take(), pool.take(), pool.take()]
  for (const at of [1, 2, 3]) {
    await turn()
    begun[at]?.let()
  }
  expect(await Promise.all(taken)).toEqual([1, 2, 3])
})

test('asked again in the very turn in which the last one was made, it goes on making', async () => {
  const { pool, begun } = await filled(1)
  const first = await pool.take()
  await turn()
  begun[1]?.let()
  const next = pool.take().then((copy) => [copy, pool.take()] as const)
  const [second, third] = await next
  await turn()
  begun[2]?.let()
  expect([first, second, await third]).toEqual([1, 2, 3])
})

test('what was used is removed, what was not is handed out again', async () => {
  const { pool, removed } = await filled(1)
  const copy = await pool.take()
  pool.giveBack(copy)
  expect(await pool.take()).toBe(copy)
  pool.discard(copy)
  expect(removed).toEqual([copy])
})

test('a failure is told to everybody who waits, and the next one tries again', async () => {
  const { pool, begun, troubles } = await filled(1)
  await pool.take()
  const refused = Promise.allSettled([pool.take(), pool.take()])
  await turn()
  begun[1]?.fail(new Error('disk full'))
  expect((await refused).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(troubles).toEqual([new Error('disk full')])
  const again = pool.take()
  await turn()
  begun[2]?.let()
  expect(await again).toBe(2)
})

test('a failure that nobody waits for is told', async () => {
  const { pool, begun, troubles } = await filled(1)
  await pool.take()
  await turn()
  begun[1]?.fail(new Error('disk full'))
  await turn()
  expect(troubles).toEqual([new Error('disk full')])
})

test('at its end nobody waits for ever, and nothing is made or removed any more', async () => {
  const { pool, begun, removed } = await filled(1)
  const copy = await pool.take()
  const refused = expect(pool.take()).rejects.toThrow(/has ended/)
  await turn()
  const ended = pool.end()
  begun[1]?.let()
  await Promise.all([refused, ended])
  await expect(pool.take()).rejects.toThrow(/has ended/)
  pool.discard(copy)
  await pool.fill()
  expect([begun.length, removed]).toEqual([2, []])
})
