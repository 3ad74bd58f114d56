/**
 * Gets a clone ready to run: packages installed, TypeScript compiled. Only Node's own modules, since
 * nothing else is there yet. Each step looks first and says one line when it has something slow to do.
 * Any number of processes may ask at once: one works, the others wait for it.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const modules = join(root, 'node_modules')
const lockfile = join(root, 'package-lock.json')
const dist = join(root, 'dist')

const oldestNode = [20, 19]

/** `undefined`, or why this Node cannot run Lakelet. */
export function nodeProblem(version = process.versions.node) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [needMajor, needMinor] = oldestNode
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return undefined
  return `Lakelet needs Node.js ${oldestNode.join('.')} or newer; this is ${version}. Get it from https://nodejs.org.`
}

/** Installs the packages that package-lock.json asks for, unless that was done already. */
export async function ensureDependencies() {
  if (dependenciesAreThere()) return
  await withLock(async () => {
    if (dependenciesAreThere()) return
    say('Installing packages (once; about a minute)…')
    // On Windows npm is a script that only a shell finds.
    await runStep('npm', ['install', '--no-audit', '--no-fund'], {
      shell: process.platform === 'win32',
    })
    writeFileSync(installStamp, lockfileHash()) // npm may have completed the file, so read it anew
  })
}

/** Compiles src to dist, unless nothing changed since the last time. */
export async function ensureBuild() {
  if (buildIsFresh()) return
  await withLock(async () => {
    if (buildIsFresh()) return
    say('Building Lakelet…')
    // Taken before the compiler reads: what is saved meanwhile counts as newer than this build. A
    // clock that was wrong when a file was saved must not make every start a build.
    const began = Math.ceil(Math.max(Date.now(), newestSource()))
    const tsc = join(modules, 'typescript', 'bin', 'tsc')
    await runStep(process.execPath, [tsc, '-p', join(root, 'tsconfig.build.json')])
    await runStep(process.execPath, [join(root, 'scripts', 'bundle.mjs')])
    writeFileSync(buildStamp, '')
    utimesSync(buildStamp, began / 1000, began / 1000)
  })
}

const installStamp = join(modules, '.lakelet-lockfile')
const buildStamp = join(dist, '.stamp')

function dependenciesAreThere() {
  if (!existsSync(join(modules, 'typescript', 'package.json'))) return false
  // A link is another clone's node_modules (a git worktree, say): not ours to change.
  if (lstatSync(modules).isSymbolicLink()) return true
  const stamp = readIfThere(installStamp)
  if (stamp !== undefined) return stamp === lockfileHash()
  // Somebody ran npm by hand: npm's own record of it tells when.
  const record = join(modules, '.package-lock.json')
  if (!existsSync(record) || modified(record) < modified(lockfile)) return false
  writeFileSync(installStamp, lockfileHash())
  return true
}

/** The same question as the shell script `lakelet` asks of `find`. */
const buildIsFresh = () => existsSync(buildStamp) && newestSource() <= modified(buildStamp)

function newestSource() {
  const files = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json', 'src']
  const newest = (path) => {
    const status = statSync(path)
    if (!status.isDirectory()) return path.endsWith('.test.ts') ? 0 : status.mtimeMs
    // The directory's own time tells of files that were removed.
    return readdirSync(path).reduce(
      (time, name) => Math.max(time, newest(join(path, name))),
      status.mtimeMs,
    )
  }
  return Math.max(...files.map((name) => newest(join(root, name))))
}

const modified = (path) => statSync(path).mtimeMs

const lockfileHash = () => createHash('sha256').update(readFileSync(lockfile)).digest('hex')

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return undefined
    throw error
  }
}

/** Standard output is the program's, whose start this is: a step speaks on standard error alone. */
function runStep(command, args, options = {}) {
  return new Promise((done, fail) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', process.stderr, process.stderr],
      ...options,
    })
    child.once('error', fail)
    child.once('exit', (code, signal) => {
      if (code === 0) return done()
      fail(new Error(`${command} ${args[0]} ended with ${code ?? signal}`))
    })
  })
}

const say = (line) => process.stderr.write(`${line}\n`)

/**
 * A directory is made by one process only. Its owner may die without removing it, so the owner's pid
 * is inside; whoever finds a dead owner moves the directory away, which again only one can.
 */
async function withLock(work) {
  const lock = join(dist, '.setup-lock')
  const owner = join(lock, 'owner')
  mkdirSync(dist, { recursive: true })
  for (let waits = 0; !tryMakeDirectory(lock); waits += 1) {
    if (isStale(lock, owner)) {
      const grave = `${lock}-${process.pid}-${waits}`
      try {
        renameSync(lock, grave)
        rmSync(grave, { recursive: true, force: true })
      } catch (error) {
        if (error.code !== 'ENOENT') throw error // another one was quicker
      }
      continue
    }
    if (waits === 20) say('Waiting for another process that sets Lakelet up…')
    if (waits > 9000) throw new Error(`waited for 15 minutes; if nothing runs, remove ${lock}`)
    await delay(100)
  }
  try {
    writeFileSync(owner, String(process.pid))
    await work()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

function tryMakeDirectory(path) {
  try {
    mkdirSync(path)
    return true
  } catch (error) {
    if (error.code === 'EEXIST') return false
    throw error
  }
}

function isStale(lock, owner) {
  const pid = readIfThere(owner)
  if (pid === undefined || pid === '') {
    // Between making the directory and writing the pid lies no work: ten seconds are plenty.
    try {
      return Date.now() - modified(lock) > 10_000
    } catch {
      return false // gone meanwhile
    }
  }
  try {
    process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return error.code === 'ESRCH'
  }
}

// Compared by real path: the clone may be reached through a link.
const isProgram =
  process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)
if (isProgram) {
  try {
    const problem = nodeProblem()
    if (problem !== undefined) throw new Error(problem)
    await ensureDependencies()
    await ensureBuild()
  } catch (error) {
    say(`Error: Lakelet could not be set up: ${error.message}`)
    process.exitCode = 1
  }
}
