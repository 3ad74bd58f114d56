/**
 * `pg_upgrade` of one data directory into another one of a later major: catalogs are dumped and loaded, files of tables
 * and indexes are shared or renamed, so it takes as long for a terabyte as for a megabyte. Both directories
 * belong to nobody but the caller, and their clusters are shut down.
 */
import { existsSync } from 'node:fs'
import { lchown, readFile, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { Fault } from '../domain/faults.ts'
import type { PostgresMajor } from '../domain/project.ts'
import { failpoint } from '../lib/failpoint.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { runLong } from '../lib/streaming-process.ts'
import { CommandFailed } from '../lib/subprocess.ts'
import type { Clock } from '../lib/time.ts'
import type { UpgradeCluster } from '../ports/compute.ts'
import { superuser } from './configuration.ts'
import { signalProcess } from './postmaster.ts'
import type { ProcessTable } from './process-table.ts'
import { endOrphans } from './shutdown.ts'
import type { Toolchains } from './toolchain.ts'

export interface UpgradeRoom {
  readonly toolchains: Pick<Toolchains, 'open'>
  readonly serviceUser: ServiceUser | undefined
  readonly processes: ProcessTable
  readonly clock: Clock
}

/** https://www.postgresql.org/docs/current/pgupgrade.html: what it starts of either installation. */
const programsOfOld = ['pg_controldata', 'pg_ctl', 'pg_resetwal', 'postgres']
const programsOfNew = [
  ...programsOfOld,
  ...['initdb', 'pg_dump', 'pg_dumpall', 'pg_restore', 'pg_upgrade', 'psql', 'vacuumdb'],
]

/** Two jobs: more than one database or tablespace at a time. */
const jobs = '2'

export async function canUpgradeCluster(
  { toolchains }: Pick<UpgradeRoom, 'toolchains'>,
  from: PostgresMajor,
  to: PostgresMajor,
): Promise<boolean> {
  const [old, fresh] = await Promise.all([from, to].map((major) => programsAt(toolchains, major)))
  const has = (directory: string | undefined, names: readonly string[]) =>
    directory !== undefined && names.every((name) => existsSync(join(directory, name)))
  return has(old, programsOfOld) && has(fresh, programsOfNew)
}

const programsAt = async (toolchains: UpgradeRoom['toolchains'], major: PostgresMajor) =>
  dirname((await toolchains.open(major)).postgres)

export async function upgradeCluster(
  room: UpgradeRoom,
  { from, to, directory, socketDirectory, sharing, signal }: UpgradeCluster,
): Promise<void> {
  const { toolchains, serviceUser } = room
  const [old, fresh] = [
    await programsAt(toolchains, from.major),
    await programsAt(toolchains, to.major),
  ]
  for (const { dataDirectory } of [from, to]) await plainConfiguration(dataDirectory, serviceUser)
  try {
    await runLong(
      join(fresh, 'pg_upgrade'),
      [
        ...[`--old-bindir=${old}`, `--new-bindir=${fresh}`],
        ...[`--old-datadir=${from.dataDirectory}`, `--new-datadir=${to.dataDirectory}`],
        ...[`--username=${superuser}`, `--socketdir=${socketDirectory}`, `--jobs=${jobs}`],
        sharing === 'clone' ? '--clone' : '--link',
      ],
      {
        cwd: directory, // it writes scripts there for what is left to do
        signal,
        user: serviceUser,
        env: { HOME: '/nonexistent', PGPASSFILE: '/nonexistent' },
      },
    )
    await failpoint('compute.upgrade-cluster:upgraded')
  } catch (error) {
    await endUpgrade(room, [from.dataDirectory, to.dataDirectory])
    if (!(error instanceof CommandFailed)) throw error
    throw new Fault(
      'UPGRADE_REFUSED',
      { to: to.major, problem: await problemOf(error.stderr) },
      { cause: error },
    )
  }
}

/** Ends what an upgrade left that was cut short: itself, and the servers that it had started. */
export async function endUpgrade(
  { processes, clock }: Pick<UpgradeRoom, 'processes' | 'clock'>,
  dataDirectories: readonly string[],
): Promise<void> {
  for (const path of dataDirectories) {
    const found = await processes.withCommand(path)
    for (const { pid, command } of found) {
      if (/\/pg_(upgrade|ctl) /.test(command)) signalProcess(pid, 'SIGKILL')
    }
    await endOrphans(path, processes, clock)
  }
}

/**
 * It starts both servers by their data directories alone, where ours have no configuration: `initdb`'s, or
 * whatever an imported cluster brought along.
 */
async function plainConfiguration(
  dataDirectory: string,
  serviceUser: ServiceUser | undefined,
): Promise<void> {
  const files = {
    'postgresql.conf': "listen_addresses = ''\nautovacuum = off\n",
    'postgresql.auto.conf': '',
    'pg_hba.conf': 'local all all trust\n',
    'pg_ident.conf': '',
  }
  for (const [name, contents] of Object.entries(files)) {
    const path = join(dataDirectory, name)
    await rm(path, { recursive: true, force: true }) // never through a link that lies there
    await writeFile(path, contents, { mode: 0o600, flag: 'wx' })
    if (serviceUser !== undefined) await lchown(path, serviceUser.uid, serviceUser.gid)
  }
}

/** Of what it prints: the reason behind the step that failed, and the end of the file that it names. */
async function problemOf(said: string): Promise<string> {
  const reason = said.split(/\b(?:fatal|\*failure\*)\s*\n/).at(-1) ?? said
  const file = /\/[^\s"]+\.(?:txt|log)/.exec(reason)?.[0]
  const named = file === undefined ? '' : await readFile(file, 'utf8').catch(() => '')
  return `${short(reason)} ${short(named)}`.trim()
}

const mostSaid = 500
const short = (text: string): string => text.replace(/\s+/g, ' ').trim().slice(-mostSaid)
