import { expect, test } from 'vitest'
import { type Millis, minutes } from '../lib/time.ts'
import { takeBack } from './update-endpoint.ts'

const before = {
  minCu: 1,
  maxCu: 1,
  isDisabled: false,
  suspendTimeout: minutes(5) as Millis | null,
  pgSettings: {} as Readonly<Record<string, string>>,
}

test('an update takes back what it changed', () => {
  const after = { ...before, maxCu: 2, pgSettings: { work_mem: 'a lot' } }
  expect(takeBack(after, before, after)).toEqual({ maxCu: 1, pgSettings: {} })
})

test('what a later update changed stays as that one wants it', () => {
  const after = { ...before, maxCu: 2, pgSettings: { work_mem: 'a lot' } }
  const now = { ...after, maxCu: 4, suspendTimeout: minutes(1) }
  expect(takeBack(now, before, after)).toEqual({ pgSettings: {} })
})

test('"never suspended" is taken back as such', () => {
  const never = { ...before, suspendTimeout: null }
  expect(takeBack(before, never, before)).toEqual({ suspendTimeout: undefined })
})
