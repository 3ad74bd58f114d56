/** What a fresh clone needs before anything in it runs: npm's packages and the compiled program. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { run } from './run-command.mjs'

const root = resolve(import.meta.dirname, '..')

/** Installs by the committed lock when node_modules is missing or older than the lock. */
export async function ensureDependencies() {
  const marker = join(root, 'node_modules/.package-lock.json')
  const lock = join(root, 'package-lock.json')
  if (existsSync(marker) && statSync(marker).mtimeMs >= statSync(lock).mtimeMs) return
  // Not `npm ci`: it refuses a lock that lacks the binaries of other platforms (npm/cli#9846).
  const done = await run('npm', ['install', '--no-audit', '--no-fund'], { cwd: root, show: true })
  if (done.code !== 0) throw new Error(`npm install ended with ${done.code}`)
}

/** Compiles when a source is newer than the last build. */
export async function ensureBuild() {
  const built = join(root, 'dist/main/lakelet.js')
  if (existsSync(built) && statSync(built).mtimeMs > newest(join(root, 'src'))) return
  const done = await run('npm', ['run', '--silent', 'build'], { cwd: root, show: true })
  if (done.code !== 0) throw new Error(`the build ended with ${done.code}`)
}

const newest = (directory) =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((file) => statSync(join(directory, file)).mtimeMs)
    .reduce((a, b) => Math.max(a, b), 0)
