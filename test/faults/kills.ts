/**
 * The server killed at each failpoint that an operation passes, and once more where it resumes, if it
 * comes by there again; and the gateway, the catalog and the source's postmaster killed while the operation
 * waits there. Afterwards it has come to exactly one of its two ends.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect } from 'vitest'
import { createKinds } from '../../src/actions/create-actions.ts'
import type { Prepared } from '../../src/actions/fleet.ts'
import type { Services } from '../../src/actions/services.ts'
import { eventually } from '../fixtures/server.ts'
import { nameOf, type Operation } from './operations.ts'
import { type Victim, victims, type World } from './world.ts'

/** Steps are described without anything that they work with. */
const nothing = new Proxy({}, { get: () => undefined })
export const kinds = createKinds(nothing as Services, nothing as Prepared)

/** Those that the engine passes for a kind: on its way forward, and on its way back. */
export function ownFailpoints(kind: string): {
  readonly forward: readonly string[]
  readonly back: readonly string[]
  readonly lastStep: string
} {
  const found = kinds.find(({ name }) => name === kind)
  if (found === undefined) throw new Error(`the engine knows no kind ${kind}`)
  const run = found.steps.filter((step) => step.run !== undefined || step.write !== undefined)
  const isEndWritten = run.at(-1)?.write !== undefined
  return {
    forward: [
      ...run.flatMap(({ name }) => [`${kind}.${name}:before`, `${kind}.${name}:after`]),
      ...(isEndWritten ? [] : [`${kind}.finish:after`]),
    ],
    back:
      found.onFailure === 'undo'
        ? [...found.steps.map(({ name }) => `${kind}.${name}:undo`).reverse(), `${kind}.undo:after`]
        : [],
    lastStep: run.at(-1)?.name ?? '',
  }
}

/** Every failpoint that is written out in the sources. */
export function writtenFailpoints(): readonly string[] {
  const root = resolve(import.meta.dirname, '../../src')
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !/\.(test|fixture)\.ts$/.test(name),
  )
  const names = files.flatMap((name) =>
    [...readFileSync(join(root, name), 'utf8').matchAll(/\bfailpoint\('([^']+)'\)/g)].map(
      ([, point = '']) => point,
    ),
  )
  return [...new Set(names)]
}

/** For a machine that does much else. */
const patience = 90_000

let cases = 0
const newId = (): string => {
  cases += 1
  return `k${cases}`
}

/** Kills at each of an operation's failpoints, or at some in the short form; returns all of them. */
export async function killAtEach(world: World, operation: Operation): Promise<readonly string[]> {
  const { forward, back, lastStep } = ownFailpoints(operation.kind)
  const probe = newId()
  await operation.before?.(world, probe)
  const passed = await world.passedBy(() => world.write(operation.ask(probe)))
  await world.clean(operation, probe)
  expect(passed, nameOf(operation)).toEqual(expect.arrayContaining([...forward]))
  const shared = passed.filter((name) => operation.covers?.test(name))
  const isWhole = operation.covers === undefined || operation.onlyThese !== true
  const all = [...(isWhole ? forward : []), ...shared]
  for (const point of chosen(all)) await killAt(world, operation, point, `${point}=kill`)
  for (const [point, victim] of others(all)) await killOther(world, operation, point, victim)
  for (const point of chosen(isWhole ? back : [])) {
    const failing = `${operation.kind}.${lastStep}:before=error`
    await killAt(world, operation, point, `${failing},${point}=kill`)
  }
  return all
}

/** How many of an operation's failpoints the short form takes, on its way forward and on its way back. */
const shortForm = 2

/** All of them in the long form; in the short form some, others in each run. */
function chosen(points: readonly string[]): readonly string[] {
  if (process.env.LAKELET_TEST_FAULTS === 'long') return points
  const rest = [...points]
  while (rest.length > shortForm) rest.splice(Math.floor(Math.random() * rest.length), 1)
  return rest
}

/** Each of the others at each point; in the short form one at one. */
function others(points: readonly string[]): readonly (readonly [string, Victim])[] {
  const all = points.flatMap((point) =>
    victims.filter((victim) => victim !== 'server').map((victim) => [point, victim] as const),
  )
  if (process.env.LAKELET_TEST_FAULTS === 'long') return all
  return all.slice(Math.floor(Math.random() * all.length)).slice(0, 1)
}

/** How long an operation waits at a failpoint for somebody else to be killed, in ms. */
const pause = 300

async function killOther(
  world: World,
  operation: Operation,
  point: string,
  victim: Victim,
): Promise<void> {
  const what = `${nameOf(operation)}, ${victim} killed at ${point}`
  const id = newId()
  await world.commit()
  await operation.before?.(world, id)
  const since = await world.lastSequence()
  const pid = await world.pidOf(victim)
  let asked: Promise<unknown> = Promise.resolve()
  await world.comesTo(point, `${point}=sleep:${pause}`, () => {
    asked = world.attempt(operation.ask(id))
  })
  process.kill(pid, 'SIGKILL')
  await asked
  world.arm('')
  await world.settled(what)
  await world.takesLogins(what)
  await world.endedInOneWay(operation, id, { since, what })
}

async function killAt(
  world: World,
  operation: Operation,
  point: string,
  armed: string,
): Promise<void> {
  const { server } = world
  const what = `${nameOf(operation)} killed at ${point}`
  const id = newId()
  await world.commit()
  await operation.before?.(world, id)
  const since = await world.lastSequence()
  world.arm(armed)
  await world.attempt(operation.ask(id))
  await eventually(what, () => server.isGone, patience)
  // Dies once more at the same place, if it comes by there; then it is let live.
  await world.launchOnly()
  await eventually(`${what}: up, or killed again`, () => server.isGone || server.isUp, patience)
  if (server.isUp) await Promise.race([world.settled(what), server.exit().catch(() => undefined)])
  world.arm('')
  await world.settled(what)
  await world.endedInOneWay(operation, id, { since, what })
}
