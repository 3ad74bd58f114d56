import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type ContractServer, startContractServer } from './contract-server.ts'
import { buildProgram, runProgram } from './program.ts'

let server: ContractServer
let other: ContractServer
let home: string
let stateDir: string

beforeAll(async () => {
  buildProgram()
  home = await mkdtemp(join(tmpdir(), 'lakelet-home-'))
  stateDir = join(home, 'state')
  server = await startContractServer()
  other = await startContractServer()
})
afterEach(async () => {
  server.asked.length = 0
  other.asked.length = 0
  await rm(stateDir, { recursive: true, force: true })
  await rm(join(home, '.databrickscfg'), { force: true })
})
afterAll(async () => {
  await server.close()
  await other.close()
  await rm(home, { recursive: true })
})

const me = (env: Readonly<Record<string, string>> = {}, flags: readonly string[] = []) =>
  runProgram([...flags, 'current-user', 'me'], {
    env: { HOME: home, LAKELET_STATE_DIR: stateDir, ...env },
  })

/** Who was asked, and with which token. */
const tokens = (asked: ContractServer) => asked.asked.map(({ authorization }) => authorization)

async function writeProfiles(): Promise<void> {
  await writeFile(
    join(home, '.databrickscfg'),
    `[DEFAULT]\nhost = ${other.host}\ntoken = default\n[dev]\nhost = ${other.host}/?o=1\ntoken = dev\n` +
      `[browser]\nhost = ${other.host}\nauth_type = databricks-cli\n` +
      `[cloud]\nhost = ${other.host}\nauth_type = azure-cli\n`,
  )
}

/** A state directory as a running server leaves it; this test's own process stands in for it. */
async function writeState(pid: number, startTime?: string): Promise<void> {
  await mkdir(stateDir)
  const facts = { pid, startTime, apiPort: server.port, pgPort: 5433, caFile: '/ca.pem' }
  await writeFile(join(stateDir, 'server.json'), JSON.stringify(facts))
  await writeFile(join(stateDir, 'owner-token'), 'owner\n')
}

async function writeRunningState(): Promise<void> {
  const { readFileSync } = await import('node:fs')
  const stat = readFileSync('/proc/self/stat', 'utf8')
  await writeState(process.pid, stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19])
}

describe('where a command goes', () => {
  test('the environment names host and token', async () => {
    await writeProfiles()
    const env = { DATABRICKS_HOST: `${server.host}/`, DATABRICKS_TOKEN: 'env' }
    const ended = await me(env)
    expect(JSON.parse(ended.stdout)).toEqual({ id: '1', userName: 'jane@example.com' })
    expect(tokens(server)).toEqual(['Bearer env'])
  })

  test('--profile wins over the environment', async () => {
    await writeProfiles()
    const env = { DATABRICKS_HOST: server.host, DATABRICKS_TOKEN: 'env' }
    expect((await me(env, ['-p', 'dev'])).code).toBe(0)
    expect(tokens(other)).toEqual(['Bearer dev'])
    expect(server.asked).toEqual([])
  })

  test('DATABRICKS_CONFIG_PROFILE names a profile, of another file if need be', async () => {
    const path = join(home, 'elsewhere')
    await writeFile(path, `[x]\nhost=${server.host}\ntoken=x\n`)
    const env = { DATABRICKS_CONFIG_FILE: path, DATABRICKS_CONFIG_PROFILE: 'x' }
    expect((await me(env)).code).toBe(0)
    expect(tokens(server)).toEqual(['Bearer x'])
  })

  test.runIf(process.platform === 'linux')(
    "without all that it is this machine's server, not profile DEFAULT",
    async () => {
      await writeProfiles()
      await writeRunningState()
      expect((await me()).code).toBe(0)
      expect(tokens(server)).toEqual(['Bearer owner'])
    },
  )

  test("this machine's server needs no token in the environment", async () => {
    await writeState(process.pid)
    expect((await me({ DATABRICKS_HOST: server.host })).code).toBe(0)
    expect(tokens(server)).toEqual(['Bearer owner'])
  })

  test('a server that was started once but is down is not swapped for another', async () => {
    await writeProfiles()
    await writeState(2 ** 22 + 1) // above the largest pid
    const ended = await me()
    expect(ended.code).toBe(1)
    expect(ended.stderr).toBe(
      `Error: the Lakelet server of ${stateDir} is not running\nHint: Start it with: lakelet up\n`,
    )
    expect(other.asked).toEqual([])
  })

  test('profile DEFAULT is the last resort', async () => {
    await writeProfiles()
    expect((await me()).code).toBe(0)
    expect(tokens(other)).toEqual(['Bearer default'])
  })

  test.each([
    [{}, [], 'no server: none was started with the state directory', 'lakelet up'],
    [{}, ['-p', 'none'], 'has no profile none', 'It has: DEFAULT, dev, browser, cloud.'],
    [{}, ['-p', 'cloud'], 'neither a token nor', 'auth_type azure-cli is not supported'],
    [{}, ['-p', 'browser'], 'nobody is signed in at', 'lakelet auth login'],
    [{ DATABRICKS_HOST: 'http://h.invalid' }, [], 'nothing says who you are', 'DATABRICKS_TOKEN'],
    [{ LAKELET_STATE_DIR: '', LAKELET_PG_PORT: 'x' }, [], 'LAKELET_PG_PORT must be a port', ''],
  ])('%j %j: it says what is missing', async (env, flags, reason, hint) => {
    if (flags.length > 0) await writeProfiles()
    const ended = await me(env, flags)
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain(reason)
    expect(ended.stderr).toContain(hint)
  })

  test('a name that no network knows', async () => {
    const ended = await me({ DATABRICKS_HOST: 'http://h.invalid', DATABRICKS_TOKEN: 'hush' }, [])
    expect([ended.code, ended.stderr]).toEqual([
      1,
      expect.stringContaining('cannot reach http://h.invalid'),
    ])
    expect(ended.stderr).toContain('Hint: Check the host name and the network.')
  })

  test('nobody at the other end', async () => {
    const gone = await startContractServer()
    await gone.close()
    const ended = await me({ DATABRICKS_HOST: gone.host, DATABRICKS_TOKEN: 'hush' }, ['--debug'])
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain(`Error: cannot reach ${gone.host}: connection refused`)
    expect(ended.stderr).toContain('Hint: Start it with: lakelet up')
    expect(ended.stderr).toContain(`> GET ${gone.host}/api/2.0/preview/scim/v2/Me`)
    expect(ended.stderr).not.toContain('hush')
  })
})

describe('lakelet api', () => {
  const api = (...args: string[]) =>
    runProgram(['api', ...args], {
      env: { DATABRICKS_HOST: server.host, DATABRICKS_TOKEN: 't' },
    })

  test('sends any method to any path', async () => {
    const path = '/api/2.0/postgres/projects?project_id=app'
    const ended = await api('post', path, '--json', '{"spec": {}}')
    expect(JSON.parse(ended.stdout)).toMatchObject({ name: 'projects/app/operations/post' })
    expect(server.asked).toEqual([
      { line: `POST ${path}`, body: '{"spec": {}}', authorization: 'Bearer t' },
    ])
    expect(await api('head', '/api/2.0/postgres/projects')).toEqual({
      code: 0,
      stdout: '',
      stderr: '',
    })
  })

  test('a path without its slash is refused', async () => {
    expect((await api('get', 'api/2.0')).stderr).toContain('PATH must begin with a slash')
  })
})

describe('without any server', () => {
  test('the version begins as scripts expect', async () => {
    const { stdout } = await runProgram(['version'])
    expect(stdout).toMatch(/^Lakelet v[1-9]\d*\.\d+\.\d+/)
    const json = JSON.parse((await runProgram(['version', '-o', 'json'])).stdout) as object
    expect(json).toMatchObject({ Version: stdout.trim().slice('Lakelet v'.length) })
  })

  test.each([
    [[]],
    [['--help']],
    [['help']],
    [['postgres']],
    [['postgres', '--help']],
    [['up', '--help']],
  ])('%j is help, on standard output', async (args) => {
    const ended = await runProgram(args)
    expect(ended).toMatchObject({ code: 0, stderr: '' })
    expect(ended.stdout).toMatch(/^Usage: lakelet /)
  })

  test('help of up shows every setting', async () => {
    const { stdout } = await runProgram(['up', '--help'])
    for (const flag of ['--state-dir', '--api-port', '--storage', '--max-branch-ttl']) {
      expect(stdout).toContain(flag)
    }
  })

  test.each([
    [['postgress'], '(Did you mean postgres?)', 'lakelet --help'],
    [['postgres', 'create-brnch'], '(Did you mean create-branch?)', 'lakelet postgres --help'],
    [['postgres', 'get-branch'], "missing required argument 'NAME'", 'lakelet postgres --help'],
    [['version', '-o', 'yaml'], 'Allowed choices are text, json', 'lakelet version --help'],
  ])('%j: a slip is named and help is offered', async (args, reason, help) => {
    const ended = await runProgram(args)
    expect(ended).toMatchObject({ code: 1, stdout: '' })
    expect(ended.stderr).toMatch(/^Error: /)
    expect(ended.stderr).toContain(reason)
    expect(ended.stderr).toContain(`Run "${help}" for usage.`)
  })
})
