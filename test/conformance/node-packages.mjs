/** npm packages of one folder of the suite, installed by its lock; the product itself does not need them. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { tryRun } from '../../scripts/run-command.mjs'

/** Answers with the folder; throws with the reason when its packages are not to be had. */
export async function ensureNodePackages(directory, say) {
  const installed = join(directory, 'node_modules/.package-lock.json')
  const lock = join(directory, 'package-lock.json')
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs)
    return directory
  say(`npm ci in ${directory}`)
  const done = await tryRun('npm', ['ci', '--no-audit', '--no-fund'], { cwd: directory })
  if (done.code !== 0)
    throw new Error(`npm ci: ${done.output.trim().split('\n').slice(-2).join('; ')}`)
  return directory
}

export const nodePackageVersion = (directory, name) =>
  JSON.parse(readFileSync(join(directory, 'node_modules', name, 'package.json'), 'utf8')).version
