/** The virtual environment in `.venv/`, shared by the Python clients and examples/store. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { tryRun } from './run-command.mjs'

const root = resolve(import.meta.dirname, '..')
const requirements = [
  join(root, 'examples/store/requirements.txt'),
  join(root, 'examples/store/requirements-m2m.txt'),
]

/** The bin directory of an environment that has the requirements; throws with the reason if not. */
export async function ensurePython(say) {
  const home = join(root, '.venv')
  const bin = join(home, 'bin')
  const stamp = join(home, 'requirements.sha256')
  const hash = createHash('sha256')
  for (const file of requirements) hash.update(readFileSync(file))
  const wanted = hash.digest('hex')
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return bin

  say('Making .venv for the Python clients')
  rmSync(home, { recursive: true, force: true })
  const version = await tryRun('python3', [
    '-c',
    'import sys; sys.exit(sys.version_info < (3, 11) and "it is " + sys.version.split()[0])',
  ])
  if (version.code !== 0) throw new Error(`Python 3.11 or newer: ${version.output.trim()}`)
  const made = await tryRun('python3', ['-m', 'venv', home])
  if (made.code !== 0) throw new Error(`python3 -m venv: ${lastLine(made.output)}`)
  const installed = await tryRun(join(bin, 'python'), [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    ...requirements.flatMap((file) => ['-r', file]),
  ])
  if (installed.code !== 0) throw new Error(`pip install: ${lastLine(installed.output)}`)
  writeFileSync(stamp, wanted)
  return bin
}

const lastLine = (text) => text.trim().split('\n').at(-1) ?? ''
