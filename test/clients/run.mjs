/**
 * The client suite: programs that know nothing of Lakelet but its address run against a real server.
 * Each is one test; what cannot be installed here is a skip with its reason.
 */
import { spawn } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { onPath } from '../../scripts/packages.mjs'
import { ensurePython } from '../../scripts/python.mjs'
import { tryRun } from '../../scripts/run-command.mjs'
import { readTrace, trafficChecker } from '../fixtures/check-traffic.mjs'
import { apiOf } from './api.mjs'
import { plainEnvironment, startServer, stopServer } from './server.mjs'

const root = resolve(import.meta.dirname, '../..')
const program = (name) => join(import.meta.dirname, 'programs', name)
const patience = 240_000

const node = (name) => ({ name, prepare: async () => [process.execPath, program(`${name}.mjs`)] })

/** `prepare` answers with the command, or throws with the reason why it cannot run here. */
const clients = [
  node('request-forms'),
  {
    name: 'psql',
    prepare: async () => {
      for (const need of ['psql', 'curl', 'python3'])
        if (!onPath(need)) throw new Error(`no ${need}`)
      return ['bash', program('psql.sh')]
    },
  },
  node('node-postgres'),
  node('postgres-js'),
  node('lakebase-driver'),
  {
    name: 'psycopg',
    prepare: async (tools) => [await tools.python(), program('psycopg_client.py')],
  },
  {
    name: 'python-sdk',
    prepare: async (tools) => [await tools.python(), program('python_sdk.py')],
  },
  { name: 'go-sdk', prepare: async (tools) => [await tools.go()] },
  {
    name: 'store',
    prepare: async (tools) => {
      await tools.python()
      return [process.execPath, program('store.mjs')]
    },
  },
  {
    name: 'store-node',
    prepare: async () => {
      await installLocked(join(root, 'examples/store-node'))
      return [process.execPath, program('store-node.mjs')]
    },
  },
  {
    name: 'generated-client',
    prepare: async () => {
      await installLocked(join(import.meta.dirname, 'generated'))
      return [process.execPath, program('generated-client.mjs')]
    },
  },
  node('expiry'),
]

/** Made once, when the first client asks; a failure is every asking client's reason. */
function toolsFor(home, say) {
  const once = (make) => {
    let made
    return () => {
      made ??= make()
      return made
    }
  }
  return {
    python: once(async () => join(await ensurePython(say), 'python')),
    go: once(async () => {
      const version = /go(\d+)\.(\d+)/.exec((await tryRun('go', ['version'])).stdout)
      if (version === null) throw new Error('no go')
      if (Number(version[1]) === 1 && Number(version[2]) < 25)
        throw new Error(`${version[0]} < go1.25`)
      const binary = join(home, 'go-client')
      const built = await tryRun('go', ['build', '-o', binary, '.'], {
        cwd: join(import.meta.dirname, 'go'),
      })
      if (built.code !== 0) throw new Error(`go build: ${built.output}`)
      return binary
    }),
  }
}

/** Packages of their own, by the lock beside them. */
async function installLocked(directory) {
  const installed = join(directory, 'node_modules/.package-lock.json')
  const lock = join(directory, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  const done = await tryRun('npm', ['ci', '--no-audit', '--no-fund'], { cwd: directory })
  if (done.code !== 0) throw new Error(`npm ci: ${done.output}`)
}

/** Somebody else who may manage the project, made through the API as an administrator would. */
async function inviteOther(server, project) {
  const owner = apiOf(server.env.DATABRICKS_TOKEN, server.url)
  const login = 'other.person@example.com'
  await owner.call('POST', '/api/2.0/preview/scim/v2/Users', {
    schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'],
    userName: login,
  })
  const { token_value: token } = await owner.call(
    'POST',
    '/api/2.0/token-management/on-behalf-of/tokens',
    { user_name: login, lifetime_seconds: 3600, comment: 'client suite' },
  )
  await owner.call('PATCH', `/api/2.0/permissions/database-projects/${project}`, {
    access_control_list: [{ user_name: login, permission_level: 'CAN_MANAGE' }],
  })
  return token
}

/** Ends the whole process group after the patience is over, so that nothing stays behind. */
function runClient([command, ...args], env) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => {
        output += text
      })
    }
    const timer = setTimeout(() => {
      output += `\nended after ${patience / 1000} s`
      process.kill(-child.pid, 'SIGKILL')
    }, patience)
    child.once('error', (error) => {
      output += error.message
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ isPassed: code === 0, output })
    })
  })
}

const indent = (text) => text.trimEnd().replace(/^/gm, '    ')

/** A `lakelet` for PATH, as an installation puts it there. */
function installCli(home) {
  const bin = join(home, 'bin')
  mkdirSync(bin)
  const file = join(bin, 'lakelet')
  const quoted = [process.execPath, join(root, 'dist/main/lakelet.js')].map((part) => `'${part}'`)
  writeFileSync(file, `#!/bin/sh\nexec ${quoted.join(' ')} "$@"\n`)
  chmodSync(file, 0o755)
  return bin
}

/** What every client sent and got, against the API document that the server itself serves. */
async function compareTraffic(server) {
  const answer = await fetch(`${server.url}/api/openapi.json`)
  const checker = trafficChecker(await answer.json())
  const problems = readTrace(server.traffic).flatMap((exchange) => checker.check(exchange))
  console.log(
    `# compared ${checker.count()} exchanges of ${checker.seen().size} operations with the API document`,
  )
  if (checker.count() < 10) return `only ${checker.count()} exchanges were kept`
  return problems.length === 0 ? undefined : [...new Set(problems)].slice(0, 20).join('\n')
}

export async function runClients(args) {
  const { values } = parseArgs({
    args,
    options: { only: { type: 'string' }, expiry: { type: 'string', default: '15' } },
  })
  const count = { passed: 0, failed: 0, skipped: 0 }
  const say = (text) => console.log(`# ${text}`)
  const chosen = clients.filter(({ name }) => values.only === undefined || name === values.only)
  if (chosen.length === 0) throw new Error(`no such client: ${values.only}`)

  say('starting a server')
  const server = await startServer()
  try {
    const project = 'store'
    const otherToken = await inviteOther(server, project)
    const tools = toolsFor(server.home, say)
    const cli = installCli(server.home)
    for (const { name, prepare } of chosen) {
      let command
      try {
        command = await prepare(tools)
      } catch (error) {
        count.skipped += 1
        console.log(`SKIPPED client ${name}: ${error.message}`)
        continue
      }
      const { isPassed, output } = await runClient(command, {
        ...plainEnvironment(),
        ...server.env,
        PATH: `${cli}:${process.env.PATH}`,
        PROJECT: project,
        OTHER_TOKEN: otherToken,
        STATE_DIR: server.stateDir,
        WORK_DIR: mkdtempSync(join(server.home, `${name}-`)),
        PYTHON_BIN: join(root, '.venv/bin'),
        EXPIRY_SECONDS: values.expiry,
      })
      count[isPassed ? 'passed' : 'failed'] += 1
      console.log(`${isPassed ? 'ok' : 'FAILED'} client ${name}`)
      if (!isPassed) console.log(indent(output))
    }
    const problem = await compareTraffic(server)
    count[problem === undefined ? 'passed' : 'failed'] += 1
    console.log(problem === undefined ? 'ok traffic' : `FAILED traffic\n${indent(problem)}`)
    if (count.failed > 0) console.log(indent(`server log:\n${server.logTail()}`))
  } finally {
    for (const left of await stopServer(server)) {
      count.failed += 1
      console.log(`FAILED the server left behind: ${left}`)
    }
  }
  return count
}
