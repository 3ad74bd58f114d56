/** A compute room on a state directory of its own, for tests with the real Postgres. */
import { chmod, chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client } from 'pg'
import { layoutOf } from '../domain/layout.ts'
import type { EndpointUid } from '../domain/names.ts'
import type { PostgresMajor } from '../domain/project.ts'
import { createLog } from '../lib/log.ts'
import { findServiceUser, type ServiceUser } from '../lib/service-user.ts'
import { CommandFailed, run } from '../lib/subprocess.ts'
import { systemClock } from '../lib/time.ts'
import type { ComputeSpec } from '../ports/compute.ts'
import { type OpenComputes, openComputes } from './open-computes.ts'
import { processTable } from './process-table.ts'

export interface TestRoom {
  readonly root: string
  readonly computes: OpenComputes
  readonly serviceUser: ServiceUser | undefined
  readonly uid: (name: string) => EndpointUid
  /** An empty directory of the service user. */
  directory(name: string): Promise<string>
  /** A fresh cluster; initdb runs once a major. */
  cluster(name: string, major?: PostgresMajor): Promise<string>
  spec(
    name: string,
    settings?: Readonly<Record<string, string>>,
    major?: PostgresMajor,
  ): Promise<ComputeSpec>
  /** Another room on the same state directory, as after a restart of the server. */
  again(): Promise<OpenComputes>
  /** Stops everything and throws when a process is left. */
  close(): Promise<void>
}

export const testExtension = [
  {
    name: 'lakelet_probe.control',
    contents: "default_version = '1.0'\nrelocatable = true\ntrusted = true\n",
  },
  {
    name: 'lakelet_probe--1.0.sql',
    contents: "CREATE FUNCTION probe() RETURNS int LANGUAGE sql AS 'SELECT 7';\n",
  },
]

export async function openTestRoom(): Promise<TestRoom> {
  const root = await mkdtemp(join(tmpdir(), 'lk-'))
  await chmod(root, 0o755)
  await mkdir(join(root, 'data'), { mode: 0o755 })
  const serviceUser = await findServiceUser()
  const open = () =>
    openComputes({
      layout: layoutOf(root),
      serviceUser,
      extensionFiles: testExtension,
      log: createLog('test', join(root, 'server.log')),
      clock: systemClock,
    })
  const rooms = [await open()]
  const [computes] = rooms
  if (computes === undefined) throw new Error('no room')
  const templates = new Map<PostgresMajor, Promise<string>>()

  const directory = async (name: string) => {
    const path = join(root, 'data', name)
    await mkdir(path, { mode: 0o700 })
    if (serviceUser !== undefined) await chown(path, serviceUser.uid, serviceUser.gid)
    return path
  }
  const template = async (major: PostgresMajor) => {
    const path = await directory(`template-${major}`)
    await computes.initialize(major, path)
    return path
  }
  const cluster = async (name: string, major: PostgresMajor = 17) => {
    let made = templates.get(major)
    if (made === undefined) {
      made = template(major)
      templates.set(major, made)
    }
    const path = join(root, 'data', name)
    await copyDirectory(await made, path)
    return path
  }
  return {
    root,
    computes,
    serviceUser,
    uid: (name) => name as EndpointUid,
    directory,
    cluster,
    spec: async (name, settings = {}, major = 17) => ({
      uid: name as EndpointUid,
      major,
      dataDirectory: await cluster(name, major),
      settings: { shared_buffers: '16MB', max_connections: '70', ...settings },
    }),
    again: async () => {
      const room = await open()
      rooms.push(room)
      return room
    },
    close: async () => {
      for (const room of rooms.reverse()) await room.close('immediate')
      const left = await processesBelow(root)
      await rm(root, { recursive: true, force: true })
      if (left.length > 0) throw new Error(`processes are left: ${left.join('\n')}`)
    },
  }
}

/** A plain copy with owners and modes, as a driver without copy-on-write makes it. */
export async function copyDirectory(from: string, to: string): Promise<void> {
  try {
    await run('cp', ['-a', from, to])
  } catch (error) {
    // A running source removes files meanwhile (old WAL, caches); cp tells of each and goes on.
    const isVanished = (line: string) => /No such file or directory/.test(line)
    if (!(error instanceof CommandFailed)) throw error
    if (!error.stderr.trim().split('\n').every(isVanished)) throw error
  }
}

/** Command lines of live processes that name this directory or work in it. */
export async function processesBelow(root: string): Promise<readonly string[]> {
  const all = (await run('ps', ['-axo', 'pid='])).split('\n').map(Number).filter(Boolean)
  const facts = await Promise.all(all.map((pid) => processTable.find(pid)))
  return facts.flatMap((found) =>
    found !== undefined &&
    found.pid !== process.pid &&
    /postgres/.test(found.command) &&
    (found.command.includes(`${root}/`) || found.workingDirectory?.startsWith(`${root}/`))
      ? [found.command]
      : [],
  )
}

export async function withClient<T>(
  socketDirectory: string,
  work: (client: Client) => Promise<T>,
  options: { readonly user?: string; readonly database?: string } = {},
): Promise<T> {
  const client = new Client({
    host: socketDirectory,
    user: options.user ?? 'cloud_admin',
    database: options.database ?? 'postgres',
    ssl: false,
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    return await work(client)
  } finally {
    await client.end().catch(() => undefined)
  }
}

export const queryOne = (socketDirectory: string, sql: string): Promise<unknown> =>
  withClient(socketDirectory, async (client) => {
    const { rows } = await client.query<unknown[]>({ text: sql, rowMode: 'array' })
    return rows[0]?.[0]
  })
