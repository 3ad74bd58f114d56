/** `lakelet hooks` in real repositories: what git runs after a checkout, beside other tools' hooks. */
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeRepository, type Repository } from '../fixtures/git-repository.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

let server: TestServer
let home: string
let repository: string
let git: Repository['git']
let environment: Repository['environment']

beforeAll(async () => {
  server = await TestServer.start()
}, 120_000)
afterAll(async () => {
  await server?.dispose()
})
beforeEach(() => {
  ;({ home, path: repository, git, environment } = makeRepository(server))
})
afterEach(async () => {
  await eventually('what hooks began is over', () => inTheBackground() === 0)
  rmSync(home, { recursive: true })
})

/** Processes with this test's home in their environment. */
const inTheBackground = (): number =>
  readdirSync('/proc').filter((name) => {
    try {
      return (
        /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'utf8').includes(`HOME=${home}`)
      )
    } catch {
      return false // it has ended
    }
  }).length

const hooks = (...args: string[]) => {
  const { status, stdout, stderr } = spawnSync('lakelet', ['hooks', ...args], {
    cwd: repository,
    encoding: 'utf8',
    env: environment,
  })
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}
const branchIn = (directory: string) => {
  const path = join(directory, '.env')
  return existsSync(path)
    ? /^LAKEBASE_BRANCH=(.*)$/m.exec(readFileSync(path, 'utf8'))?.[1]
    : undefined
}
const hookOf = (path = '.git/hooks/post-checkout') => readFileSync(join(repository, path), 'utf8')

test('a checkout and a new worktree get their databases by themselves', async () => {
  expect(hooks('status')).toBe('Not installed.\n')
  expect(hooks('install')).toMatch(/Our lines are in \.git\/hooks\/post-checkout/)
  expect(hooks('install')).toMatch(/already/)
  expect(hooks('status')).toMatch(/^Installed/)
  git(repository, 'switch', '--quiet', '--create', 'one')
  await eventually(
    'the branch of one is written',
    () => branchIn(repository)?.includes('-one-') === true,
  )
  const other = join(home, 'two')
  git(repository, 'worktree', 'add', '--quiet', '-b', 'two', other)
  await eventually(
    'the branch of two is written',
    () => branchIn(other)?.includes('-two-') === true,
  )
  // Files alone are no checkout of a branch.
  rmSync(join(repository, '.env'))
  git(repository, 'checkout', '--quiet', 'HEAD', '--', '.gitignore')
  expect(hooks('uninstall')).toMatch(/gone/)
  expect(hooks('uninstall')).toMatch(/none/)
  git(repository, 'switch', '--quiet', 'main')
  expect(branchIn(repository)).toBeUndefined()
})

test('a checkout never fails, whatever the hook meets', async () => {
  hooks('install')
  const place = join(repository, '.git/lakelet-hook.log')
  writeFileSync(join(repository, 'lakelet.toml'), 'projekt = 1\n')
  git(repository, 'switch', '--quiet', '--create', 'broken')
  await eventually(
    'it says why',
    () => existsSync(place) && /projekt/.test(readFileSync(place, 'utf8')),
  )
  rmSync(join(home, 'bin/lakelet'))
  expect(() => git(repository, 'switch', '--quiet', 'main')).not.toThrow()
})

test('hooks of others go on, and stay when ours go', async () => {
  const mine = '#!/bin/bash\n# mine\necho "$3" >> ran\nexit 0\n'
  mkdirSync(join(repository, '.git/hooks'), { recursive: true })
  writeFileSync(join(repository, '.git/hooks/post-checkout'), mine, { mode: 0o755 })
  hooks('install')
  expect(hookOf().startsWith('#!/bin/bash\n')).toBe(true)
  expect(statSync(join(repository, '.git/hooks/post-checkout')).mode & 0o777).toBe(0o755)
  git(repository, 'switch', '--quiet', '--create', 'beside')
  expect(readFileSync(join(repository, 'ran'), 'utf8')).toBe('1\n')
  await eventually('both ran', () => branchIn(repository)?.includes('-beside-') === true)
  hooks('uninstall')
  expect(hookOf()).toBe(mine)
  writeFileSync(join(repository, '.git/hooks/post-checkout'), '#!/usr/bin/env python3\n')
  const refused = spawnSync('lakelet', ['hooks', 'install'], {
    cwd: repository,
    encoding: 'utf8',
    env: environment,
  })
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringMatching(/not a shell script/)])
  expect(hookOf()).toBe('#!/usr/bin/env python3\n')
})

test('core.hooksPath, husky and lefthook', () => {
  git(repository, 'config', 'core.hooksPath', 'tools/hooks')
  expect(hooks('install')).toContain('tools/hooks/post-checkout')
  expect(hookOf('tools/hooks/post-checkout')).toContain('lakelet hooks')
  git(repository, 'config', 'core.hooksPath', '.husky/_')
  mkdirSync(join(repository, '.husky/_'), { recursive: true })
  expect(hooks('install')).toContain('.husky/post-checkout')
  expect(existsSync(join(repository, '.husky/_/post-checkout'))).toBe(false)
  git(repository, 'config', '--unset', 'core.hooksPath')
  const path = join(repository, '.git/hooks/post-checkout')
  mkdirSync(join(repository, '.git/hooks'), { recursive: true })
  writeFileSync(path, '#!/bin/sh\ncall_lefthook run "post-checkout" "$@"\n')
  chmodSync(path, 0o755)
  expect(hooks('install')).toMatch(/lefthook\.yml/)
})
