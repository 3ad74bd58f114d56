import pino from 'pino'
import { afterEach, expect, test, vi } from 'vitest'
import { millis, minutes, systemClock } from '../lib/time.ts'
import { type Loop, startLoop } from './loop.ts'

let loop: Loop | undefined
afterEach(async () => await loop?.stop())

const start = (giveWay?: number) => {
  let runs = 0
  loop = startLoop({
    name: 'counting',
    run: async () => {
      runs += 1
      return undefined
    },
    slowest: minutes(1),
    ...(giveWay === undefined ? {} : { giveWay: millis(giveWay) }),
    clock: systemClock,
    log: pino({ level: 'silent' }),
  })
  return { loop, runs: () => runs }
}

test('runs at once, and again when it is poked', async () => {
  const { loop, runs } = start()
  loop.poke()
  expect(runs()).toBe(1) // the poke came during the first
  await vi.waitFor(() => expect(runs()).toBe(2))
})

test('many pokes make one run, after those who poked', async () => {
  const { loop, runs } = start(50)
  for (let poke = 0; poke < 5; poke += 1) loop.poke()
  expect(runs()).toBe(1)
  await vi.waitFor(() => expect(runs()).toBe(2))
  loop.poke()
  await vi.waitFor(() => expect(runs()).toBe(3))
})

test('a poke does nothing any more when the loop was stopped', async () => {
  const { loop, runs } = start(20)
  loop.poke()
  await loop.stop()
  await new Promise((resolve) => setTimeout(resolve, 60))
  expect(runs()).toBe(1)
})
