/** One server, and a test for each operation whose kind matches: killed at its failpoints. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { killAtEach, writtenFailpoints } from './kills.ts'
import { nameOf, operations } from './operations.ts'
import { World } from './world.ts'

export function killingSuite(kinds: RegExp): void {
  let world: World
  beforeAll(async () => {
    world = await World.begin()
  })
  afterEach(async ({ task }) => {
    if (task.result?.state === 'fail' && world !== undefined) {
      console.error(world.server.output, world.server.log.slice(-6000))
      world.arm('') // the next kind has a server that runs
      await world.settled('after a failure')
    }
  })
  afterAll(async () => {
    await world?.server.dispose()
  })

  describe('the server killed at failpoints, twice', () => {
    test.each(
      operations
        .filter(({ kind }) => kinds.test(kind))
        .map((operation) => [nameOf(operation), operation] as const),
    )(
      '%s',
      async (_name, operation) => {
        const passed = await killAtEach(world, operation)
        const claimed = writtenFailpoints().filter((point) => operation.covers?.test(point))
        expect(claimed.filter((point) => !passed.includes(point))).toEqual([])
      },
      1_200_000,
    )
  })
}
