/**
 * Server, gateway, a compute and the catalog, killed at random moments of every operation. Who was killed
 * comes back, the operation has exactly one of its two ends, and nothing acknowledged is lost.
 *
 * LAKELET_TEST_FAULTS=long: each operation five times with each victim.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest'
import { type Chance, chance } from '../fixtures/seed.ts'
import { eventually } from '../fixtures/server.ts'
import { nameOf, type Operation, operations, production } from './operations.ts'
import { World } from './world.ts'

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

const postmasterOf = (directory: string): number => {
  const file = join(world.server.stateDir, directory, 'postmaster.pid')
  return Number(readFileSync(file, 'utf8').split('\n')[0])
}

/** Pids of those who may be killed, looked up before the operation begins. */
async function victims(): Promise<ReadonlyMap<string, number>> {
  const { server } = world
  const { body: status } = await server.api('GET', '/api/lakelet/v1/status')
  const { body: branch } = await server.api('GET', `/api/2.0/postgres/${production}`)
  const { body: project } = await server.api('GET', '/api/2.0/postgres/projects/store')
  return new Map([
    ['server', server.pid],
    ['gateway', status.gateway.pid],
    ['catalog', postmasterOf('catalog')],
    ['compute', postmasterOf(`pool/${project.uid}/${branch.uid}/volume`)],
  ])
}

async function killDuring(operation: Operation, victim: string): Promise<void> {
  rounds += 1
  const id = `r${rounds}`
  await world.commit()
  await operation.before?.(world, id)
  const since = await world.lastSequence()
  const pid = (await victims()).get(victim) ?? 0
  const after = random.below(350)
  const what = `${nameOf(operation)}, ${victim} killed after ${after} ms`
  const asked = world.attempt(operation.ask(id))
  await delay(after)
  process.kill(pid, 'SIGKILL')
  await asked
  if (victim === 'server') await world.server.exit()
  await world.settled(what)
  await eventually(`${what}: logins work`, () =>
    world.sql('select 1').then(
      () => true,
      () => false,
    ),
  )
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
      const all = ['server', 'gateway', 'catalog', 'compute']
      const turns = isLong ? Array.from({ length: 5 }, () => all).flat() : [random.pick(all)]
      for (const victim of turns) await killDuring(operation, victim)
    },
    600_000,
  )
})
