/**
 * The session of the README: real commands in a real repository, against a server that is made for it, written down with what they
 * printed. `npm run session` writes it into the README; with `--check` it is replayed and compared, and the exit code is 1 where it differs.
 * Different each time, and so not compared: moments, and the address of an endpoint.
 */
import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const program = join(root, 'dist/main/lakelet.js')
const readme = join(root, 'README.md')
const login = 'you@example.com'

/** A branch, a worktree of it with what the first one held, and neither in what production holds. */
const commands = [
  'git switch --quiet --create feature/pay',
  'lakelet dev',
  "lakelet psql -- -qc 'create table payments (amount numeric)'",
  'git worktree add --quiet -b fix/rounding ../rounding feature/pay && cd ../rounding',
  'lakelet dev',
  "lakelet psql -- -qc 'insert into payments values (9.90)'",
  "lakelet psql -- -Atc 'select count(*) from payments'",
  "cd ../app && lakelet psql -- -Atc 'select count(*) from payments'",
  "lakelet psql store/production -- -c '\\dt'",
  'lakelet branch renew --ttl 2h',
]

const head = '<!-- npm run session -->\n\n```console\n'
const tail = '```\n\n<!-- npm run session: end -->'

async function main(isCheck) {
  const text = readFileSync(readme, 'utf8')
  const start = text.indexOf(head)
  const end = text.indexOf(tail, start)
  if (start === -1 || end === -1) throw new Error('the README has no place for the session')
  const written = text.slice(start + head.length, end)
  const recorded = await withServer(record)
  if (!isCheck) {
    writeFileSync(readme, text.slice(0, start + head.length) + recorded + text.slice(end))
    return
  }
  const [was, is] = [written, recorded].map(comparable)
  if (was === is) return
  console.error(`The session of the README is not what happens. Run: npm run session\n\n${is}`)
  process.exitCode = 1
}

const comparable = (text) =>
  text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'MOMENT').replace(/\b127(\.\d+){3}\b/g, 'ADDRESS')

/** A server of its own, gone with all that it made. */
async function withServer(work) {
  const home = mkdtempSync(join(tmpdir(), 'lk-session-'))
  chmodSync(home, 0o755) // Postgres runs as another user than root
  mkdirSync(join(home, 'bin'))
  writeFileSync(
    join(home, 'bin/lakelet'),
    `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`,
    { mode: 0o755 },
  )
  writeFileSync(
    join(home, '.gitconfig'),
    `[user]\n  name = You\n  email = ${login}\n[init]\n  defaultBranch = main\n`,
  )
  const stateDir = join(home, 'state')
  const env = {
    PATH: `${join(home, 'bin')}:${process.env.PATH}`,
    HOME: home,
    LAKELET_STATE_DIR: stateDir,
    NO_COLOR: '1',
  }
  const pgPort = await freePort()
  const ports = [`--api-port=${await freePort()}`, `--pg-port=${pgPort}`, '--pool-size=2GB']
  const server = spawn(process.execPath, [program, 'up', ...ports], {
    cwd: home,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const gone = new Promise((done) => server.once('exit', done))
  try {
    await isUp(server)
    return await work({ home, env, pgPort })
  } finally {
    server.kill('SIGTERM')
    await gone
    rmSync(home, { recursive: true, force: true })
  }
}

function isUp(server) {
  return new Promise((done, fail) => {
    let said = ''
    const hear = (bytes) => {
      said += bytes
      if (said.includes('is running.')) done()
    }
    server.stdout.on('data', hear)
    server.stderr.on('data', hear)
    server.once('exit', () => fail(new Error(`the server did not start:\n${said}`)))
  })
}

const freePort = () =>
  new Promise((done, fail) => {
    const server = createServer()
    server.once('error', fail)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address()
      server.close(() => done(port))
    })
  })

/** As a terminal would show it; each command begins where the one before ended. */
function record({ home, env, pgPort }) {
  let cwd = join(home, 'app')
  mkdirSync(cwd)
  const run = (line, args = []) =>
    execFileSync('bash', ['-c', line, ...args], { cwd, env, encoding: 'utf8' })
  run(
    'git init --quiet && echo .env >.gitignore && git add . && git commit --quiet --message=first',
  )
  const place = join(home, 'place')
  let shown = ''
  for (const command of commands) {
    let said
    try {
      said = run(`{ ${command}\n} 2>&1 && pwd >"$0"`, [place])
    } catch (error) {
      throw new Error(`${command}\n${error.stdout}`, { cause: error })
    }
    cwd = readFileSync(place, 'utf8').trim()
    shown += `$ ${command}\n${said.replaceAll(`:${pgPort}`, ':5432')}`
  }
  return shown
}

await main(process.argv.includes('--check'))
