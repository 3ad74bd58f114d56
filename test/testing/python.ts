/** A virtual environment with real pytest and pytest-xdist, and the plugin built and installed into it. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { run } from '../../src/lib/subprocess.ts'
import { minutes } from '../../src/lib/time.ts'

const root = resolve(import.meta.dirname, '../..')
const requirements = join(root, 'test/runners/requirements.txt')
const home = join(root, 'test/runners/.venv')
const stamp = join(home, 'requirements.sha256')

/** How `pytest` is started. */
export async function installPytest(): Promise<readonly string[]> {
  const python = join(home, 'bin/python')
  const pip = (...args: string[]) =>
    run(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...args], {
      patience: minutes(4),
    })
  const wanted = createHash('sha256').update(readFileSync(requirements)).digest('hex')
  if (!existsSync(stamp) || readFileSync(stamp, 'utf8') !== wanted) {
    rmSync(home, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', home])
    await pip('-r', requirements)
    writeFileSync(stamp, wanted)
  }
  const plugin = join(root, 'packages/pytest-lakelet')
  await pip('--no-build-isolation', '--no-deps', '--no-index', '--force-reinstall', plugin)
  return [python, '-m', 'pytest', '-p', 'no:cacheprovider']
}
