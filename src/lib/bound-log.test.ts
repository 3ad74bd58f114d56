import {
  appendFileSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { boundForeignLog } from './bound-log.ts'
import { createLog } from './log.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'lakelet-log-'))
})
afterEach(() => rmSync(directory, { recursive: true, force: true }))

const numbersIn = (name: string): readonly number[] =>
  readFileSync(join(directory, name), 'utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line).n)

describe('a log of our own', () => {
  test('begins a new file when it is full, and keeps so many', () => {
    const log = createLog('test', join(directory, 'own.log'), { bytes: 2000, files: 2 })
    for (let n = 0; n < 200; n += 1) log.info({ n }, 'said')
    expect(readdirSync(directory).sort()).toEqual(['own.log', 'own.log.1', 'own.log.2'])
    const kept = ['own.log.2', 'own.log.1', 'own.log'].flatMap(numbersIn)
    expect(kept.at(-1)).toBe(199)
    // Whole lines, none lost in between.
    expect(kept).toEqual(kept.map((_, at) => 200 - kept.length + at))
    for (const name of readdirSync(directory)) {
      expect(readFileSync(join(directory, name)).length).toBeLessThanOrEqual(2000)
    }
  })

  test('goes on where a file of an earlier run ends', () => {
    const path = join(directory, 'own.log')
    const bound = { bytes: 1000, files: 1 }
    createLog('test', path, bound).info({ n: 0, filler: 'x'.repeat(700) }, 'before')
    createLog('test', path, bound).info({ n: 1, filler: 'x'.repeat(700) }, 'after')
    expect(numbersIn('own.log')).toEqual([1])
    expect(numbersIn('own.log.1')).toEqual([0])
  })
})

describe('a log that another process holds open', () => {
  test('is emptied under it, and nothing is lost', async () => {
    const path = join(directory, 'foreign.log')
    const held = openSync(path, 'a')
    const say = (n: number) => writeSync(held, `{"n":${n}}\n`)
    for (let n = 0; n < 100; n += 1) say(n)
    expect(await boundForeignLog(path, { bytes: 2000, files: 2 })).toBe(false)
    for (const round of [1, 2, 3]) {
      expect(await boundForeignLog(path, { bytes: 100, files: 2 })).toBe(true)
      say(1000 * round)
      appendFileSync(path, `{"n":${1000 * round + 1},"filler":"${'x'.repeat(100)}"}\n`)
    }
    expect(numbersIn('foreign.log')).toEqual([3000, 3001])
    expect(numbersIn('foreign.log.1')).toEqual([2000, 2001])
    expect(numbersIn('foreign.log.2')).toEqual([1000, 1001])
    expect(readdirSync(directory)).toHaveLength(3)
  })

  test('that is not there is no failure', async () => {
    expect(await boundForeignLog(join(directory, 'none'), { bytes: 1, files: 1 })).toBe(false)
  })
})
