/**
 * What branches are bound to, and their end with it: `lakelet gc` and the server's own sweep, in real repositories. What
 * cannot be read, or belongs to others, stays.
 */
import { spawn } from 'node:child_process'
import { chmodSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeRepository, program, type Repository } from '../fixtures/git-repository.ts'
import { nothingIsLeft } from '../fixtures/nothing-left.ts'
import { eventually, TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
const base = `/api/2.0/postgres/${store}`

let server: TestServer
let repository: Repository
let home: string

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Not `spawnSync`: a test may be the server that the command asks. */
const command = (
  directory: string,
  args: readonly string[],
  { env = {}, uid }: { env?: Record<string, string>; uid?: number } = {},
): Promise<Ended> =>
  new Promise((done) => {
    const child = spawn(process.execPath, [program, ...args], {
      cwd: directory,
      env: { ...repository.environment, ...env },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
    let [stdout, stderr] = ['', '']
    child.stdout.on('data', (bytes) => {
      stdout += bytes
    })
    child.stderr.on('data', (bytes) => {
      stderr += bytes
    })
    child.once('close', (status) => done({ status, stdout, stderr }))
  })
const lakelet = async (directory: string, ...args: string[]): Promise<string> => {
  const { status, stdout, stderr } = await command(directory, args)
  expect([status, stderr]).toEqual([0, ''])
  return stdout
}
const dev = async (directory: string, ...args: string[]): Promise<string> =>
  JSON.parse(await lakelet(directory, 'dev', '-o', 'json', ...args)).branch
const gc = async (...args: string[]): Promise<Record<string, string>> => {
  const { branches } = JSON.parse(await lakelet(repository.path, 'gc', '-o', 'json', ...args))
  return Object.fromEntries(
    // biome-ignore lint/suspicious/noExplicitAny: an answer as clients read it
    branches.map(({ branch, act }: any) => [branch, act]),
  )
}
const git = (...args: string[]) => repository.git(repository.path, ...args)
const worktree = (name: string, ...args: string[]): string => {
  const path = join(home, name)
  git('worktree', 'add', '--quiet', ...(args.length > 0 ? args : ['-b', name]), path)
  return path
}
const stateOf = async (branch: string) =>
  (await server.api('GET', `/api/2.0/postgres/${branch}`)).status
const bindings = async () => (await server.api('GET', `${base}/bindings`)).body.bindings

beforeEach(() => {
  repository = makeRepository(server)
  home = repository.home
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(server.log.slice(-3000))
  rmSync(home, { recursive: true, force: true })
  const { body } = await server.api('GET', `${base}/branches?page_size=99&show_deleted=true`)
  // biome-ignore lint/suspicious/noExplicitAny: an answer as clients read it
  const newestFirst = body.branches.sort((one: any, other: any) =>
    one.create_time < other.create_time ? 1 : -1,
  )
  for (const { name, status } of newestFirst) {
    if (status.default === true) continue
    if (status.is_protected) {
      await server.write('PATCH', `${name}?update_mask=spec.is_protected`, {
        spec: { is_protected: false },
      })
    }
    await server.write('DELETE', `${name}?purge=true&allow_missing=true`)
  }
})

describe('lakelet gc', () => {
  beforeAll(async () => {
    server = await TestServer.start({ storage: 'copy' })
  }, 120_000)
  afterAll(async () => {
    await nothingIsLeft(server)
    await server?.dispose()
  })

  test('a branch knows its worktree, and which program works there', async () => {
    const pay = worktree('pay')
    git('remote', 'add', 'origin', 'https://ann:secret@example.com/app.git')
    const made = await command(pay, ['dev', '-o', 'json'], {
      env: { CLAUDECODE: '1', LAKELET_PULL_REQUEST: 'https://forge.example/7' },
    })
    const { branch } = JSON.parse(made.stdout)
    const [first, ...others] = await bindings()
    expect(others).toEqual([])
    expect(first).toMatchObject({
      branch,
      git_dir: join(repository.path, '.git/worktrees/pay'),
      common_dir: join(repository.path, '.git'),
      root: pay,
      git_ref: 'refs/heads/pay',
      commit: git('rev-parse', 'HEAD'),
      repository: 'https://example.com/app.git',
      pull_request: 'https://forge.example/7',
      agent: 'claude-code',
      is_own: true,
    })
    expect(first).not.toHaveProperty('process')
    await lakelet(pay, 'run', '--', 'true')
    const [again, ...more] = await bindings()
    expect(more).toEqual([])
    expect(again).toMatchObject({ uid: first.uid, is_own: true, create_time: first.create_time })
    expect(again.process).toMatch(/^\d+:\d+:/)
    expect(again.update_time > first.update_time).toBe(true)
    // A branch that is used elsewhere is not that worktree's own.
    await lakelet(repository.path, 'branch', 'use', branch)
    const used = (await bindings()).map(({ is_own, root }: Record<string, unknown>) => [
      root,
      is_own,
    ])
    expect(used.sort()).toEqual(
      [
        [repository.path, false],
        [pay, true],
      ].sort(),
    )
  })

  test('deletes what is left over, after the grace, and says so before', async () => {
    const [pay, cart] = [worktree('pay'), worktree('cart')]
    const [ofPay, ofCart, ofMain] = [await dev(pay), await dev(cart), await dev(repository.path)]
    const other = 'projects/store/branches/by-hand'
    await server.write('POST', `${store}/branches?branch_id=by-hand`, { spec: { ttl: '1h' } })
    const everywhere = { [ofPay]: 'there', [ofCart]: 'there', [ofMain]: 'there' }
    expect(await gc('--grace', '0')).toEqual(everywhere)
    git('worktree', 'remove', '--force', pay)
    git('worktree', 'remove', '--force', cart)
    git('branch', '-D', 'pay')
    expect(await gc('--dry-run', '--grace', '0')).toEqual({
      [ofPay]: 'would delete',
      [ofCart]: 'would delete',
      [ofMain]: 'there',
    })
    expect((await bindings()).filter(({ gone }: { gone: unknown }) => gone)).toEqual([])
    // Not seen before: its grace begins now.
    const waits = await lakelet(repository.path, 'gc')
    expect(waits).toMatch(/Waits +store\/\S+-pay-\S+ +its worktree is gone: .*\/pay; until 2/)
    expect(waits).toMatch(/1 branch of a worktree that is there\./)
    expect(await stateOf(ofPay)).toBe(200)
    const refused = await server.api('POST', `/api/2.0/postgres/${ofPay}/collect`, {})
    expect(refused.body.message).toMatch(/is not collected: .*waits until 2/)
    const { body: before } = await server.api('GET', `/api/2.0/postgres/${ofCart}`)
    const said = await lakelet(repository.path, 'gc', '--grace', '0')
    expect(said).toMatch(/Deleted +store\/\S+-pay-/)
    expect(said).toMatch(/undelete-branch projects\/store\/branches\//)
    expect([await stateOf(ofPay), await stateOf(ofCart)]).toEqual([404, 404])
    expect([await stateOf(ofMain), await stateOf(other)]).toEqual([200, 200])
    // It is kept as long as it would have lived, comes back, and is then nobody's to collect.
    const { body: deleted } = await server.api('GET', `${base}/branches?show_deleted=true`)
    const row = deleted.branches.find(({ name }: { name: string }) => name === ofCart)
    expect(row.status.purge_time).toBe(before.status.expire_time)
    await server.write('POST', `${ofCart}/undelete`)
    expect(await gc('--grace', '0')).toEqual({ [ofMain]: 'there' })
    expect(await stateOf(ofCart)).toBe(200)
    const { body: audit } = await server.api('GET', '/api/lakelet/v1/audit?action=collect-branch')
    expect(audit.entries.length).toBeGreaterThanOrEqual(2)
  })

  test('by the git branch alone, and by a pull request that is closed', async () => {
    git('switch', '--quiet', '--create', 'pay')
    const ofPay = await dev(repository.path)
    git('switch', '--quiet', 'main')
    const states: Record<string, string> = { '1': 'open', '2': 'open' }
    const forge = createServer((request, response) => {
      const number = request.url?.split('/').at(-1) ?? ''
      response.end(JSON.stringify({ state: states[number] }))
    })
    await new Promise<void>((done) => forge.listen(0, '127.0.0.1', done))
    const address = forge.address()
    const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
    const env = { GITHUB_SERVER_URL: url, GITHUB_REPOSITORY: 'o/r' }
    try {
      const [one, two] = [worktree('one'), worktree('two')]
      const made = async (path: string, number: number) =>
        JSON.parse(
          (
            await command(path, ['dev', '-o', 'json'], {
              env: { ...env, GITHUB_REF: `refs/pull/${number}/merge` },
            })
          ).stdout,
        ).branch
      const [ofOne, ofTwo] = [await made(one, 1), await made(two, 2)]
      const collect = async () =>
        JSON.parse(
          (await command(home, ['gc', '--all', '--grace', '0', '-o', 'json'], { env })).stdout,
          // biome-ignore lint/suspicious/noExplicitAny: an answer as clients read it
        ).branches.map(({ branch, act, why }: any) => [branch, act, why])
      expect((await collect()).every(([, act]: string[]) => act === 'there')).toBe(true)
      states['2'] = 'closed'
      git('branch', '-D', 'pay')
      const after = await collect()
      expect(after).toContainEqual([ofPay, 'deleted', 'its git branch is gone: pay'])
      expect(after).toContainEqual([
        ofTwo,
        'deleted',
        `its pull request is closed: ${url}/o/r/pull/2`,
      ])
      expect(after).toContainEqual([ofOne, 'there', 'a worktree has it'])
      // Whoever cannot ask learns nothing, so it stays.
      states['1'] = 'closed'
      expect(await gc('--grace', '0')).toEqual({ [ofOne]: 'kept' })
    } finally {
      forge.closeAllConnections()
      forge.close()
    }
  })

  test('leaves what has children, is protected, in use elsewhere or by a program', async () => {
    const names = ['parent', 'kept', 'shared', 'served']
    const [parent, kept, shared, served] = names.map((name) => worktree(name)) as [
      string,
      string,
      string,
      string,
    ]
    const ofParent = await dev(parent)
    await server.write('POST', `${store}/branches?branch_id=child`, {
      spec: { ttl: '1h', source_branch: ofParent },
    })
    const ofKept = await dev(kept, '--ttl', 'none')
    await server.write('PATCH', `${ofKept}?update_mask=spec.is_protected`, {
      spec: { is_protected: true },
    })
    const ofShared = await dev(shared)
    await lakelet(repository.path, 'branch', 'use', ofShared)
    const ofServed = await dev(served)
    const running = spawn(process.execPath, [program, 'run', '--', 'sleep', '120'], {
      cwd: served,
      env: repository.environment,
    })
    await eventually('the program is bound', async () =>
      (await bindings()).some(({ process: pid }: { process?: string }) => pid !== undefined),
    )
    for (const path of [parent, kept, shared, served]) git('worktree', 'remove', '--force', path)
    expect(await gc('--grace', '0')).toEqual({
      [ofParent]: 'kept',
      [ofKept]: 'kept',
      [ofShared]: 'there',
      [ofServed]: 'there',
    })
    const why = await lakelet(repository.path, 'gc', '--grace', '0')
    expect(why).toMatch(/Kept +store\/\S+-parent-\S+ +it has child branches/)
    expect(why).toMatch(/Kept +store\/\S+-kept-\S+ +it is protected/)
    const ended = new Promise((done) => running.once('exit', done))
    running.kill('SIGTERM')
    await ended
    await server.write('DELETE', `${store}/branches/child?purge=true`)
    expect(await gc('--grace', '0')).toMatchObject({
      [ofParent]: 'deleted',
      [ofServed]: 'deleted',
      [ofShared]: 'there',
    })
  })

  test('deletes nothing that it cannot read, or of whom it does not know', async () => {
    const pay = worktree('pay')
    const ofPay = await dev(pay)
    git('worktree', 'remove', '--force', pay)
    git('branch', '-D', 'pay')
    const hidden = join(repository.path, '.git/HEAD')
    renameSync(hidden, `${hidden}.away`)
    const broken = await command(home, ['gc', '--all', '--grace', '0'])
    expect(broken.stdout).toMatch(/Kept .*could not be read/)
    renameSync(`${hidden}.away`, hidden)
    // As somebody to whom the repository is closed, as a server of another user is.
    if (process.getuid?.() === 0) {
      const env = { DATABRICKS_HOST: server.apiUrl, DATABRICKS_TOKEN: server.token, HOME: '/' }
      chmodSync(home, 0o755)
      chmodSync(join(repository.path, '.git'), 0o700)
      const closed = await command('/', ['gc', '--all', '--grace', '0'], { env, uid: 65534 })
      expect(closed.stderr).toBe('')
      expect(closed.stdout).toMatch(/Kept .*could not be read/)
    }
    expect(await stateOf(ofPay)).toBe(200)
    const elsewhere = await command(home, ['gc'])
    expect(elsewhere.stderr).toMatch(/is not in a git repository/)
    expect((await command(home, ['gc', '--all', '--grace', 'soon'])).stderr).toMatch(
      /--grace: "soon" is neither 0 nor a length of time/,
    )
    // A login that has ended, and a server that is not there.
    const env = { DATABRICKS_HOST: server.apiUrl, DATABRICKS_TOKEN: 'dapi-ended' }
    const ended = await command(repository.path, ['gc', '--grace', '0'], { env })
    expect([ended.status, ended.stderr]).toEqual([1, expect.stringMatching(/\(401 /)])
    const away = { DATABRICKS_HOST: 'http://127.0.0.1:9', DATABRICKS_TOKEN: 'dapi' }
    const gone = await command(repository.path, ['gc', '--grace', '0'], { env: away })
    expect([gone.status, gone.stderr]).toEqual([1, expect.stringMatching(/cannot reach/)])
    expect(await stateOf(ofPay)).toBe(200)
    expect(await gc('--grace', '0')).toEqual({ [ofPay]: 'deleted' })
  })

  test('is for those who may delete the branch', async () => {
    const bob = await server.identity('bob@example.com', 'CAN_BRANCH')
    const eve = await server.identity('eve@example.com', 'CAN_USE')
    const pay = worktree('pay')
    const ofPay = await dev(pay)
    const [binding] = await bindings()
    const { uid: _, branch: __, create_time, update_time, ...to } = binding
    const as = (token: string) => ({ token })
    const own = await server.api('POST', `/api/2.0/postgres/${ofPay}/bindings`, to, as(bob))
    expect(own.body.error_code).toBe('PERMISSION_DENIED')
    const uses = { ...to, git_dir: '/elsewhere', is_own: false }
    const used = await server.api('POST', `/api/2.0/postgres/${ofPay}/bindings`, uses, as(eve))
    expect(used.status).toBe(200)
    const findings = [{ binding: binding.uid, update_time, found: 'WORKTREE_GONE' }]
    const note = (token: string, body: object) =>
      server.api('POST', `${base}/bindings/findings`, body, as(token))
    expect((await note(eve, { findings })).status).toBe(403)
    expect((await note(bob, { findings, grace: '0s' })).body.branches).toEqual([
      { branch: ofPay, act: 'keep', because: 'OF_ANOTHER', problem: 'somebody else made it' },
    ])
    const collect = await server.api(
      'POST',
      `/api/2.0/postgres/${ofPay}/collect`,
      { grace: '0s' },
      as(bob),
    )
    expect(collect.status).toBe(403)
    const unknown = [{ ...findings[0], binding: '0193a5c0-0000-7000-8000-000000000000' }]
    expect((await note(server.token, { findings: unknown })).body.message).toMatch(
      /binding '0193a5c0.* not found/,
    )
    // What was told anew since it was looked for is there.
    const stale = [{ ...findings[0], update_time: create_time.replace(/^20/, '19') }]
    expect((await note(server.token, { findings: stale, grace: '0s' })).body.branches).toEqual([
      { branch: ofPay, act: 'keep', because: 'BOUND', problem: 'a worktree has it' },
    ])
    expect(await stateOf(ofPay)).toBe(200)
  })
})

describe('the sweep of the server', () => {
  beforeAll(async () => {
    server = await TestServer.start({ storage: 'copy', env: { LAKELET_COLLECT_GRACE: '2s' } })
  }, 120_000)
  afterAll(async () => {
    await nothingIsLeft(server)
    await server?.dispose()
  })

  test('collects what it may read of its own machine, also when it is killed on the way', async () => {
    const [pay, cart] = [worktree('pay'), worktree('cart')]
    const [ofPay, ofCart, ofMain] = [await dev(pay), await dev(cart), await dev(repository.path)]
    const [binding] = await bindings()
    // Of another machine, and on a disk that is not mounted here.
    for (const [id, change] of Object.entries({
      'of-another': { host: 'another/0123456789ab' },
      'not-mounted': { device: '9999999' },
    })) {
      await server.write('POST', `${store}/branches?branch_id=${id}`, { spec: { ttl: '1h' } })
      const { uid: _, branch: __, create_time: ___, update_time: ____, ...to } = binding
      const gone = { git_dir: '/gone/.git', common_dir: '/gone/.git', root: '/gone' }
      const body = { ...to, ...gone, ...change, is_own: true }
      const bound = await server.api('POST', `${base}/branches/${id}/bindings`, body)
      expect(bound.status).toBe(200)
    }
    await server.stop()
    rmSync(pay, { recursive: true })
    git('worktree', 'remove', '--force', cart)
    await server.launchOnly({ LAKELET_FAILPOINTS: 'collect-left-overs.noted:after=kill' })
    expect(await server.exit()).toBe('SIGKILL')
    await server.launch()
    await eventually('both are collected', async () => {
      const states = [await stateOf(ofPay), await stateOf(ofCart)]
      return states.join() === '404,404'
    })
    expect(await stateOf(ofMain)).toBe(200)
    expect(await stateOf(`${store}/branches/of-another`)).toBe(200)
    expect(await stateOf(`${store}/branches/not-mounted`)).toBe(200)
    const { body } = await server.api('GET', '/api/lakelet/v1/audit?action=collect-branch')
    expect(body.entries.map(({ actor }: { actor: object }) => actor)).toMatchObject([
      { kind: 'SYSTEM' },
      { kind: 'SYSTEM' },
    ])
    expect(body.entries[0].details).toEqual({ because: 'WORKTREE_GONE' })
  })

  test('never when the list cannot be read', async () => {
    git('switch', '--quiet', '--create', 'pay')
    const ofPay = await dev(repository.path)
    git('switch', '--quiet', 'main')
    git('branch', '-D', 'pay')
    const config = join(repository.path, '.git/config')
    renameSync(config, `${config}.good`)
    writeFileSync(config, '[broken\n')
    await server.kill()
    await server.launch()
    await new Promise((done) => setTimeout(done, 4000))
    expect(await stateOf(ofPay)).toBe(200)
    renameSync(`${config}.good`, config)
    await server.kill()
    await server.launch()
    await eventually('it is collected', async () => (await stateOf(ofPay)) === 404)
  })
})
