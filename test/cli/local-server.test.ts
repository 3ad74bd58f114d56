import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { type ContractServer, startContractServer } from './contract-server.ts'
import { buildProgram, runProgram } from './program.ts'

let directory: string
let stateDir: string
let server: ContractServer
let standIn: ChildProcess | undefined

beforeAll(buildProgram)
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lakelet-local-'))
  stateDir = join(directory, "it's state")
  server = await startContractServer()
})
afterEach(async () => {
  if (standIn !== undefined && standIn.exitCode === null && standIn.signalCode === null) {
    standIn.kill('SIGKILL')
    await once(standIn, 'exit')
  }
  standIn = undefined
  await server.close()
  await rm(directory, { recursive: true })
})

const lakelet = (args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  runProgram(args, { env: { HOME: directory, LAKELET_STATE_DIR: stateDir, ...env } })

/** A process that looks like a server to whoever asks, and ends (or not) when it is told to. */
async function startStandIn(name = 'lakelet.js', onTerm = 'process.exit(0)'): Promise<number> {
  const script = join(directory, name)
  const text = `process.on('SIGTERM', () => { ${onTerm} }); setInterval(() => {}, 1000); console.log('up')`
  await writeFile(script, text)
  standIn = spawn(process.execPath, [script, 'up'], { stdio: ['ignore', 'pipe', 'inherit'] })
  if (standIn.stdout !== null) await once(standIn.stdout, 'data')
  return standIn.pid ?? 0
}

async function writeState(pid: number, facts: object = {}): Promise<void> {
  await mkdir(stateDir)
  const whole = {
    pid,
    apiPort: server.port,
    pgPort: 5432,
    caFile: join(stateDir, 'ca.pem'),
    ...facts,
  }
  await writeFile(join(stateDir, 'server.json'), JSON.stringify(whole))
  await writeFile(join(stateDir, 'owner-token'), 'dapi-owner\n')
}

describe('lakelet env', () => {
  test('prints what a shell reads back', async () => {
    await writeState(await startStandIn(), { pgPort: 5433 })
    const { stdout } = await lakelet(['env'])
    expect(stdout).toContain('export DATABRICKS_TOKEN=dapi-owner\n')
    const names = 'DATABRICKS_HOST DATABRICKS_TOKEN PGSSLROOTCERT NODE_EXTRA_CA_CERTS PGPORT'
    const shell = spawn('sh', ['-c', `${stdout}\nprintenv ${names}`], {
      env: { PATH: '/usr/bin:/bin' },
    })
    const [text] = (await once(shell.stdout, 'data')) as [Buffer]
    const ca = join(stateDir, 'ca.pem')
    expect(text.toString().trim().split('\n')).toEqual([server.host, 'dapi-owner', ca, ca, '5433'])
  })

  test('leaves the usual port out, and speaks JSON', async () => {
    await writeState(await startStandIn())
    const { stdout } = await lakelet(['env', '-o', 'json'])
    expect(Object.keys(JSON.parse(stdout) as object)).not.toContain('PGPORT')
  })

  test('has nothing to say of a server that is down', async () => {
    expect((await lakelet(['env'])).stderr).toContain('is not running')
  })
})

describe('lakelet status', () => {
  const body = { version: '1.0.0', storage: { driver: 'btrfs' } }

  test('is a table with the branches and their history, or JSON', async () => {
    const api = 'GET /api/2.0/postgres'
    const history = { window_start_time: '2026-11-20T10:00:00Z', size_bytes: '4194304' }
    const main = { name: 'projects/app/branches/main', status: { current_state: 'READY', history } }
    const young = { name: 'projects/app/branches/young', status: { current_state: 'INIT' } }
    const answer = (line: string, given: object) =>
      server.answers.set(line, { status: 200, body: given })
    answer('GET /api/lakelet/v1/status', body)
    answer(`${api}/projects`, { projects: [{ name: 'projects/app' }] })
    answer(`${api}/projects/app/branches`, { branches: [main, young], next_page_token: 'more' })
    await writeState(await startStandIn())
    expect((await lakelet(['status'])).stdout.split('\n')).toEqual([
      `server   ${server.host}`,
      'version  1.0.0',
      'storage',
      '  driver  btrfs',
      'branches',
      '  branch                       state  history since         history',
      '  projects/app/branches/main   READY  2026-11-20T10:00:00Z  4 MiB',
      '  projects/app/branches/young  INIT   -                     -',
      '  … and more: lakelet postgres list-branches projects/PROJECT',
      '',
    ])
    expect(JSON.parse((await lakelet(['status', '-o', 'json'])).stdout)).toEqual({
      ...body,
      branches: [
        {
          branch: main.name,
          state: 'READY',
          history_since: history.window_start_time,
          history_bytes: 4_194_304,
        },
        { branch: young.name, state: 'INIT' },
      ],
    })
  })

  test('of a server that is down says how to start it', async () => {
    await writeState(2 ** 22 + 1)
    const ended = await lakelet(['status'])
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('is not running\nHint: Start it with: lakelet up')
    const env = { DATABRICKS_HOST: 'http://127.0.0.1:9', DATABRICKS_TOKEN: 't' }
    const elsewhere = await lakelet(['status'], env)
    expect(elsewhere.code).toBe(1)
    expect(elsewhere.stderr).toContain('no Lakelet server answers at http://127.0.0.1:9')
  })
})

describe('lakelet stop', () => {
  test('ends the server and says what ended', async () => {
    const pid = await startStandIn('lakelet.js', 'setTimeout(() => process.exit(0), 200)')
    await writeState(pid)
    const ended = await lakelet(['stop'])
    expect(ended).toMatchObject({ code: 0, stdout: '' })
    expect(ended.stderr).toContain(`Stopped the Lakelet server of ${stateDir}: process ${pid}`)
    expect(standIn?.exitCode).toBe(0)
  })

  test('with no server running all is well', async () => {
    const ended = await lakelet(['stop'])
    expect(ended.code).toBe(0)
    expect(ended.stderr).toContain('No Lakelet server is running')
  })

  test('a pid that became somebody else is left alone', async () => {
    const pid = await startStandIn('other-program.js')
    await writeState(pid)
    expect((await lakelet(['stop'])).stderr).toContain('No Lakelet server is running')
    expect(standIn?.exitCode).toBeNull()
  })

  test.runIf(process.platform === 'linux')('also when only its start time tells', async () => {
    await writeState(await startStandIn(), { startTime: '1' })
    expect((await lakelet(['stop'])).stderr).toContain('No Lakelet server is running')
    expect(standIn?.exitCode).toBeNull()
  })

  test('does not wait for ever', async () => {
    await writeState(await startStandIn('lakelet.js', ''))
    const ended = await lakelet(['stop', '--timeout', '300ms'])
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('has not ended within 300ms')
  })
})

describe('lakelet psql', () => {
  const endpoint = 'projects/app/branches/dev/endpoints/primary'
  const api = '/api/2.0/postgres'
  const answer = (path: string, body: unknown) =>
    server.answers.set(`GET ${api}/${path}`, { status: 200, body })
  const resource = (state: string, type = 'READ_WRITE') => ({
    name: type === 'READ_WRITE' ? endpoint : `${endpoint}-ro`,
    status: {
      current_state: state,
      endpoint_type: `ENDPOINT_TYPE_${type}`,
      hosts: { host: `${state.toLowerCase()}.example.org` },
    },
  })

  /** A psql that tells what it was given, and ends as its last argument says. */
  async function psql(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const bin = join(directory, 'bin')
    await mkdir(bin, { recursive: true })
    const told = join(directory, 'told')
    const script = `#!/bin/sh\nprintf '%s\\n' "$@" "$PGPASSWORD" "$PGSSLMODE" "$PGSSLROOTCERT" > '${told}'\nexit 3\n`
    await writeFile(join(bin, 'psql'), script)
    await chmod(join(bin, 'psql'), 0o755)
    const ended = await lakelet(['psql', ...args], {
      DATABRICKS_HOST: server.host,
      DATABRICKS_TOKEN: 't',
      PATH: `${bin}:/usr/bin:/bin`,
      PGSSLROOTCERT: '/my/ca',
      ...env,
    })
    return {
      ...ended,
      told: await readFile(told, 'utf8').then(
        (text) => text.trim().split('\n'),
        () => [],
      ),
    }
  }

  const usual = [
    ...['--host', 'active.example.org', '--username', 'jane@example.com'],
    ...['--dbname', 'databricks_postgres'],
  ]

  test('connects to the read-write endpoint, with a fresh credential, and ends as psql did', async () => {
    answer('projects/app/branches/dev/endpoints', {
      endpoints: [resource('IDLE', 'READ_ONLY'), resource('ACTIVE')],
    })
    const ended = await psql(['app/dev', '--', '-c', 'select 1', '--', 'x'])
    expect(ended).toMatchObject({ code: 3, stderr: '' })
    const own = ['--port', '5432', '-c', 'select 1', '--', 'x']
    expect(ended.told).toEqual([...usual, ...own, 'a.b.c', 'require', '/my/ca'])
    const credential = server.asked.find(({ line }) => line === `POST ${api}/credentials`)
    expect(JSON.parse(credential?.body ?? '')).toEqual({ endpoint })
  })

  test('finds the only project, branch and endpoint', async () => {
    answer('projects', { projects: [{ name: 'projects/app' }] })
    answer('projects/app/branches', { branches: [{ name: 'projects/app/branches/dev' }] })
    answer('projects/app/branches/dev/endpoints', { endpoints: [resource('ACTIVE')] })
    const ended = await psql(['--', '-p', '6000'], { PGSSLMODE: 'verify-full' })
    expect(ended.told).toEqual([...usual, '-p', '6000', 'a.b.c', 'verify-full', '/my/ca'])
  })

  test("goes to the port of this machine's server", async () => {
    await writeState(1, { pgPort: 5439 })
    answer(endpoint, resource('ACTIVE'))
    const env = { PGPORT: '1' }
    expect((await psql([endpoint, '-d', 'app'], env)).told.slice(4, 8)).toEqual([
      '--dbname',
      'app',
      '--port',
      '5439',
    ])
    expect((await psql([endpoint, '--port', '7'], env)).told.slice(6, 8)).toEqual(['--port', '7'])
  })

  test('lists what there is to choose from', async () => {
    const ended = await psql([])
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('there are 5 to choose from: item-1, item-2')
    expect(ended.stderr).toContain('Hint: Say which project')
  })

  test('does not try an endpoint that is not ready', async () => {
    answer(endpoint, resource('INIT'))
    const ended = await psql([endpoint])
    expect(ended.stderr).toContain('endpoint is not ready for accepting connections')
    expect(ended.told).toEqual([])
  })

  test('says so when there is no psql', async () => {
    const ended = await psql(['app/dev'], { PATH: '/nowhere' })
    expect(ended.code).toBe(1)
    expect(ended.stderr).toContain('psql is not installed')
    expect(server.asked).toEqual([])
  })
})
