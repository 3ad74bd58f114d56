/**
 * The server killed while it takes and removes bases and WAL, which it does beside everything else: nothing of
 * a base stays that is not whole, the branch has a history afterwards and has lost nothing.
 */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { nothingIsLeft } from '../fixtures/nothing-left.ts'
import { eventually } from '../fixtures/server.ts'
import { store } from './operations.ts'
import { World } from './world.ts'

let world: World

beforeAll(async () => {
  world = await World.begin()
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail' && world !== undefined) {
    console.error(world.server.output, world.server.log.slice(-6000))
    world.arm('')
    await world.settled('after a failure')
  }
})
afterAll(async () => {
  await world?.server.dispose()
})

/** What was being taken is removed by the next start, which is where a removal is met. */
const unfinished = 'history/take-base.cloned=kill@1'

describe('the server killed, twice', () => {
  test.each([
    ['take-base.inserted', ''],
    ['take-base.cloned', ''],
    ['take-base.published', ''],
    ['erase-base.retired', unfinished],
    ['erase-base.erased', unfinished],
    ['storage.remove-wal:before', ''],
    ['storage.remove-wal:after', ''],
  ])(
    'at %s',
    async (point, first) => {
      const { server } = world
      const branch = `${store}/branches/of-${point.replaceAll(/[^a-z]/g, '-')}`
      await world.commit()
      const made = { method: 'POST', body: { spec: { ttl: '1h' } } }
      world.arm([first, `history/${point}=kill`].filter(Boolean).join(','))
      await world.attempt({
        ...made,
        path: `${store}/branches?branch_id=${branch.split('/').at(-1)}`,
      })
      await eventually(`${point}: killed`, () => server.isGone, 90_000)
      await world.launchOnly()
      await eventually(`${point}: up, or killed again`, () => server.isGone || server.isUp, 90_000)
      world.arm('')
      await world.settled(point)
      await world.historyBegins(branch)
      expect(await world.rowsOf(branch)).toEqual(world.acknowledged)
      await nothingIsLeft(server)
      await world.write({ method: 'DELETE', path: `${branch}?purge=true` })
      await nothingIsLeft(server)
    },
    300_000,
  )
})
