/**
 * The peer of a branch: a copy of its data on the ordinary file system, WAL included, run by the same
 * binary with the same settings, as a person would run Postgres by hand.
 */
import { spawn } from 'node:child_process'
import {
  chownSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { run } from './commands.ts'
import type { Endings } from './endings.ts'
import type { LakeletServer } from './lakelet-server.ts'
import { connectToSocket, socketOf, wake } from './login.ts'

/** Settings that say where things are, and not how Postgres works. */
const places = [
  'data_directory',
  'config_file',
  'hba_file',
  'ident_file',
  'external_pid_file',
  'unix_socket_directories',
  'unix_socket_group',
  'unix_socket_permissions',
  'listen_addresses',
  'port',
  'log_destination',
  'log_directory',
  'log_filename',
  'logging_collector',
  'cluster_name',
  'archive_command',
  'restore_command',
  'primary_conninfo',
  'primary_slot_name',
]

export interface PlainPostgres {
  readonly socket: string
  readonly settings: Readonly<Record<string, string>>
  /** In the words of cgroup: where the branch's compute runs, when that is not where we run. */
  readonly limits: string | undefined
}

/** Leaves the branch awake. */
export async function startPlainPostgres(
  server: LakeletServer,
  branch: string,
  home: string,
  endings: Endings,
): Promise<PlainPostgres> {
  mkdirSync(home, { mode: 0o755 })
  endings.add(() => rmSync(home, { recursive: true, force: true }))
  const { data: from, wal } = await server.volume(branch)
  const data = join(home, 'data')
  await server.suspend(branch)
  await run('cp', ['-a', '--reflink=never', from, data])
  rmSync(join(data, 'pg_wal'))
  await run('cp', ['-a', '--reflink=never', wal, join(data, 'pg_wal')])
  await run('sync', ['-f', data])

  await wake(server, branch)
  const pid = await server.postmaster(branch)
  const settings = await settingsOf(await socketOf(server, branch))
  const { uid, gid } = statSync(data)
  const socket = join(home, 'socket')
  mkdirSync(socket, { mode: 0o700 })
  chownSync(socket, uid, gid)
  const file = (name: string) => join(home, name)
  await writeFile(file('hba'), 'local all all trust\n')
  await writeFile(file('ident'), '')
  const lines = Object.entries({
    ...settings,
    listen_addresses: '',
    unix_socket_directories: socket,
    hba_file: file('hba'),
    ident_file: file('ident'),
  }).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'`)
  await writeFile(file('conf'), `${lines.join('\n')}\n`)

  const log = openSync(file('log'), 'a')
  const child = spawn(
    readlinkSync(`/proc/${pid}/exe`),
    ['-D', data, '-c', `config_file=${file('conf')}`],
    {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log],
      ...(process.getuid?.() === 0 ? { uid, gid } : {}),
      env: { PATH: process.env.PATH ?? '', LC_ALL: 'C' },
    },
  )
  const gone = new Promise<void>((done) => child.once('exit', () => done()))
  endings.add(async () => {
    child.kill('SIGINT')
    await gone
  })
  for (let tries = 0; ; tries += 1) {
    try {
      await (await connectToSocket(socket)).end()
      break
    } catch (error) {
      if (child.exitCode !== null || tries > 1200) {
        throw new Error(`the plain Postgres does not start: ${readFileSync(file('log'), 'utf8')}`, {
          cause: error,
        })
      }
      await delay(50)
    }
  }
  const [ours, theirs] = ['self', String(pid)].map((of) =>
    readFileSync(`/proc/${of}/cgroup`, 'utf8'),
  )
  return { socket, settings, limits: ours === theirs ? undefined : theirs?.trim() }
}

async function settingsOf(socket: string): Promise<Record<string, string>> {
  const client = await connectToSocket(socket)
  try {
    const { rows } = await client.query<{ name: string; value: string }>(
      `select name, current_setting(name) as value from pg_settings
       where source in ('configuration file', 'command line') and not name = any ($1)`,
      [places],
    )
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]))
  } finally {
    await client.end()
  }
}
