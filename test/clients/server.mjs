/** A real server for the client suite: its own state directory, free ports, and nothing left after. */
import { spawn } from 'node:child_process'
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { run, tryRun } from '../../scripts/run-command.mjs'

const program = resolve(import.meta.dirname, '../../dist/main/lakelet.js')

/** Variables that would lead a client to another database or server than ours. */
const foreign = /^(PG|DATABRICKS_|LAKEBASE_|LAKELET_|SSL_CERT|NODE_EXTRA_CA_CERTS)/

export const plainEnvironment = () =>
  Object.fromEntries(Object.entries(process.env).filter(([key]) => !foreign.test(key)))

async function freePort() {
  const server = createServer()
  await new Promise((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

export async function startServer() {
  const home = mkdtempSync(join(tmpdir(), 'lakelet-clients-'))
  chmodSync(home, 0o755) // the user that runs Postgres must be able to go through
  const stateDir = join(home, 'state')
  const apiPort = await freePort()
  const pgPort = await freePort()
  const logFile = join(home, 'server.log')
  const log = openSync(logFile, 'a')
  const child = spawn(
    process.execPath,
    [
      program,
      'up',
      '--state-dir',
      stateDir,
      '--api-port',
      String(apiPort),
      '--pg-port',
      String(pgPort),
    ],
    {
      env: { ...plainEnvironment(), LAKELET_TRAFFIC_TRACE: join(home, 'exchanges') },
      stdio: ['ignore', log, log],
    },
  )
  closeSync(log)
  const exited = new Promise((resolve) => child.once('exit', resolve))
  const server = {
    home,
    stateDir,
    pgPort,
    url: `http://127.0.0.1:${apiPort}`,
    child,
    exited,
    traffic: join(home, 'exchanges'),
    logTail: () => readFileSync(logFile, 'utf8').split('\n').slice(-60).join('\n'),
  }
  try {
    await waitUntilReady(server)
    return { ...server, env: await clientEnvironment(server) }
  } catch (error) {
    const tail = server.logTail()
    await stopServer(server)
    throw new Error(`the server did not start: ${error.message}\n${tail}`)
  }
}

async function waitUntilReady({ child, url, stateDir }) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`)
    const answers = await fetch(`${url}/.well-known/databricks-config`).then(
      (answer) => answer.ok,
      () => false,
    )
    if (answers && existsSync(join(stateDir, 'server.json'))) return
    await sleep(200)
  }
  throw new Error('it was not ready within two minutes')
}

/** What `eval "$(lakelet env)"` leaves in a shell, taken the way a person takes it. */
async function clientEnvironment({ stateDir, pgPort }) {
  const script = `exports=$("$0" "$1" env --state-dir "$2") && eval "$exports" && exec "$0" -p 'JSON.stringify(process.env)'`
  const done = await run('bash', ['-c', script, process.execPath, program, stateDir], {
    env: plainEnvironment(),
  })
  if (done.code !== 0) throw new Error(`lakelet env ended with ${done.code}: ${done.output}`)
  const env = JSON.parse(done.stdout)
  for (const key of [
    'DATABRICKS_HOST',
    'DATABRICKS_TOKEN',
    'PGSSLROOTCERT',
    'NODE_EXTRA_CA_CERTS',
  ]) {
    if (!env[key]) throw new Error(`lakelet env does not export ${key}`)
  }
  if (env.PGPORT !== String(pgPort)) {
    throw new Error(`lakelet env exports PGPORT=${env.PGPORT}, but the port is ${pgPort}`)
  }
  return env
}

/** Processes (and their arguments) that mention the text, ourselves not counted. */
export async function processesOn(text) {
  const { stdout } = await run('ps', ['-axww', '-o', 'pid=,args='])
  return stdout
    .split('\n')
    .map((line) => /^\s*(\d+)\s+(.*)$/.exec(line))
    .filter((match) => match?.[2].includes(text))
    .map((match) => ({ pid: Number(match[1]), args: match[2] }))
    .filter(({ pid }) => pid !== process.pid)
}

/** Answers with what was left behind and had to be cleaned up by us. */
export async function stopServer({ child, exited, stateDir, home }) {
  const left = []
  if (child.exitCode === null) {
    await tryRun(process.execPath, [program, 'stop', '--state-dir', stateDir], {
      env: plainEnvironment(),
    })
    if (!(await endsWithin(exited, 60_000))) {
      left.push(`the server (pid ${child.pid}) did not stop when told to`)
      child.kill('SIGTERM')
      if (!(await endsWithin(exited, 15_000))) child.kill('SIGKILL')
    }
  }
  for (const { pid, args } of await processesOn(stateDir)) {
    left.push(`process ${pid}: ${args}`)
    try {
      process.kill(pid, 'SIGQUIT') // Postgres: immediate shutdown; its data is thrown away
    } catch {
      // it has ended by itself
    }
  }
  for (let tries = 0; tries < 50 && (await processesOn(stateDir)).length > 0; tries += 1) {
    await sleep(200)
  }
  // A pool that Lakelet mounted may stay mounted over a stop; it is no leak, but it must go.
  for (const mount of mountsBelow(stateDir)) await tryRun('umount', [mount])
  rmSync(home, { recursive: true, force: true })
  return left
}

const endsWithin = (exited, millis) =>
  Promise.race([exited.then(() => true), sleep(millis, false, { ref: false })])

function mountsBelow(directory) {
  if (!existsSync('/proc/mounts')) return []
  return readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${directory}/`))
    .reverse()
}
