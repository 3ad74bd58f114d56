/** The ladder against a real Postgres that cannot hear: a stopped process takes no signal but the last. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { millis, systemClock } from '../lib/time.ts'
import { watchPostmaster } from './postmaster.ts'
import { processTable } from './process-table.ts'
import { openTestRoom, processesBelow, type TestRoom } from './room.fixture.ts'
import { endPostmaster } from './shutdown.ts'

let room: TestRoom
beforeAll(async () => {
  room = await openTestRoom()
})
afterAll(() => room.close())

test('the last rung takes the postmaster and all of its backends', async () => {
  const spec = await room.spec('ep-deaf')
  await room.computes.ensureReady(spec)
  const state = room.computes.state(spec.uid)
  if (state.kind !== 'ready') throw new Error('it is not ready')
  const facts = await processTable.find(state.pid)
  if (facts === undefined) throw new Error('it has no process')
  expect(facts.workingDirectory).toBe(join(room.root, 'data', 'ep-deaf'))
  expect((await processTable.childrenOf(state.pid)).length).toBeGreaterThan(2)
  process.kill(state.pid, 'SIGSTOP')
  const postmaster = watchPostmaster(facts, processTable, systemClock)
  const short = [{ signal: 'SIGINT', patience: millis(50) }] as const
  const ladder = { fast: short, immediate: short }
  await endPostmaster(postmaster, 'fast', processTable, systemClock, ladder)
  expect(await postmaster.exited).toBe('unknown')
  expect(await processesBelow(spec.dataDirectory)).toEqual([])
  await room.computes.stop(spec.uid, 'fast')
  // What was killed recovers.
  await room.computes.ensureReady(spec)
  await room.computes.stop(spec.uid, 'fast')
})
