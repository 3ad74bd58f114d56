/** Guessing is slowed down by address and role, forgiven by success and by time. */
import { expect, test } from 'vitest'
import { type Clock, epochMs, type Millis, millis } from '../lib/time.ts'
import { LoginThrottle } from './login-throttle.ts'

function make() {
  let now = 0
  const slept: number[] = []
  const clock: Clock = {
    now: () => epochMs(now),
    monotonic: () => millis(now),
    sleep: async (length: Millis) => void slept.push(length),
  }
  const limits = { freeFailures: 3, failureDelay: millis(100), failureMemory: millis(1_000) }
  return {
    throttle: new LoginThrottle(limits, clock),
    slept,
    pass: (length: number) => {
      now += length
    },
  }
}

test('the first failures are free, then each attempt waits', async () => {
  const { throttle, slept } = make()
  for (let n = 0; n < 5; n += 1) {
    await throttle.wait('a', 'ada')
    throttle.failed('a', 'ada')
  }
  expect(slept).toEqual([100, 100])
  await throttle.wait('b', 'ada')
  await throttle.wait('a', 'bob')
  expect(slept).toHaveLength(2)
})

test('success and time forgive', async () => {
  const { throttle, slept, pass } = make()
  const fail = () => {
    for (let n = 0; n < 4; n += 1) throttle.failed('a', 'ada')
  }
  fail()
  throttle.succeeded('a', 'ada')
  await throttle.wait('a', 'ada')
  fail()
  pass(1_000)
  await throttle.wait('a', 'ada')
  throttle.failed('a', 'ada')
  await throttle.wait('a', 'ada')
  expect(slept).toEqual([])
})

test('what is remembered is bounded', async () => {
  const { throttle, slept } = make()
  for (let n = 0; n < 4; n += 1) throttle.failed('a', 'first')
  for (let n = 0; n < 10_000; n += 1) throttle.failed('a', `role ${n}`)
  await throttle.wait('a', 'first')
  expect(slept).toEqual([])
})
