/**
 * The GitHub action by its own steps, and the recipes of docs/guide/ci.md by their own scripts: in a real checkout, against a real
 * server, with tokens that are really exchanged. Only the services of GitHub are played, on loopback.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseYAML } from 'confbox/yaml'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { makeRepository, type Repository } from '../fixtures/git-repository.ts'
import { type GitHub, jobProof, jobToken, startGitHub } from '../fixtures/github.ts'
import { codeBlocks } from '../fixtures/guide.ts'
import { TestServer } from '../fixtures/server.ts'

const root = resolve(import.meta.dirname, '../..')
const ci = join(root, 'ci')
const store = 'projects/store'

let server: TestServer
let github: GitHub
let issuers: string
let home: string
let checkout: string
let git: Repository['git']
let base: Record<string, string>

beforeAll(async () => {
  github = await startGitHub({ repository: 'acme/store' })
  const rules = [{ claims: { repository: 'acme/store' }, identity: 'ci@example.com' }]
  issuers = join(makeRepository({ stateDir: '' }).home, 'issuers.json')
  writeFileSync(issuers, JSON.stringify([{ issuer: github.url, audience: 'lakelet', rules }]))
  server = await TestServer.start({ env: { LAKELET_TRUSTED_ISSUERS: issuers } })
  await server.sql(`${store}/branches/production`, 'create table products (id int)')
  await server.identity('ci@example.com', 'CAN_BRANCH')
}, 120_000)
afterAll(async () => {
  await server?.dispose()
  await github?.close()
  rmSync(resolve(issuers, '..'), { recursive: true })
})
beforeEach(() => {
  const made = makeRepository(server)
  ;({ home, path: checkout, git } = made)
  base = { ...made.environment }
  writeFileSync(
    join(checkout, 'package.json'),
    JSON.stringify({ scripts: { test: 'printenv LAKEBASE_BRANCH >tested-on' } }),
  )
  git(checkout, 'add', '.')
  git(checkout, 'commit', '--quiet', '--message=app')
  git(checkout, 'switch', '--quiet', '--detach') // as CI checks out
  github.comments.length = 0
  Object.assign(github.status, { tokens: 200, comments: 200 })
})
afterEach(async ({ task }) => {
  if (task.result?.state === 'fail') console.error(server.log.slice(-2000))
  rmSync(home, { recursive: true })
  for (const { name, status } of await branches()) {
    if (status.default !== true) await server.write('DELETE', `${name}?purge=true`)
  }
})

// biome-ignore lint/suspicious/noExplicitAny: an answer as clients read it
const branches = async (): Promise<any[]> =>
  (await server.api('GET', `/api/2.0/postgres/${store}/branches?page_size=99`)).body.branches
const branchNamed = async (id: string) =>
  (await branches()).find(({ name }) => name === `${store}/branches/${id}`)
const testedOn = () => readFileSync(join(checkout, 'tested-on'), 'utf8').trim()

interface Ended {
  readonly code: number | null
  readonly said: string
}

/** What GitHub does not wait for: the event loop goes on, for it serves the job. */
const run = (line: string, env: Record<string, string>, shell = 'bash'): Promise<Ended> =>
  new Promise((done) => {
    const child = spawn(shell, ['-e', '-c', line], { cwd: checkout, env: { ...base, ...env } })
    let said = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (bytes) => {
        said += bytes
      })
    child.once('close', (code) => done({ code, said }))
  })

interface Step {
  readonly id?: string
  readonly shell: string
  readonly run: string
  readonly env?: Record<string, string>
}
interface Action {
  readonly inputs: Record<string, { readonly default?: string; readonly required?: boolean }>
  readonly outputs: Record<string, { readonly value: string }>
  readonly runs: { readonly using: string; readonly steps: readonly Step[] }
}
const action = parseYAML<Action>(readFileSync(join(ci, 'action.yml'), 'utf8'))

/** `${{ a.b }}`: all that the action uses of GitHub's expressions. */
const filled = (text: string, context: unknown): string =>
  text.replace(/\$\{\{ ([\w.-]+) \}\}/g, (_, path: string) => {
    // biome-ignore lint/suspicious/noExplicitAny: any object, by its paths
    const value = path.split('.').reduce((at: any, key) => at?.[key], context)
    return value === undefined ? '' : String(value)
  })

interface Job extends Ended {
  readonly output: string
  /** What GitHub keeps of it, and shows. */
  readonly kept: string
  readonly summary: string
  /** For the steps after the action. */
  readonly env: Record<string, string>
}

let jobs = 0

/** As a runner of GitHub's does it: steps one after another, files for what they hand on. */
async function runAction(
  event: object,
  given: Record<string, string> = {},
  more: Record<string, string> = {},
): Promise<Job> {
  jobs += 1
  const directory = join(home, `runner-${jobs}`)
  mkdirSync(directory)
  const file = (name: string) => join(directory, name)
  const names = ['GITHUB_ENV', 'GITHUB_PATH', 'GITHUB_OUTPUT', 'GITHUB_STEP_SUMMARY']
  for (const name of names) writeFileSync(file(name), '')
  const inputs: Record<string, string> = {}
  const defaults = { github: { token: jobToken } }
  for (const [name, { default: usual, required }] of Object.entries(action.inputs)) {
    const value = given[name] ?? (usual === undefined ? undefined : filled(usual, defaults))
    expect(required !== true || value !== undefined, name).toBe(true)
    inputs[name] = value ?? ''
  }
  const env: Record<string, string> = {
    ...Object.fromEntries(names.map((name) => [name, file(name)])),
    GITHUB_ACTION_PATH: ci,
    GITHUB_API_URL: github.url,
    GITHUB_REPOSITORY: 'acme/store',
    ACTIONS_ID_TOKEN_REQUEST_URL: `${github.url}/token?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: jobProof,
    ...more,
  }
  const pairs = (name: string) =>
    Object.fromEntries(
      readFileSync(file(name), 'utf8')
        .split('\n')
        .filter(Boolean)
        .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    )
  const context = { inputs, github: { event, token: jobToken } }
  const steps: Record<string, unknown> = {}
  let said = ''
  let code: number | null = 0
  for (const step of action.runs.steps) {
    const own = Object.entries(step.env ?? {}).map(([name, text]) => [name, filled(text, context)])
    writeFileSync(file('GITHUB_OUTPUT'), '')
    const done = await run(
      step.run,
      { ...env, ...pairs('GITHUB_ENV'), ...Object.fromEntries(own) },
      step.shell,
    )
    said += done.said
    code = done.code
    if (step.id !== undefined) steps[step.id] = { outputs: pairs('GITHUB_OUTPUT') }
    if (code !== 0) break
  }
  const summary = readFileSync(file('GITHUB_STEP_SUMMARY'), 'utf8')
  return {
    code,
    said,
    output: filled(action.outputs.branch?.value ?? '', { steps }),
    kept: [said, summary, ...names.map((name) => readFileSync(file(name), 'utf8'))].join('\n'),
    summary,
    env: { ...env, ...pairs('GITHUB_ENV') },
  }
}

const pullRequest = (act: string) => ({ action: act, pull_request: { number: 12 } })
const inputs = () => ({ host: server.apiUrl, project: 'store', 'state-dir': server.stateDir })

describe('the GitHub action', () => {
  test('gives a pull request its branch, for the steps after it, and tells of it once', async () => {
    for (let id = 1; id <= 130; id += 1) github.comments.push({ id, body: `comment ${id}` })
    const first = await runAction(pullRequest('opened'), inputs())
    expect(first.said).toMatch(/Branch +pr-12 /)
    expect(first).toMatchObject({ code: 0, output: `${store}/branches/pr-12` })
    const made = await branchNamed('pr-12')
    expect((new Date(made.status.expire_time).getTime() - Date.now()) / 86_400_000).toBeCloseTo(
      7,
      1,
    )
    expect((await run('lakelet current-user me', first.env)).said).toContain('ci@example.com')
    expect((await run('lakelet run -- npm test', first.env)).code).toBe(0)
    expect(testedOn()).toBe(`${store}/branches/pr-12`)
    const own = () => github.comments.filter(({ body }) => body.includes('<!-- lakelet'))
    expect(own()).toHaveLength(1)
    expect(own()[0]?.body).toMatch(/\*\*Database branch `pr-12`\*\* of `production`, ends 20/)
    expect(own()[0]?.body).toContain('lakelet psql store/pr-12')
    expect(own()[0]?.body).toContain('Schema and rows are the same.')
    expect(first.summary).toBe(own()[0]?.body)
    const password = /^PGPASSWORD=(.*)$/m.exec(readFileSync(join(checkout, '.env'), 'utf8'))?.[1]
    for (const secret of [password, jobToken, jobProof, 'eyJ']) {
      expect(first.kept).not.toContain(secret)
    }
    const second = await runAction(pullRequest('synchronize'), { ...inputs(), ttl: '8d' })
    expect(second.code).toBe(0)
    const renewed = await branchNamed('pr-12')
    expect(renewed.uid).toBe(made.uid)
    expect(renewed.status.expire_time > made.status.expire_time).toBe(true)
    expect(own()).toHaveLength(1)
    expect(own()[0]?.body).toContain(renewed.status.expire_time)

    const closed = await runAction(pullRequest('closed'), inputs())
    expect(closed).toMatchObject({ code: 0, output: `${store}/branches/pr-12` })
    expect(await branchNamed('pr-12')).toBeUndefined()
    expect(own()[0]?.body).toContain(`lakelet postgres undelete-branch ${store}/branches/pr-12`)
    expect((await runAction(pullRequest('closed'), inputs())).said).toMatch(/pr-12 was gone/)
    expect((await runAction(pullRequest('reopened'), inputs())).code).toBe(0)
    expect((await branchNamed('pr-12')).uid).not.toBe(made.uid)
  })

  test('tells how the branch differs from its source, in one comment', async () => {
    const own = () => github.comments.filter(({ body }) => body.includes('<!-- lakelet'))
    const first = await runAction(pullRequest('opened'), inputs())
    expect(first.code, first.said).toBe(0)
    const change = `create table more (id int); insert into products values (1), (2);
      do $$ begin for n in 1..1500 loop execute format('create table %I ()', repeat('t', 50) || n); end loop; end $$`
    const line = `lakelet psql -- -c "$CHANGE"`
    const changed = await run(line, { ...first.env, CHANGE: change })
    expect(changed.code, changed.said).toBe(0)
    const second = await runAction(pullRequest('synchronize'), inputs())
    expect(second.code, second.said).toBe(0)
    expect(own()).toHaveLength(1)
    const body = own()[0]?.body ?? ''
    expect(body).toMatch(/^<!-- lakelet projects\/store\/branches\/pr-12 -->\n/)
    expect(body.match(/<!--/g)).toHaveLength(1)
    expect(body).toContain('**`store/pr-12`** against `store/production`')
    expect(body).toContain('+ table public.more')
    expect(body).toMatch(/and \d+ lines more/)
    expect(body).toContain('| public.products | 2 | 0 | 0 |')
    expect(body.length).toBeLessThan(60_000)
    const left = (await branches()).map(({ name }) => name.split('/').at(-1))
    expect(left.sort()).toEqual(['pr-12', 'production'])
    const without = await runAction(pullRequest('synchronize'), { ...inputs(), diff: 'false' })
    expect(without.summary).not.toContain('Database changes')
    writeFileSync(join(checkout, 'lakelet.toml'), 'database = "none"\nmigrate = "none"\n')
    const script = `node ${join(ci, 'comment.mjs')}`
    const broken = await run(script, {
      ...first.env,
      LAKELET_PROJECT: 'store',
      LAKELET_BRANCH: 'pr-12',
    })
    expect(broken.code).toBe(0)
    expect(broken.said).toMatch(/::warning::The differences of .*pr-12 could not be read: .+/)
  })

  test('does what its inputs say', async () => {
    writeFileSync(join(checkout, 'lakelet.toml'), 'migrate = "touch migrated"\n')
    await server.write('POST', `${store}/branches?branch_id=stage`, { spec: { no_expiry: true } })
    const given = { ...inputs(), branch: 'nightly', source: 'stage', ttl: '1h', comment: 'false' }
    const done = await runAction({ action: 'schedule' }, { ...given, migrate: 'false' })
    expect(done).toMatchObject({ code: 0, output: `${store}/branches/nightly`, summary: '' })
    expect((await branchNamed('nightly')).status.source_branch).toBe(`${store}/branches/stage`)
    expect(github.comments).toEqual([])
    expect(existsSync(join(checkout, 'migrated'))).toBe(false)
    expect((await runAction({}, given)).code).toBe(0)
    expect(existsSync(join(checkout, 'migrated'))).toBe(true)
  })

  test('brings its own lakelet where the runner has none', async () => {
    const [path, env] = [join(home, 'path'), join(home, 'env')]
    for (const file of [path, env]) writeFileSync(file, '')
    const given = { DATABRICKS_HOST: 'h', DATABRICKS_TOKEN_AUDIENCE: 'a' }
    const rest = { DATABRICKS_CLIENT_ID: '', LAKELET_STATE_DIR: '' }
    const files = { GITHUB_PATH: path, GITHUB_ENV: env, PATH: '/usr/bin:/bin' }
    const { code } = await run(`sh ${join(ci, 'setup.sh')}`, { ...given, ...rest, ...files })
    expect(code).toBe(0)
    expect(readFileSync(path, 'utf8')).toBe(`${root}\n`)
    expect(existsSync(join(root, 'lakelet'))).toBe(true)
    expect(readFileSync(env, 'utf8')).toBe(
      'DATABRICKS_HOST=h\nDATABRICKS_AUTH_TYPE=github-oidc\nDATABRICKS_TOKEN_AUDIENCE=a\n',
    )
  })

  test('run twice at once makes one branch', async () => {
    const done = await Promise.all([1, 2].map(() => runAction(pullRequest('opened'), inputs())))
    expect(done.map(({ code, said }) => (code === 0 ? 0 : said))).toEqual([0, 0])
    expect((await branches()).filter(({ name }) => name.endsWith('/pr-12'))).toHaveLength(1)
  })

  test('goes on without a comment that it may not write', async () => {
    github.status.comments = 403
    const done = await runAction(pullRequest('opened'), inputs())
    expect(done.code).toBe(0)
    expect(done.said).toMatch(/::warning::.*answered 403.*pull-requests: write/)
    expect(done.summary).toContain('pr-12')
  })

  test.each<[string, () => Promise<Job>, RegExp]>([
    ['no pull request', () => runAction({}, inputs()), /belongs to no pull request/],
    [
      'a job that may have no token',
      () => runAction(pullRequest('opened'), inputs(), { ACTIONS_ID_TOKEN_REQUEST_URL: '' }),
      /id-token: write/,
    ],
    [
      'a token for another audience',
      () => runAction(pullRequest('opened'), { ...inputs(), audience: 'else' }),
      /another audience/,
    ],
    [
      'no audience',
      () => runAction(pullRequest('opened'), { ...inputs(), audience: '' }),
      /DATABRICKS_TOKEN_AUDIENCE/,
    ],
    [
      'a project that is not there',
      () => runAction(pullRequest('opened'), { ...inputs(), project: 'none' }),
      /project id not found/,
    ],
    [
      'a source that is not there',
      () => runAction(pullRequest('opened'), { ...inputs(), source: 'none' }),
      /not found/,
    ],
    [
      'a ttl that is none',
      () => runAction(pullRequest('opened'), { ...inputs(), ttl: 'soon' }),
      /"soon" is not a length of time/,
    ],
    [
      'the branch of somebody else',
      async () => {
        await server.write('POST', `${store}/branches?branch_id=hers`, { spec: { ttl: '3600s' } })
        return runAction(pullRequest('closed'), { ...inputs(), branch: 'hers' })
      },
      /HTTP Status: 403/,
    ],
    [
      'GitHub, when it fails',
      () => {
        github.status.tokens = 500
        return runAction(pullRequest('opened'), inputs())
      },
      /GitHub gave no token \(500/,
    ],
  ])('fails, and says why: %s', async (_, act, words) => {
    const done = await act()
    expect(done.said).toMatch(words)
    expect(done.code).not.toBe(0)
    expect(await branchNamed('pr-12')).toBeUndefined()
  })
})

const blocks = codeBlocks('docs/guide/ci.md')
const block = (section: string): string => {
  const found = blocks.find((one) => one.section === section)
  if (found === undefined) throw new Error(`ci.md has no code in “${section}”`)
  return found.text
}
/** Where the guide has its clone and its server. */
const here = (text: string) =>
  text.replaceAll('/opt/lakelet', root).replaceAll('http://127.0.0.1:7430', server.apiUrl)

describe('a recipe', () => {
  test('of GitHub names inputs that the action has, and runs on all that it is for', async () => {
    // biome-ignore lint/suspicious/noExplicitAny: a workflow
    const workflow = parseYAML<any>(block('GitHub Actions'))
    expect(workflow.on.pull_request.types).toContain('closed')
    const [, ours, tests] = workflow.jobs.database.steps
    expect(ours.uses).toMatch(/^OWNER\/lakelet\/ci@/)
    expect(existsSync(join(root, 'ci/action.yml'))).toBe(true)
    expect(Object.keys(action.inputs)).toEqual(expect.arrayContaining(Object.keys(ours.with)))
    const given = Object.fromEntries(
      Object.entries(ours.with).map(([name, value]) => [name, here(String(value))]),
    )
    const job = await runAction(pullRequest('opened'), { ...given, 'state-dir': server.stateDir })
    expect(job.code).toBe(0)
    expect((await run(tests.run, job.env)).code).toBe(0)
    expect(testedOn()).toBe(`${store}/branches/pr-12`)
  })

  test('of GitLab makes and ends the branch of a merge request', async () => {
    // biome-ignore lint/suspicious/noExplicitAny: a pipeline
    const pipeline = parseYAML<any>(here(block('GitLab')))
    const shared = pipeline['.lakelet']
    const predefined = { CI_MERGE_REQUEST_IID: '7' }
    const variables = Object.fromEntries(
      Object.entries<string>(shared.variables).map(([name, value]) => [
        name,
        value.replace('$CI_MERGE_REQUEST_IID', predefined.CI_MERGE_REQUEST_IID),
      ]),
    )
    const [[token, { aud }]] = Object.entries<{ aud: string }>(shared.id_tokens) as [
      [string, { aud: string }],
    ]
    const job = async (name: string) => {
      expect(pipeline[name].extends).toBe('.lakelet')
      const env = { ...predefined, ...variables, [token]: await github.sign(aud) }
      for (const line of pipeline[name].script) {
        const { code, said } = await run(line, env)
        expect(code, `${line}\n${said}`).toBe(0)
      }
    }
    await job('test')
    expect(testedOn()).toBe(`${store}/branches/mr-7`)
    expect(await branchNamed('mr-7')).toBeDefined()
    await job(pipeline.test.environment.on_stop)
    expect(await branchNamed('mr-7')).toBeUndefined()
  })

  test('of Jenkins makes and ends the branch of a build', async () => {
    const [stages = '', post = ''] = here(block('Jenkins')).split('post {')
    const file = join(home, 'id-token')
    writeFileSync(file, `${await github.sign()}\n`)
    const env: Record<string, string> = { CHANGE_ID: '7', BUILD_NUMBER: '3' }
    for (const [, name = '', value = ''] of stages.matchAll(/^ {4}(\w+) = ['"](.*)['"]$/gm)) {
      env[name] = value.replace(/\$\{env\.(\w+)\}/g, (_, key: string) => env[key] ?? '')
    }
    const bound = /variable: '(\w+)'/.exec(stages)?.[1] ?? ''
    const steps = async (text: string) => {
      const lines = [...text.matchAll(/\bsh '(.*)'$/gm)].map(([, line = '']) => line)
      expect(lines).not.toHaveLength(0)
      for (const line of lines) {
        const { code, said } = await run(line, { ...env, [bound]: file })
        expect(code, `${line}\n${said}`).toBe(0)
      }
    }
    await steps(stages)
    expect(testedOn()).toBe(`${store}/branches/pr-7-3`)
    await steps(post)
    expect(await branchNamed('pr-7-3')).toBeUndefined()
  })

  test('of elsewhere works line by line', async () => {
    const { code, said } = await run(here(block('Elsewhere')), {})
    expect(code, said).toBe(0)
    expect(testedOn()).toBe(`${store}/branches/job-42`)
    expect(await branchNamed('job-42')).toBeUndefined()
  })
})

describe('a token that a job has', () => {
  const me = (env: Record<string, string>) =>
    run('lakelet current-user me', { DATABRICKS_HOST: server.apiUrl, ...env })

  test.each<[string, Record<string, string>, RegExp]>([
    ['env-oidc', {}, /DATABRICKS_OIDC_TOKEN is empty[\s\S]*DATABRICKS_OIDC_TOKEN_ENV/],
    ['env-oidc', { DATABRICKS_OIDC_TOKEN_ENV: 'MINE' }, /MINE is empty/],
    ['env-oidc', { DATABRICKS_OIDC_TOKEN: 'nonsense' }, /not a JWT[\s\S]*trusted-issuers/],
    ['file-oidc', {}, /nothing says which file/],
    ['file-oidc', { DATABRICKS_OIDC_TOKEN_FILEPATH: '/none' }, /\/none holds no token/],
    ['github-oidc', {}, /may ask for no token/],
  ])('is refused with what to do: %s %j', async (authType, env, words) => {
    const { code, said } = await me({ DATABRICKS_AUTH_TYPE: authType, ...env })
    expect(code).toBe(1)
    expect(said).toMatch(words)
  })

  test('goes before a token that is set as well, and is told by auth describe', async () => {
    const env = {
      DATABRICKS_AUTH_TYPE: 'env-oidc',
      DATABRICKS_OIDC_TOKEN: await github.sign(),
      DATABRICKS_TOKEN: server.token,
    }
    expect((await me(env)).said).toContain('ci@example.com')
    const described = await run('lakelet auth describe', {
      DATABRICKS_HOST: server.apiUrl,
      ...env,
    })
    expect(described.said).toMatch(/User: +ci@example.com\nAuthenticated: +env-oidc/)
  })
})
