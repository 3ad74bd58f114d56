/** npm packages of a folder of its own, by the lock beside it; the product itself does not need them. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { tryRun } from '../../scripts/run-command.mjs'

/** Throws with the reason when they cannot be had. */
export async function installLocked(directory) {
  const installed = join(directory, 'node_modules/.package-lock.json')
  const lock = join(directory, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return
  const done = await tryRun('npm', ['ci', '--no-audit', '--no-fund'], { cwd: directory })
  if (done.code !== 0) throw new Error(`npm ci: ${done.output}`)
}

export const packageVersion = (directory, name) =>
  JSON.parse(readFileSync(join(directory, 'node_modules', name, 'package.json'), 'utf8')).version
