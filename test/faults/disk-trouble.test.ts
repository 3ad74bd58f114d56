/**
 * The disk of one room ends in the midst of an operation, at every kibibyte that matters, or breaks: the
 * operation has one of its two ends, and with room (or after a reboot) everything works that worked before.
 *
 * LAKELET_TEST_FAULTS=long: the end of the disk in steps of 256 KiB.
 */
import { afterEach, describe, expect, test } from 'vitest'
import type { Row } from '../fixtures/catalog-rows.ts'
import { whyNoImages } from '../fixtures/loop-image.ts'
import { nothingIsLeft } from '../fixtures/nothing-left.ts'
import { OwnDisk } from '../fixtures/own-disk.ts'
import { type Chance, chance } from '../fixtures/seed.ts'
import { eventually } from '../fixtures/server.ts'
import { operations, production } from './operations.ts'
import { World } from './world.ts'

const isLong = process.env.LAKELET_TEST_FAULTS === 'long'
const noImages = whyNoImages('ext4')
let world: World | undefined
let disk: OwnDisk | undefined
let rounds = 0

afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') {
    console.error(world?.server.output, world?.server.log.slice(-6000))
  }
  try {
    disk?.free()
    if (world !== undefined && !world.server.isGone) await world.server.stop()
    for (const pid of world?.server.processes() ?? []) process.kill(pid, 'SIGKILL')
  } finally {
    disk?.remove()
    await world?.server.dispose()
    world = undefined
    disk = undefined
  }
})

type Room = 'pool' | 'wal' | 'catalog'

/** A world whose room has a disk of its own. */
async function worldOn(room: Room, mebibytes: number): Promise<{ world: World; disk: OwnDisk }> {
  world = await World.begin({ storage: 'copy' })
  await world.server.stop()
  disk = new OwnDisk(world.server.stateDir, room, mebibytes)
  await world.launch()
  return { world, disk }
}

const operation = (kind: string) => {
  const found = operations.find((each) => each.kind === kind)
  if (found === undefined) throw new Error(`no operation ${kind}`)
  return found
}

/** Kibibytes left: none, and from the first write of a clone of a fresh cluster to beyond its last. */
function amounts(random: Chance, most: number): readonly number[] {
  if (isLong) return Array.from({ length: Math.ceil(most / 256) }, (_, n) => n * 256)
  return [0, ...[0.1, 0.5, 1].map((share) => 4 + random.below(most * share))]
}

async function loginsWork(world: World, what: string): Promise<void> {
  await eventually(
    `${what}: logins work`,
    () =>
      world.sql('select 1').then(
        () => true,
        () => false,
      ),
    60_000,
  )
}

describe.skipIf(noImages !== undefined)('the disk ends in the midst of', () => {
  test.each([
    ['pool', 'create-branch', 40_000],
    ['pool', 'create-snapshot', 40_000],
    ['wal', 'create-branch', 20_000],
    ['pool', 'create-endpoint', 40_000],
    ['pool', 'create-project', 40_000],
  ] as readonly (readonly [Room, string, number])[])(
    'the %s: %s',
    async (room, kind, most) => {
      const random = chance(`${kind} on a full ${room}`)
      const { world, disk } = await worldOn(room, 640)
      const asked = operation(kind)
      for (const left of amounts(random, most)) {
        rounds += 1
        const id = `d${rounds}`
        const what = `${kind} with ${left} KiB of the ${room} left`
        await world.commit()
        const since = await world.lastSequence()
        // Its room has been judged by then, and is taken by somebody else before it is used.
        let reply: Promise<unknown> | undefined
        await world.comesTo('storage.clone:before', 'storage.clone:before=sleep:700', () => {
          reply = world.attempt(asked.ask(id))
        })
        disk.fill(left)
        await reply
        world.arm('')
        await eventually(
          `${what}: ended, or put off`,
          async () => {
            const row = await world.accepted(kind, since)
            return ['succeeded', 'failed'].includes(row?.state)
          },
          60_000,
        )
        const row = await world.accepted(kind, since)
        if (row?.state === 'failed') expect(whyFailed(row), what).toMatch(noRoom)
        await loginsWorkOrRoom(world, disk, what)
        disk.free()
        await world.endedInOneWay(asked, id, { since, what })
      }
    },
    300_000,
  )

  test('the catalog: refusals while it is full, and everything afterwards', async () => {
    const random = chance('a full catalog')
    const { world, disk } = await worldOn('catalog', 320)
    const asked = operation('create-branch')
    for (const left of isLong ? amounts(random, 20_000) : [0, 4 + random.below(64)]) {
      rounds += 1
      const id = `d${rounds}`
      const what = `the catalog with ${left} KiB left`
      await world.commit()
      const since = await world.lastSequence()
      disk.fill(left)
      // The log of its changes goes on in files that it has: many are needed to meet the end.
      let refused = 0
      for (let n = 0; n < 40 && refused === 0; n += 1) {
        const { status } = (await world.attempt({
          method: 'PATCH',
          path: 'projects/store?update_mask=spec.custom_tags',
          body: {
            spec: {
              custom_tags: Array.from({ length: 20 }, (_, tag) => ({
                key: `k${tag}`,
                value: `${n}`.padEnd(200, 'x'),
              })),
            },
          },
        })) ?? { status: 503 }
        if (status >= 500) refused += 1
      }
      await world.attempt(asked.ask(id))
      disk.free()
      await world.settled(what)
      await loginsWork(world, what)
      if ((await world.accepted(asked.kind, since)) === undefined) {
        expect(await asked.isDone(world, id), what).toBe(false)
        await nothingIsLeft(world.server)
      } else await world.endedInOneWay(asked, id, { since, what })
    }
  }, 300_000)
})

/** Ours, or Postgres's own words where it was the one who met the end. */
const noRoom = /^(STORAGE_FULL|COMPUTE_FAILED .*No space left on device)/
const whyFailed = ({ fault }: Row): string => `${fault.reason} ${fault.facts?.problem ?? ''}`

/** A compute that could not write ends, and with room its next login starts it. */
async function loginsWorkOrRoom(world: World, disk: OwnDisk, what: string): Promise<void> {
  await world.sql('select 1').catch(async () => {
    disk.free()
    await loginsWork(world, what)
  })
}

describe.skipIf(noImages !== undefined)('the disk becomes read-only', () => {
  test.each(['pool', 'wal', 'catalog'] as const)(
    'of the %s',
    async (room) => {
      const { world, disk } = await worldOn(room, 640)
      const { server } = world
      const asked = operation('create-branch')
      await world.commit()
      const since = await world.lastSequence()
      disk.break()
      const reply = await world.attempt(asked.ask('broken'))
      if (reply?.status === 200) {
        // It cannot be done; whether it is undone already or waits for a reboot is all one.
        await eventually(
          'begun',
          async () =>
            (await world.accepted(asked.kind, since).catch(() => undefined)) !== undefined,
        ).catch(() => undefined)
      } else expect([500, 503]).toContain(reply?.status ?? 503)
      const committed = await world
        .sql(`insert into kept values (${world.acknowledged.length + 1})`)
        .then(
          () => true,
          () => false,
        )
      if (committed) world.acknowledged.push(world.acknowledged.length + 1)
      // The reboot.
      await server.kill()
      await eventually('every process has ended', () => {
        for (const pid of server.processes()) {
          try {
            process.kill(pid, 'SIGKILL')
          } catch {
            // Ended with its parent.
          }
        }
        return server.processes().length === 0
      })
      disk.repair()
      await world.launch()
      await world.settled(`a read-only ${room}`)
      await world.endedInOneWay(asked, 'broken', { since, what: `a read-only ${room}` })
      expect(await world.rowsOf(production)).toEqual(world.acknowledged)
    },
    120_000,
  )
})

test.skipIf(noImages === undefined)(`disks cannot be made here: ${noImages}`, () => {
  expect(noImages).toBeDefined()
})
