/** Against real repositories: what is gone is told, and what cannot be read is not taken for gone. */
import { spawn } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { makeRepository, type Repository } from '../../test/fixtures/git-repository.ts'
import { type BoundTo, boundTo, hostId, layerOf, withoutSecrets } from './bound-to.ts'
import { findWorktree } from './git-worktree.ts'
import { findLeftOvers } from './left-overs.ts'

let repository: Repository
beforeEach(() => {
  repository = makeRepository({ stateDir: '/nonexistent' })
})
afterEach(() => {
  rmSync(repository.home, { recursive: true, force: true })
})

const git = (...args: string[]) => repository.git(repository.path, ...args)
const bound = async (path: string, pid?: number) =>
  boundTo(await findWorktree(path), { env: {}, agent: undefined, pid })
const sought = (to: BoundTo) => ({
  gitDir: to.git_dir,
  commonDir: to.common_dir,
  root: to.root,
  device: to.device,
  rootDevice: to.root_device,
  ...(to.git_ref === undefined ? {} : { gitRef: to.git_ref }),
  ...(to.pull_request === undefined ? {} : { pullRequest: to.pull_request }),
  ...(to.process === undefined ? {} : { process: to.process }),
})
const found = async (to: BoundTo) => (await findLeftOvers([sought(to)]))[0]
const add = (name: string, ...args: string[]): string => {
  const path = join(repository.home, name)
  git('worktree', 'add', '--quiet', ...args, path)
  return path
}

describe('a worktree', () => {
  test('is there, and gone when git removed it or somebody its directory', async () => {
    const [one, two] = [add('one', '-b', 'one'), add('two', '--detach')]
    const both = [await bound(one), await bound(two)]
    expect(both[0]).toMatchObject({ git_ref: 'refs/heads/one', root: one })
    expect(both[1]).not.toHaveProperty('git_ref')
    expect(await findLeftOvers(both.map(sought))).toEqual(['THERE', 'THERE'])
    git('worktree', 'remove', one)
    expect(await findLeftOvers(both.map(sought))).toEqual(['WORKTREE_GONE', 'THERE'])
    rmSync(two, { recursive: true })
    expect(await findLeftOvers(both.map(sought))).toEqual(['WORKTREE_GONE', 'WORKTREE_GONE'])
  })

  test('that moved is there, told by git or by itself', async () => {
    const moved = await bound(add('one', '-b', 'one'))
    git('worktree', 'move', join(repository.home, 'one'), join(repository.home, 'elsewhere'))
    expect(await found(moved)).toBe('THERE')
    renameSync(join(repository.home, 'elsewhere'), join(repository.home, 'third'))
    expect(await found(moved)).toBe('WORKTREE_GONE')
    expect(await found(await bound(join(repository.home, 'third')))).toBe('THERE')
  })

  test('that is locked may be on a disk that is away', async () => {
    const path = add('one', '-b', 'one')
    const locked = await bound(path)
    git('worktree', 'lock', path)
    rmSync(path, { recursive: true })
    expect(await found(locked)).toBe('THERE')
    git('worktree', 'unlock', path)
    expect(await found(locked)).toBe('WORKTREE_GONE')
  })

  test('whose repository is gone goes with it; one that is broken tells nothing', async () => {
    const main = await bound(repository.path)
    const linked = await bound(add('one', '-b', 'one'))
    const head = join(repository.path, '.git/HEAD')
    renameSync(head, `${head}.away`)
    expect(await findLeftOvers([main, linked].map(sought))).toEqual(['UNKNOWN', 'UNKNOWN'])
    renameSync(`${head}.away`, head)
    expect(await findLeftOvers([main, linked].map(sought))).toEqual(['THERE', 'THERE'])
    rmSync(repository.path, { recursive: true })
    expect(await findLeftOvers([main, linked].map(sought))).toEqual([
      'WORKTREE_GONE',
      'WORKTREE_GONE',
    ])
  })

  test('on a file system that is not there now is unknown, whatever lies beneath', async () => {
    const linked = await bound(add('one', '-b', 'one'))
    // As it is seen where another file system was mounted.
    const elsewhere = { ...linked, device: '9999999' }
    git('worktree', 'remove', join(repository.home, 'one'))
    expect(await found(linked)).toBe('WORKTREE_GONE')
    expect(await found(elsewhere)).toBe('UNKNOWN')
    rmSync(repository.path, { recursive: true })
    expect(await found(elsewhere)).toBe('UNKNOWN')
    expect(await found({ ...linked, root_device: '9999999' })).toBe('WORKTREE_GONE')
  })

  test('below a link that leads nowhere is unknown', async () => {
    const linked = await bound(repository.path)
    rmSync(repository.home, { recursive: true })
    symlinkSync('/nonexistent/disk', repository.home)
    expect(await found(linked)).toBe('UNKNOWN')
  })

  test('is held by its program, also when it is gone, and not by another of its number', async () => {
    const path = add('one', '-b', 'one')
    const child = spawn('sleep', ['60'])
    const used = await bound(path, child.pid)
    expect(used.process).toMatch(/^\d+:\d+:[0-9a-f-]+$/)
    git('worktree', 'remove', path)
    expect(await found(used)).toBe('THERE')
    const another = used.process?.replace(/:\d+:/, ':1:') ?? ''
    expect(await found({ ...used, process: another })).toBe('WORKTREE_GONE')
    child.kill('SIGKILL')
    await new Promise((done) => child.once('exit', done))
    expect(await found(used)).toBe('WORKTREE_GONE')
  })
})

describe('a git branch', () => {
  test('is gone when git lists it no more, packed or not, in files or in a table', async () => {
    for (const format of ['files', 'reftable']) {
      const path = join(repository.home, format)
      mkdirSync(path)
      const here = (...args: string[]) => repository.git(path, ...args)
      try {
        here('init', '--quiet', '--initial-branch=main', `--ref-format=${format}`)
      } catch {
        if (format === 'files') here('init', '--quiet', '--initial-branch=main')
        else return // this git knows files alone
      }
      // Before the first commit there is no ref that could go.
      expect(await bound(path)).not.toHaveProperty('git_ref')
      here('commit', '--quiet', '--allow-empty', '--message=one')
      here('switch', '--quiet', '--create', 'ünï/code')
      const to = await bound(path)
      expect(to.git_ref).toBe('refs/heads/ünï/code')
      here('switch', '--quiet', 'main')
      here('pack-refs', '--all')
      expect(await found(to)).toBe('THERE')
      here('branch', '--quiet', '-D', 'ünï/code')
      expect(await found(to)).toBe('REF_GONE')
    }
  })

  test('is unknown while git cannot list it or complains of its list', async () => {
    git('switch', '--quiet', '--create', 'pay')
    const to = await bound(repository.path)
    git('switch', '--quiet', 'main')
    const file = join(repository.path, '.git/refs/heads/pay')
    // As a crash leaves it: git warns of it, and leaves it out.
    writeFileSync(file, '\0'.repeat(41))
    expect(await found(to)).toBe('UNKNOWN')
    rmSync(file)
    expect(await found(to)).toBe('REF_GONE')
    appendFileSync(join(repository.path, '.git/config'), '[broken\n')
    expect(await found(to)).toBe('UNKNOWN')
  })

  test('of a detached or unborn head counts for nothing', async () => {
    git('switch', '--quiet', '--detach')
    expect(await found(await bound(repository.path))).toBe('THERE')
  })
})

const isRoot = process.getuid?.() === 0

test.skipIf(!isRoot)(
  'root asks git as the owner, whose settings cannot make it run anything',
  async () => {
    git('switch', '--quiet', '--create', 'pay')
    const to = await bound(repository.path)
    git('switch', '--quiet', 'main')
    git('branch', '--quiet', '-D', 'pay')
    const ran = join(repository.home, 'ran')
    mkdirSync(ran, { mode: 0o777 })
    chmodSync(ran, 0o777)
    chmodSync(repository.home, 0o755)
    git('config', 'core.fsmonitor', `sh -c 'touch ${ran}/monitor-$(id -u)'`)
    git('config', 'core.sshCommand', `touch ${ran}/ssh`)
    const own = (path: string): void => {
      chownSync(path, 65534, 65534)
      for (const entry of readdirSync(path, { withFileTypes: true })) {
        if (entry.isDirectory()) own(join(path, entry.name))
        else chownSync(join(path, entry.name), 65534, 65534)
      }
    }
    own(repository.path)
    expect(await found(to)).toBe('REF_GONE')
    expect(readdirSync(ran)).toEqual([])
  },
)

test.skipIf(isRoot)('a directory that is closed to us is unknown', async () => {
  const to = await bound(add('one', '-b', 'one'))
  git('worktree', 'remove', join(repository.home, 'one'))
  chmodSync(join(repository.path, '.git'), 0o000)
  expect(await found(to)).toBe('UNKNOWN')
  chmodSync(join(repository.path, '.git'), 0o700)
})

describe('what is told of a worktree', () => {
  test('names this machine always alike, and no password of a remote', async () => {
    expect(await hostId()).toBe(await hostId())
    expect(await hostId()).toMatch(/^[^/]+\/[0-9a-f]{12}$/)
    git('remote', 'add', 'origin', 'https://ann:s3cret@example.com/app.git?token=s3cret')
    expect((await bound(repository.path)).repository).toBe('https://example.com/app.git')
    expect(withoutSecrets('git@example.com:app.git')).toBe('git@example.com:app.git')
  })

  test('a container has the name of its own layer', () => {
    const line = (options: string) => `600 500 0:60 / / rw,relatime - overlay overlay rw,${options}`
    expect(layerOf(line('lowerdir=/l,upperdir=/var/o/abc/diff,workdir=/w'))).toBe('/var/o/abc/diff')
    expect(layerOf('22 1 8:1 / / rw - ext4 /dev/sda1 rw,errors=remount-ro')).toBe('')
    expect(layerOf('')).toBe('')
  })

  test.each([
    [
      'GitHub',
      'https://github.com/o/r/pull/7',
      {
        GITHUB_SERVER_URL: 'https://github.com',
        GITHUB_REPOSITORY: 'o/r',
        GITHUB_REF: 'refs/pull/7/merge',
      },
    ],
    [
      'GitLab',
      'https://gitlab.com/g/p/-/merge_requests/3',
      {
        CI_MERGE_REQUEST_PROJECT_URL: 'https://gitlab.com/g/p',
        CI_MERGE_REQUEST_IID: '3',
      },
    ],
    ['by hand', 'https://x.example/9', { LAKELET_PULL_REQUEST: 'https://x.example/9' }],
    ['none', undefined, { GITHUB_REF: 'refs/heads/main', GITHUB_REPOSITORY: 'o/r' }],
  ])('the pull request of CI: %s', async (_, address, env) => {
    const to = await boundTo(await findWorktree(repository.path), { env, agent: 'codex' })
    expect(to.pull_request).toBe(address)
    expect(to.agent).toBe('codex')
  })
})
