/**
 * The soak: writers with invariants on several branches, random actions and random faults meanwhile, and
 * a full check at the end. The seed repeats the choices, not the moments at which they meet.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { actions } from './actions.ts'
import { faults } from './faults.ts'
import { finalCheck } from './final-check.ts'
import { Keeper } from './keeper.ts'
import { readContents, schema } from './statements.ts'
import { production, World } from './world.ts'

export interface SoakOptions {
  readonly seed: number
  readonly seconds: number
  /** Such as `2GB`. */
  readonly poolSize: string
}

export interface SoakResult {
  readonly problems: readonly string[]
  /** What was done how often. */
  readonly tally: ReadonlyMap<string, number>
}

/** Who acts at once. */
const actors = 3

export async function soak({ seed, seconds, poolSize }: SoakOptions): Promise<SoakResult> {
  const scratch = mkdtempSync(join(tmpdir(), 'lakelet-soak-'))
  try {
    const keeper = await Keeper.start(scratch, poolSize)
    const world = new World(keeper, seed)
    try {
      await open(world)
      const end = Date.now() + seconds * 1000
      const isOn = () => Date.now() < end && !world.isOver
      await Promise.all([
        ...Array.from({ length: actors }, (_, at) => act(world, at, isOn)),
        hurt(world, isOn),
      ])
      for (const branch of world.branches.values()) await branch.writers?.end()
      if (world.problems.length === 0) await finalCheck(world)
    } catch (error) {
      world.problem(error instanceof Error ? (error.stack ?? error.message) : String(error))
    } finally {
      for (const branch of world.branches.values()) await branch.writers?.end()
      if (world.problems.length > 0) process.stdout.write(`${keeper.server.log.slice(-20_000)}\n`)
      await keeper.end()
    }
    return { problems: world.problems, tally: world.tally }
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

async function open(world: World): Promise<void> {
  const contents = await world.keeper.session(production, async (client) => {
    await client.query(schema)
    return readContents(client)
  })
  world.add(production, undefined, contents)
}

async function act(world: World, actor: number, isOn: () => boolean): Promise<void> {
  const random = world.random(`actor ${actor}`)
  while (isOn()) {
    const action = random.weighted(actions)
    if (action === undefined) return
    try {
      const outcome = await action.run(world, random)
      if (outcome !== undefined) world.count(`${action.name}: ${outcome}`)
    } catch (error) {
      world.problem(`${action.name}: ${error instanceof Error ? error.stack : error}`)
    }
    await delay(random.below(500))
  }
}

async function hurt(world: World, isOn: () => boolean): Promise<void> {
  const random = world.random('faults')
  let recovery = 0
  while (isOn()) {
    // As much quiet as the last one took to get over, else a slow machine does nothing else.
    const quiet = Date.now() + 500 + random.below(5000) + recovery
    while (isOn() && Date.now() < quiet) await delay(100)
    if (!isOn()) return
    const began = Date.now()
    const fault = random.weighted(faults)
    if (fault === undefined) return
    try {
      if (await fault.run(world, random)) world.count(`fault: ${fault.name}`)
    } catch (error) {
      world.problem(`${fault.name}: ${error instanceof Error ? error.stack : error}`)
    }
    await world.keeper.get('/api/lakelet/v1/status').catch(() => undefined)
    recovery = Date.now() - began
    for (const surprise of world.keeper.surprises) world.problem(surprise)
  }
}
