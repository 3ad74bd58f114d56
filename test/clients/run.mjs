/**
 * The client suite: programs that know nothing of Lakelet but its address run against a real server.
 * Each is one test; what cannot be installed here is a skip with its reason.
 */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { onPath } from '../../scripts/packages.mjs'
import { ensurePython } from '../../scripts/python.mjs'
import { apiOf } from './api.mjs'
import { buildGo } from './build-go.mjs'
import { installLocked } from './locked-packages.mjs'
import { indent, runProgram } from './run-program.mjs'
import { plainEnvironment, startServer, stopServer } from './server.mjs'
import { compareTraffic } from './traffic.mjs'

const root = resolve(import.meta.dirname, '../..')
const program = (name) => join(import.meta.dirname, 'programs', name)

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
function toolsFor(say) {
  const once = (make) => {
    let made
    return () => {
      made ??= make()
      return made
    }
  }
  return {
    python: once(async () => join(await ensurePython(say), 'python')),
    go: once(() =>
      buildGo('go-client', join(import.meta.dirname, 'go'), '.', { atLeastMinor: 25 }),
    ),
  }
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
    const tools = toolsFor(say)
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
      const { isPassed, output } = await runProgram(command, {
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
