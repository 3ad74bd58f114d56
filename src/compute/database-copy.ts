/**
 * One database of one compute copied to another compute, by Postgres's own programs: pg_dump of the source's
 * major or later, and the pg_restore beside it, over the sockets of both as the superuser.
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../domain/faults.ts'
import { failpoint } from '../lib/failpoint.ts'
import {
  besides,
  findPostgresProgram,
  type PostgresProgram,
  ProgramMissing,
} from '../lib/postgres-programs.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { runLong } from '../lib/streaming-process.ts'
import { CommandFailed } from '../lib/subprocess.ts'
import type { CopyDatabase } from '../ports/compute.ts'
import { superuser } from './configuration.ts'
import type { ConnectTo } from './connection.ts'

export interface CopyRoom {
  readonly serviceUser: ServiceUser | undefined
  /** Where toolchains have their programs. */
  readonly directories: readonly string[]
}

/** Of `pg_restore`: data of one table beside another, and indexes. */
const jobs = '2'

export async function copyDatabase(
  room: CopyRoom,
  from: ConnectTo,
  to: ConnectTo,
  { database, directory, betweenSchemasAndRest, signal }: CopyDatabase,
): Promise<void> {
  const dump = await findDump(room, from)
  const start = (program: string, args: readonly string[]) =>
    runLong(program, args, {
      cwd: '/',
      signal,
      user: room.serviceUser,
      env: { HOME: '/nonexistent', PGPASSFILE: '/nonexistent', PGOPTIONS: deafOptions },
    })
  const at = ({ socketDirectory }: ConnectTo) => [
    ...['--host', socketDirectory, '--port', '5432', '--username', superuser, '--no-password'],
    ...['--dbname', connectionText(database)],
  ]
  const archive = join(directory, 'dump')
  const restore = besides(dump, 'pg_restore')
  try {
    await start(dump.path, ['--format=directory', `--file=${archive}`, ...notOurs, ...at(from)])
    await failpoint('compute.copy-database:dumped')
    const contents = await start(restore, ['--list', archive])
    const use = async (name: string, isWanted: (line: string) => boolean) => {
      const list = join(directory, name)
      await writeFile(list, contents.split('\n').filter(isWanted).join('\n'), { mode: 0o644 })
      const how = ['--exit-on-error', '--jobs', jobs, '--use-list', list]
      await start(restore, [...how, ...notOurs, ...at(to), archive])
    }
    await use('schemas', (line) => isSchema.test(line))
    await betweenSchemasAndRest()
    await use('rest', (line) => !isSchema.test(line) && !isExtension.test(line))
    await failpoint('compute.copy-database:restored')
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    const problem = firstError(error.stderr)
    throw new Fault('UPGRADE_FAILED', { database, to: to.major, problem }, { cause: error })
  }
}

async function findDump({ directories }: CopyRoom, { major }: ConnectTo): Promise<PostgresProgram> {
  try {
    const path = process.env.PATH
    return await findPostgresProgram({ name: 'pg_dump', atLeast: major, directories, path })
  } catch (error) {
    if (!(error instanceof ProgramMissing)) throw error
    throw new Fault('UPGRADE_TOOL_MISSING', { tool: 'pg_dump', major, places: error.places })
  }
}

const isSchema = /^\d+; \d+ \d+ SCHEMA /
/** Made by their owners' own hands. */
const isExtension = /^\d+; \d+ \d+ EXTENSION /
const notOurs = ['--no-security-labels', '--no-tablespaces']

/** Whatever the owner of a database set for its sessions. */
const deafOptions = [
  'default_transaction_read_only=off',
  'statement_timeout=0',
  'lock_timeout=0',
  'idle_in_transaction_session_timeout=0',
  'role=none',
]
  .map((setting) => `-c ${setting}`)
  .join(' ')

/** A bare name could be read as a connection string. */
const connectionText = (database: string): string =>
  `dbname='${database.replace(/['\\]/g, '\\$&')}'`

/** What Postgres or the program said first; the rest follows from it. */
const firstError = (said: string): string =>
  said
    .split('\n')
    .find((line) => /error: /.test(line))
    ?.replace(/^.*?error: /, '')
    .replace(/^could not execute query: ERROR: +/, '') ?? said.trim().slice(0, 500)
