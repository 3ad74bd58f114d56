/** The session that the README shows happens as it is written, again and again. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
let scratch: string

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'lk-')) // short: sockets lie below it
  chmodSync(scratch, 0o755) // Postgres runs as another user than root
  mkdirSync(join(scratch, 'scripts'))
  mkdirSync(join(scratch, 't'))
  for (const file of ['README.md', 'scripts/session.mjs']) {
    copyFileSync(join(root, file), join(scratch, file))
  }
  symlinkSync(join(root, 'dist'), join(scratch, 'dist'))
})
afterEach(() => rmSync(scratch, { recursive: true }))

const replay = (...args: string[]) =>
  spawnSync(process.execPath, [join(scratch, 'scripts/session.mjs'), ...args], {
    encoding: 'utf8',
    env: { ...process.env, TMPDIR: join(scratch, 't') },
  })
const readme = () => readFileSync(join(scratch, 'README.md'), 'utf8')

test('the session of the README is what happens, and nothing is left of it', () => {
  const checked = replay('--check')
  expect(checked.stderr).toBe('')
  expect(checked.status).toBe(0)
  expect(readdirSync(join(scratch, 't'))).toEqual([])
  expect(ofIt()).toEqual([])
})

test('a session that is not what happens is found, and written anew', () => {
  const before = readme()
  writeFileSync(join(scratch, 'README.md'), before.replace('Did not find any relations.', 'Two.'))
  const checked = replay('--check')
  expect(checked.status).toBe(1)
  expect(checked.stderr).toMatch(/npm run session[\s\S]*Did not find any relations\./)
  expect(replay().status).toBe(0)
  expect(readme()).toContain('Did not find any relations.')
  expect(replay('--check').status).toBe(0)
})

/** Processes that work below our directory, or were begun with it. */
const ofIt = (): readonly string[] =>
  readdirSync('/proc').filter((pid) => {
    try {
      if (!/^\d+$/.test(pid)) return false
      return ['cmdline', 'environ'].some((file) =>
        readFileSync(`/proc/${pid}/${file}`, 'utf8').includes(scratch),
      )
    } catch {
      return false
    }
  })
