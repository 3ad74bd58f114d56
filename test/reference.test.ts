/** The generated pages of docs/reference say what the program says. Compiled here: dist/ may be older. */
import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'

const root = resolve(import.meta.dirname, '..')
let scratch: string

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'lakelet-reference-'))
  copyFileSync(join(root, 'package.json'), join(scratch, 'package.json'))
  symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'))
})
afterEach(() => rmSync(scratch, { recursive: true }))

const node = (...args: readonly string[]) =>
  spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })

test('the reference of errors, settings, commands and the API document has not drifted from the program', () => {
  const dist = join(scratch, 'dist')
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const built = node(tsc, '-p', join(root, 'tsconfig.build.json'), '--outDir', dist)
  expect(built.stdout).toBe('')
  const checked = node(join(root, 'scripts/reference.mjs'), '--check', '--dist', dist)
  expect(checked.stderr).toBe('')
  expect(checked.status).toBe(0)
})
