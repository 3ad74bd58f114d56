/**
 * The commands of a worktree with a Databricks workspace at the other end: a second Lakelet plays it, as strict as the
 * service, known by a profile of `.databrickscfg` alone.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { makeRepository, program, type Repository } from '../fixtures/git-repository.ts'
import { TestServer } from '../fixtures/server.ts'

const store = 'projects/store'
let server: TestServer
let repository: Repository
let environment: Record<string, string>

beforeAll(async () => {
  server = await TestServer.start({ env: { LAKELET_CONTRACT: 'strict' } })
  await server.sql(`${store}/branches/production`, 'create table products (id int primary key)')
}, 120_000)
afterAll(async () => {
  await server?.dispose()
})
beforeEach(() => {
  repository = makeRepository(server)
  const { home } = repository
  const { LAKELET_STATE_DIR: _local, ...rest } = repository.environment
  environment = {
    ...rest,
    // A workspace is at 5432 with a certificate of the system's.
    PGPORT: String(server.pgPort),
    PGSSLROOTCERT: join(server.stateDir, 'ca.pem'),
    DATABRICKS_CONFIG_PROFILE: 'workspace',
  }
  const profile = `[workspace]\nhost = ${server.apiUrl}\ntoken = ${server.token}\n`
  writeFileSync(join(home, '.databrickscfg'), profile)
})
afterEach(async () => {
  rmSync(repository.home, { recursive: true })
  const { body } = await server.api('GET', `/api/2.0/postgres/${store}/branches?page_size=99`)
  // biome-ignore lint/suspicious/noExplicitAny: an answer as clients read it
  const newestFirst = body.branches.sort((one: any, other: any) =>
    one.create_time < other.create_time ? 1 : -1,
  )
  for (const { name, status } of newestFirst) {
    if (status.default !== true) await server.write('DELETE', `${name}?purge=true`)
  }
})

const lakelet = (directory: string, ...args: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: directory,
    encoding: 'utf8',
    env: environment,
  })
  return { status, stdout, stderr }
}
/** What it said on standard error beside its JSON. */
const dev = (directory: string, ...args: string[]) => {
  const { status, stdout, stderr } = lakelet(directory, 'dev', ...args, '-o', 'json')
  expect(stderr).not.toContain('Error:')
  expect(status).toBe(0)
  return { ...JSON.parse(stdout), said: stderr }
}
const refused = (directory: string, ...args: string[]) => {
  const { status, stderr } = lakelet(directory, ...args)
  expect(status).toBe(1)
  expect(stderr).not.toMatch(/at .*\.js:\d+/)
  return stderr
}

test('dev makes the branch, finds it again without a word of bindings, and programs get in', () => {
  const { path } = repository
  const first = dev(path)
  expect(first).toMatchObject({
    is_new: true,
    source_branch: `${store}/branches/production`,
    said: '',
  })
  expect(dev(path)).toMatchObject({ is_new: false, branch: first.branch, said: '' })
  expect(readFileSync(join(path, '.env'), 'utf8')).toContain(`PGHOST=`)
  const ran = lakelet(path, 'run', '--', 'psql', '-Atc', 'select count(*) from products')
  expect(ran).toEqual({ status: 0, stdout: '0\n', stderr: '' })
  expect(lakelet(path, 'url').stdout).toContain(`@${first.host}:${server.pgPort}/`)
  expect(lakelet(path, 'psql', '--', '-Atc', 'select 7').stdout).toBe('7\n')
  const diff = lakelet(path, 'diff')
  expect(diff.stderr).toBe('')
  expect(diff.stdout).toContain('are the same')
})

test('migrate runs, and diff shows what it made, against the branch without an end', () => {
  const { path } = repository
  writeFileSync(
    join(path, 'lakelet.toml'),
    'migrate = "psql -qc \'create table orders (id int primary key)\'"\n',
  )
  dev(path, '--no-migrate')
  expect(lakelet(path, 'migrate')).toMatchObject({ status: 0 })
  expect(lakelet(path, 'diff').stdout).toContain('orders')
  // The branch has an end, so there are no copies of it to rehearse on.
  const own = dev(path, '--no-migrate').branch
  const stderr = refused(path, 'migrate', 'rehearse', '--source', own)
  expect(stderr).toContain(`the server makes no branches of branches that end, such as ${own}`)
  expect(stderr).toContain('Name a branch without an end')
})

test('a worktree of a branch that ends gets one of the default branch, and is told', () => {
  const { path, home, git } = repository
  const parent = dev(path)
  const parentId = parent.branch.split('/').at(-1)
  const child = join(home, 'child')
  git(path, 'worktree', 'add', '--quiet', '-b', 'feature/child', child, 'main')
  const made = dev(child)
  expect(made).toMatchObject({ is_new: true, source_branch: `${store}/branches/production` })
  expect(made.said).toBe(
    `Note: the server makes no branches of branches that end, such as ${parentId}, so this one is made of the default branch\n`,
  )
  expect(dev(child)).toMatchObject({ is_new: false, said: '' })
  // A source that somebody names is not exchanged for another.
  const named = join(home, 'named')
  git(path, 'worktree', 'add', '--quiet', '-b', 'feature/named', named, 'main')
  const stderr = refused(named, 'dev', '--source', parentId)
  expect(stderr).toContain('Branches with an expiration date cannot have child branches')
  expect(stderr).toContain('Name one without an end: --source production')
})

test('a parent that does not end is the source', () => {
  const { path, home, git } = repository
  const parent = dev(path, '--ttl', 'none')
  const child = join(home, 'child')
  git(path, 'worktree', 'add', '--quiet', '-b', 'feature/child', child, 'main')
  expect(dev(child)).toMatchObject({ source_branch: parent.branch, said: '' })
  // And gets no end while it is one.
  const stderr = refused(path, 'branch', 'renew', '--ttl', '6h')
  expect(stderr).toContain('A parent branch cannot have an expiration')
})

test('ends: too far is refused with what to do, renewals go, what moves is told to stay', async () => {
  const { path } = repository
  const far = refused(path, 'dev', '--ttl', '31d')
  expect(far).toContain('the server does not allow this end: expiration time exceeds the maximum')
  expect(far).toContain('Say another one with --ttl')
  writeFileSync(
    join(path, 'lakelet.toml'),
    '[[ttl]]\nmatch = "release/*"\nttl = "none"\n[[ttl]]\nttl = "2h"\nsliding = true\nhold = true\n',
  )
  const made = dev(path)
  expect(made.said).toBe(
    `Note: the server knows nothing of sliding and hold of lakelet.toml: the branch ends at ${made.expire_time}, unless it is renewed: lakelet branch renew\n`,
  )
  const renewed = lakelet(path, 'branch', 'renew', '--ttl', '5h')
  expect(renewed).toMatchObject({ status: 0, stderr: '' })
  const { body } = await server.api('GET', `/api/2.0/postgres/${made.branch}`)
  const hours = (Date.parse(body.status.expire_time) - Date.now()) / 3_600_000
  expect(hours).toBeGreaterThan(4.9)
  expect(hours).toBeLessThan(5.1)
  const farther = refused(path, 'branch', 'renew', '--ttl', '31d')
  expect(farther).toContain('the server does not allow this end')
  expect(farther).toContain(`ttl in ${join(path, 'lakelet.toml')}`)
  repository.git(path, 'switch', '--quiet', '-c', 'release/1')
  const forEver = dev(path, '--source', 'production')
  expect(forEver.expire_time).toBeUndefined()
  expect(refused(path, 'branch', 'renew')).toContain('there is nothing to renew')
})

test('what a workspace does not have is refused with what to do instead', () => {
  const { path } = repository
  const { branch } = dev(path)
  for (const args of [['gc'], ['gc', '--dry-run'], ['gc', '--project', 'store']]) {
    const stderr = refused(path, ...args)
    expect(stderr).toContain(`${server.apiUrl} keeps no bindings`)
    expect(stderr).toContain('lakelet postgres delete-branch')
  }
  const reset = [['--dry-run'], ['--yes']].map((args) =>
    refused(path, 'branch', 'reset', branch, ...args),
  )
  for (const stderr of reset) {
    expect(stderr).toContain(`the server has no method to reset a branch: ${branch} is as it was`)
    expect(stderr).toContain(`lakelet postgres delete-branch ${branch}, then lakelet dev`)
  }
  const restored = refused(path, 'branch', 'restore', branch, '--to', '16/B374D848', '--yes')
  expect(restored).toContain('source_branch_lsn')
  // As it says.
  expect(lakelet(path, 'postgres', 'delete-branch', branch).status).toBe(0)
  expect(dev(path)).toMatchObject({ is_new: true, branch })
})

test('branch use binds another branch, and env gives the profile to other programs', () => {
  const { path } = repository
  const used = lakelet(path, 'branch', 'use', 'store/production')
  expect(used).toMatchObject({ status: 0, stderr: '' })
  expect(readFileSync(join(path, '.env'), 'utf8')).toContain(`${store}/branches/production`)
  const env = lakelet(path, 'env', '-o', 'json')
  expect(env.stderr).toBe('')
  expect(JSON.parse(env.stdout)).toEqual({
    DATABRICKS_HOST: server.apiUrl,
    DATABRICKS_TOKEN: server.token,
  })
})

test('a profile of a service principal (OAuth M2M) does the same', async () => {
  const principal = await server.api('POST', '/api/2.0/preview/scim/v2/ServicePrincipals', {
    displayName: 'ci',
  })
  const { id, applicationId } = principal.body
  const made = await server.api(
    'POST',
    `/api/2.0/accounts/servicePrincipals/${id}/credentials/secrets`,
    {},
  )
  expect(made.status).toBe(200)
  await server.api('PATCH', '/api/2.0/permissions/database-projects/store', {
    access_control_list: [
      { service_principal_name: applicationId, permission_level: 'CAN_MANAGE' },
    ],
  })
  const lines = [
    '[workspace]',
    `host = ${server.apiUrl}`,
    `client_id = ${applicationId}`,
    `client_secret = ${made.body.secret}`,
    'auth_type = oauth-m2m',
  ]
  writeFileSync(join(repository.home, '.databrickscfg'), `${lines.join('\n')}\n`)
  const found = dev(repository.path)
  expect(found).toMatchObject({ is_new: true, user: applicationId, said: '' })
  expect(found.branch).toMatch(/\/branches\/sp-[0-9a-f]{8}-main-/)
  expect(lakelet(repository.path, 'psql', '--', '-Atc', 'select 7').stdout).toBe('7\n')
})
