/**
 * System packages that the tests use and npm does not have. As root on Debian or Ubuntu the missing
 * ones are installed; elsewhere each is a skip with its reason, which the caller prints and counts.
 */
import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { delimiter, join } from 'node:path'
import { isThere, tryRun } from './run-command.mjs'

const isExecutable = (file) => {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const searchPath = () => [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']

/** Where the first of these commands is, or `undefined`. */
export const pathOf = (...commands) =>
  commands
    .flatMap((command) => searchPath().map((directory) => directory && join(directory, command)))
    .find((file) => file !== '' && isExecutable(file))

export const onPath = (...commands) => pathOf(...commands) !== undefined

/** Debian keeps the programs of a major outside of PATH. */
export function postgresTool(tool) {
  const root = '/usr/lib/postgresql'
  const majors = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : []
  const found = majors.map((major) => join(root, major, 'bin', tool)).find(isExecutable)
  return found ?? (onPath(tool) ? tool : undefined)
}

const needs = [
  { name: 'btrfs-progs', for: 'the btrfs driver', isMet: () => onPath('mkfs.btrfs') },
  { name: 'xfsprogs', for: 'the reflink driver', isMet: () => onPath('mkfs.xfs') },
  {
    name: 'python3-venv',
    for: 'the Python clients and examples/store',
    isMet: () => isThere('python3', ['-c', 'import venv, ensurepip']),
  },
  { name: 'postgresql-client', for: 'psql and pg_dump', isMet: () => onPath('psql') },
  {
    name: 'postgresql',
    for: 'pgbench and pg_restore',
    isMet: () => postgresTool('pgbench') !== undefined && postgresTool('pg_restore') !== undefined,
    isServer: true,
  },
  {
    name: 'libfaketime',
    for: 'clocks that jump (test/faults)',
    isMet: () =>
      ['x86_64', 'aarch64'].some((machine) =>
        existsSync(`/usr/lib/${machine}-linux-gnu/faketime/libfaketime.so.1`),
      ),
  },
  { name: 'git', for: 'worktrees', isMet: () => onPath('git') },
  { name: 'curl', for: 'the clients psql and curl', isMet: () => onPath('curl') },
  {
    name: 'chromium',
    for: 'pages in a browser',
    isMet: () => onPath('chromium', 'chromium-browser', 'google-chrome'),
  },
  { name: 'jq', for: 'the client curl', isMet: () => onPath('jq') },
]

async function missing() {
  const found = []
  for (const need of needs) if (!(await need.isMet())) found.push(need)
  return found
}

const apt = (...args) =>
  tryRun(
    'apt-get',
    ['-q', '-y', '-o', 'DPkg::Lock::Timeout=120', '-o', 'Acquire::Retries=3', ...args],
    { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', NEEDRESTART_SUSPEND: '1' } },
  )

const install = (...names) => apt('install', '--no-install-recommends', ...names)

/** Debian's server package starts a cluster on port 5432 when it is installed; that port is ours. */
async function installServer(names) {
  const common = await install('postgresql-common')
  if (common.code !== 0) return common
  const file = '/etc/postgresql-common/createcluster.conf'
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  writeFileSync(file, `${before}\ncreate_main_cluster = false\n`)
  try {
    return await install(...names)
  } finally {
    writeFileSync(file, before)
  }
}

/** Why nothing can be installed here, or `undefined`. */
function obstacle() {
  if (process.platform !== 'linux' || !onPath('apt-get')) return 'there is no apt-get here'
  if (process.getuid?.() !== 0) return 'only root may install it'
  return undefined
}

/** Installs what is missing; answers with a reason for each package that is missing after that. */
export async function ensureSystemPackages(say) {
  const wanted = await missing()
  if (wanted.length === 0) return []
  let because = obstacle()
  if (because === undefined) {
    say(`Installing ${wanted.map((need) => need.name).join(', ')}`)
    await apt('update')
    const names = wanted.map((need) => need.name)
    const done = wanted.some((need) => need.isServer)
      ? await installServer(names)
      : await install(...names)
    because = `apt-get: ${done.output.trim().split('\n').at(-1) ?? 'no output'}`
  }
  return (await missing()).map((need) => `${need.name} (${need.for}) is missing: ${because}`)
}
