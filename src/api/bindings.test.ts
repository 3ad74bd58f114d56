/** Bindings at the edge: read, asked of the actions, answered. */
import { describe, expect, test } from 'vitest'
import { Fault } from '../domain/faults.ts'
import { base } from './base-path.ts'
import { recordedApi } from './recording-actions.fixture.ts'

const project = `${base}/projects/app`
const branch = `${project}/branches/dev`
const worktree = {
  host: 'laptop/3f9a01bc77e0',
  git_dir: '/home/ann/app/.git/worktrees/pay',
  common_dir: '/home/ann/app/.git',
  root: '/home/ann/pay',
  device: '2049',
  root_device: '2050',
}
const read = {
  host: worktree.host,
  gitDir: worktree.git_dir,
  commonDir: worktree.common_dir,
  root: worktree.root,
  device: '2049',
  rootDevice: '2050',
}

describe('a binding', () => {
  test('is told with little or with all', async () => {
    const { inputsOf } = recordedApi()
    const path = { project: 'app', branch: 'dev' }
    expect(await inputsOf('POST', `${branch}/bindings`, worktree)).toEqual([
      path,
      { ...read, isOwn: false },
    ])
    const all = { git_ref: 'refs/heads/pay', agent: 'codex', process: '1:2:3', is_own: true }
    expect(await inputsOf('POST', `${branch}/bindings`, { ...worktree, ...all })).toEqual([
      path,
      { ...read, gitRef: 'refs/heads/pay', agent: 'codex', process: '1:2:3', isOwn: true },
    ])
  })

  test.each<[string, object, RegExp]>([
    ['without a directory', { git_dir: undefined }, /git_dir/],
    [
      'with a directory of two lines',
      { root: '/a\n/b' },
      /'root' is not valid: it holds a control character/,
    ],
    [
      'with a text for a flag',
      { is_own: 'yes' },
      /'is_own' is not valid: it must be true or false/,
    ],
    [
      'with an endless host',
      { host: 'x'.repeat(201) },
      /'host' is not valid: it must have 1 to 200 characters/,
    ],
  ])('is refused %s', async (_, change, says) => {
    const { refusalOf } = recordedApi()
    const { status, message } = await refusalOf('POST', `${branch}/bindings`, {
      ...worktree,
      ...change,
    })
    expect([status, message]).toEqual([400, expect.stringMatching(says)])
  })

  test('is listed for one machine', async () => {
    const { inputsOf } = recordedApi()
    const list = `${project}/bindings?page_size=7&host=laptop/3f9a01bc77e0`
    expect(await inputsOf('GET', list)).toEqual([
      { project: 'app' },
      { size: 7, token: undefined, host: worktree.host },
    ])
  })
})

describe('findings', () => {
  const finding = {
    binding: '0193a5c0-0000-7000-8000-000000000000',
    update_time: '2026-11-23T08:00:00.000Z',
    found: 'REF_GONE',
  }
  const asked = {
    findings: [
      { binding: finding.binding, updateTime: Date.parse(finding.update_time), found: 'REF_GONE' },
    ],
    grace: 0,
  }

  test('are noted, or only judged', async () => {
    const { send, calls } = recordedApi()
    const path = `${project}/bindings/findings`
    const noted = await send('POST', path, { findings: [finding], grace: '0s' })
    expect(noted.json).toMatchObject({
      branches: [
        { act: 'collect', because: 'REF_GONE' },
        { act: 'wait', collect_time: '2027-01-15T08:00:00.000Z' },
        { act: 'keep', problem: 'a worktree has it' },
      ],
    })
    await send('POST', path, { findings: [finding], grace: '0s', dry_run: true })
    expect(calls).toEqual([
      { verb: 'noteFindings', input: [{ project: 'app' }, asked] },
      { verb: 'previewFindings', input: [{ project: 'app' }, asked] },
    ])
  })

  test.each<[object, RegExp]>([
    [{}, /findings/],
    [
      { findings: [{ ...finding, found: 'PERHAPS' }] },
      /found' is not valid: it must be one of THERE/,
    ],
    [
      { findings: [{ ...finding, update_time: 'now' }] },
      /update_time' is not valid: it must be a time/,
    ],
    [
      { findings: Array(1001).fill(finding) },
      /'findings' is not valid: it must have at most 1000 entries/,
    ],
    [{ findings: [], grace: '-1s' }, /'grace' is not valid: it must be 0s .* to 31536000s/],
  ])('are refused: %j', async (body, says) => {
    const { refusalOf } = recordedApi()
    expect((await refusalOf('POST', `${project}/bindings/findings`, body)).message).toMatch(says)
  })
})

test('collecting a branch says why it may not be', async () => {
  const { inputsOf } = recordedApi()
  expect(await inputsOf('POST', `${branch}/collect`, { grace: '60s' })).toEqual([
    { project: 'app', branch: 'dev' },
    { grace: 60_000 },
  ])
  const { send } = recordedApi({
    collectBranch: () => {
      throw new Fault('BRANCH_IS_NO_LEFT_OVER', { branch: 'dev', problem: 'a worktree has it' })
    },
  })
  const { status, json } = await send('POST', `${branch}/collect`, {})
  expect([status, json]).toMatchObject([
    400,
    { message: expect.stringMatching(/'dev' is not collected: a worktree has it\. To delete it/) },
  ])
})
