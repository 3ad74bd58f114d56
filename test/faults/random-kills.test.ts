/**
 * Server, gateway, a compute and the catalog, killed at random moments of every operation. Who was killed
 * comes back, the operation has exactly one of its two ends, and nothing acknowledged is lost.
 *
 * LAKELET_TEST_FAULTS=long: each operation five times with each victim.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest'
import { type Chance, chance } from '../fixtures/seed.ts'
import { nameOf, type Operation, operations } from './operations.ts'
import { type Victim, victims, World } from './world.ts'

const isLong = process.env.LAKELET_TEST_FAULTS === 'long'
let world: World
let random: Chance
let rounds = 0

beforeAll(async () => {
  random = chance('random kills')
  world = await World.begin()
})
afterEach(({ task }) => {
  if (task.result?.state === 'fail' && world !== undefined) {
    console.error(world.server.output, world.server.log.slice(-6000))
  }
})
afterAll(async () => {
  await world?.server.dispose()
})

async function killDuring(operation: Operation, victim: Victim): Promise<void> {
  rounds += 1
  const id = `r${rounds}`
  await world.commit()
  await operation.before?.(world, id)
  const since = await world.lastSequence()
  const pid = await world.pidOf(victim)
  const after = random.below(350)
  const what = `${nameOf(operation)}, ${victim} killed after ${after} ms`
  const asked = world.attempt(operation.ask(id))
  await delay(after)
  process.kill(pid, 'SIGKILL')
  await asked
  if (victim === 'server') await world.server.exit()
  await world.settled(what)
  await world.takesLogins(what)
  await world.endedInOneWay(operation, id, { since, what })
}

describe('killed at a random moment', () => {
  test.each(
    operations
      .filter(({ onlyThese }) => onlyThese === undefined)
      .map((operation) => [nameOf(operation), operation] as const),
  )(
    '%s',
    async (_name, operation) => {
      const turns = isLong
        ? Array.from({ length: 5 }, () => victims).flat()
        : [random.pick(victims)]
      for (const victim of turns) await killDuring(operation, victim)
    },
    600_000,
  )
})
