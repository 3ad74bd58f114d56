import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { systemClock } from '../lib/time.ts'
import { holdStateDirectory, StateDirectoryHeld } from './start-lock.ts'

let root: string
let lock: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lakelet-lock-'))
  lock = join(root, 'server.lock')
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const hold = () => holdStateDirectory({ root }, systemClock)

test('the second is refused by the pid of the first, until that lets go', async () => {
  const release = await hold()
  expect(readFileSync(lock, 'utf8')).toMatch(new RegExp(`^${process.pid} `))
  await expect(hold()).rejects.toThrow(StateDirectoryHeld)
  await expect(hold()).rejects.toThrow(`(pid ${process.pid})`)
  await release()
  await (await hold())()
  expect(readdirSync(root)).toEqual([])
})

test.each([
  ['a process that is gone', '999999999 1\n'],
  ['an earlier life of a pid that is in use again', `${process.pid} 1\n`],
  ['rubbish', 'what is this\n'],
  ['nothing, after a full disk', ''],
])('the lock of %s is taken over by exactly one of many', async (_, left) => {
  writeFileSync(lock, left)
  const results = await Promise.allSettled(Array.from({ length: 20 }, hold))
  const held = results.filter(({ status }) => status === 'fulfilled')
  expect(held).toHaveLength(1)
  for (const result of results) {
    if (result.status === 'rejected') expect(result.reason).toBeInstanceOf(StateDirectoryHeld)
  }
  expect(readdirSync(root)).toEqual(['server.lock'])
})

test("who died while taking a stale lock away is in nobody's way for long", async () => {
  writeFileSync(lock, '999999999 1\n')
  mkdirSync(`${lock}.removal`)
  utimesSync(`${lock}.removal`, 1, 1)
  await (await hold())()
  expect(readdirSync(root)).toEqual([])
})
