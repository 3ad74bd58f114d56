/**
 * A stopped cluster as a tar (POSIX ustar), file by file and chunk by chunk, so that memory does not grow
 * with it. WAL comes from beside the data directory into it, and the configuration is one that any Postgres
 * of the major starts with: none of a compute's own, which lies elsewhere.
 */
import { type BigIntStats, constants } from 'node:fs'
import { lstat, open, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PostgresMajor } from '../domain/project.ts'
import { type Clock, type EpochMs, rfc3339 } from '../lib/time.ts'

const block = 512
const chunk = 256 * 1024

export interface StoppedCluster {
  readonly major: PostgresMajor
  readonly dataDirectory: string
  readonly walDirectory: string
}

/** Of one run, or a link that leads to where the WAL is here. */
const left = new Set(['postmaster.pid', 'postmaster.opts', 'pg_wal'])

export async function* tarOfCluster(
  { major, dataDirectory, walDirectory }: StoppedCluster,
  clock: Clock,
): AsyncGenerator<Uint8Array, void, undefined> {
  const now = clock.now()
  yield header({ name: './', kind: 'directory', size: 0, time: now })
  const ours = new Map([
    ['postgresql.conf', await configuration(dataDirectory)],
    ['pg_hba.conf', hba],
    ['README.lakelet', readme(major, now)],
  ])
  for (const [name, text] of ours) {
    const contents = Buffer.from(text)
    yield header({ name, kind: 'file', size: contents.length, time: now })
    yield padded(contents)
  }
  const isLeft = (name: string) => left.has(name) || ours.has(name)
  yield* tarOfDirectory(dataDirectory, '', isLeft)
  yield header({ name: 'pg_wal/', kind: 'directory', size: 0, time: now })
  yield* tarOfDirectory(walDirectory, 'pg_wal/', () => false)
  yield Buffer.alloc(2 * block) // the end of an archive
}

async function* tarOfDirectory(
  directory: string,
  prefix: string,
  isLeft: (name: string) => boolean,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const entry of (await readdir(directory)).sort()) {
    const name = `${prefix}${entry}`
    if (isLeft(name)) continue
    const path = join(directory, entry)
    const found = await lstat(path, { bigint: true })
    if (found.isDirectory()) {
      yield header({ name: `${name}/`, kind: 'directory', size: 0, time: timeOf(found) })
      yield* tarOfDirectory(path, `${name}/`, isLeft)
    } else if (found.isFile()) {
      yield header({ name, kind: 'file', size: Number(found.size), time: timeOf(found) })
      yield* contentsOf(path, Number(found.size))
    } else {
      throw new Error(`${name} of a cluster is neither a file nor a directory`)
    }
  }
}

/** Exactly as long as its header says: nobody writes to a stopped cluster. */
async function* contentsOf(
  path: string,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    for (let at = 0; at < size; ) {
      const buffer = Buffer.allocUnsafe(Math.min(chunk, size - at))
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at)
      if (bytesRead === 0) throw new Error(`${path} is shorter than it was`)
      at += bytesRead
      yield buffer.subarray(0, bytesRead)
    }
    if (size % block !== 0) yield Buffer.alloc(block - (size % block))
  } finally {
    await file.close()
  }
}

const padded = (contents: Buffer): Buffer =>
  Buffer.concat([contents, Buffer.alloc((block - (contents.length % block)) % block)])

const timeOf = ({ mtimeMs }: BigIntStats): EpochMs => Number(mtimeMs) as EpochMs

interface Entry {
  readonly name: string
  readonly kind: 'file' | 'directory'
  readonly size: number
  readonly time: EpochMs
}

/** One block; modes are those that Postgres asks for, owners those of whoever unpacks it. */
function header({ name, kind, size, time }: Entry): Buffer {
  const bytes = Buffer.alloc(block)
  if (Buffer.byteLength(name) > 100) throw new Error(`${name} is too long for a tar`)
  const octal = (value: number, length: number) =>
    `${value.toString(8).padStart(length - 1, '0')}\0`
  const put = (text: string, at: number) => bytes.write(text, at, 'utf8')
  put(name, 0)
  put(octal(kind === 'directory' ? 0o700 : 0o600, 8), 100)
  put(octal(0, 8), 108)
  put(octal(0, 8), 116)
  put(octal(size, 12), 124)
  put(octal(Math.max(0, Math.floor(time / 1000)), 12), 136)
  put(' '.repeat(8), 148)
  put(kind === 'directory' ? '5' : '0', 156)
  put('ustar\0' + '00', 257)
  const sum = bytes.reduce((total, byte) => total + byte, 0)
  put(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return bytes
}

/** What initdb wrote, and that nobody but who runs it reaches its socket. */
async function configuration(dataDirectory: string): Promise<string> {
  const text = await readFile(join(dataDirectory, 'postgresql.conf'), 'utf8')
  return `${text.trimEnd()}\n\n# Added by an export of Lakelet.\nunix_socket_permissions = 0700\n`
}

const hba = `# Written by an export of Lakelet. The socket is open to the user who runs Postgres alone
# (unix_socket_permissions), who may log in as any role; everybody else needs a password.
local all         all              trust
local replication all              trust
host  all         all 127.0.0.1/32 scram-sha-256
host  all         all ::1/128      scram-sha-256
`

const readme = (
  major: PostgresMajor,
  now: EpochMs,
): string => `A cluster of Postgres ${major}, exported by Lakelet at ${rfc3339(now)}.

Unpack it into an empty directory as the user who is to run it, and start it:

  mkdir -m 700 data && tar -xf EXPORT.tar -C data
  postgres -D data            # of Postgres ${major}
  psql -h /tmp -U cloud_admin databricks_postgres

The superuser is cloud_admin. Roles of people and programs that logged in with a token have no password;
roles with a password have it still. Nothing in here is a key, a token or a password in clear.
`
