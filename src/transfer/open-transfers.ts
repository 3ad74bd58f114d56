/**
 * Imports and exports by Postgres's own programs, which run as the service user: whatever a source makes
 * them do, they are nobody. The password travels in their environment, never in their arguments.
 */
import { readdir, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Fault } from '../domain/faults.ts'
import { connectionText, type ImportSource, sayProblem } from '../domain/import-source.ts'
import type { Layout } from '../domain/layout.ts'
import { failpoint } from '../lib/failpoint.ts'
import {
  besides,
  findPostgresProgram,
  type PostgresProgram,
  ProgramMissing,
} from '../lib/postgres-programs.ts'
import type { ServiceUser } from '../lib/service-user.ts'
import { type LongCommand, runLong } from '../lib/streaming-process.ts'
import { CommandFailed } from '../lib/subprocess.ts'
import type { Clock } from '../lib/time.ts'
import type { LoadTarget, SourceFacts, TellProgress, Transfers } from '../ports/transfer.ts'
import { cutList, dataEntries, dumpedTable, loadedEntry } from './archive-list.ts'
import { oldestSource, readAnswer, sourceQuery } from './source-query.ts'
import { tarOfCluster } from './tar-of-cluster.ts'
import { endStrays, makeWorkDirectory, removeWorkDirectory } from './work-directory.ts'

export interface TransfersOptions {
  readonly layout: Pick<Layout, 'imports' | 'root' | 'toolchains'>
  readonly serviceUser: ServiceUser | undefined
  readonly clock: Clock
}

/** Of `pg_restore`: data of one table beside another, and indexes. */
const loadJobs = 2

export function openTransfers({ layout, serviceUser, clock }: TransfersOptions): Transfers {
  const find = async (name: string, atLeast: number): Promise<PostgresProgram> => {
    const ours = (await readdir(layout.toolchains).catch(() => [])).map((toolchain) =>
      join(layout.toolchains, toolchain, 'native', 'bin'),
    )
    try {
      return await findPostgresProgram({
        name,
        atLeast,
        directories: ours,
        path: process.env.PATH,
      })
    } catch (error) {
      if (!(error instanceof ProgramMissing)) throw error
      throw new Fault('TOOL_MISSING', { tool: name, version: atLeast, places: error.places })
    }
  }
  const start = (
    program: string,
    args: readonly string[],
    { password, ...how }: Pick<LongCommand, 'signal' | 'onLine'> & { readonly password?: string },
  ): Promise<string> =>
    runLong(program, args, {
      ...how,
      cwd: '/',
      user: serviceUser,
      env: {
        // No file of the service user's home says anything about the source.
        HOME: '/nonexistent',
        PGPASSFILE: '/nonexistent',
        PGAPPNAME: 'lakelet import',
        ...(password === undefined ? {} : { PGPASSWORD: password }),
      },
    })
  const withPassword = ({ password }: ImportSource) => (password === undefined ? {} : { password })
  const at = ({ socketDirectory, user, database }: LoadTarget, inside = database): string =>
    connectionText({ host: socketDirectory, user, database: inside })
  const ask = (psql: string, target: string, sql: string, how: Parameters<typeof start>[2]) =>
    start(psql, [...quiet, '--dbname', target, '--command', sql], how)

  return {
    async isOurs(directory) {
      const [there, root] = await Promise.all(
        [directory, layout.root].map((path) => realpath(path).catch(() => path)),
      )
      return `${there}/`.startsWith(`${root}/`)
    },

    async inspect(source, signal) {
      const psql = await find('psql', oldestSource)
      let answer: string
      try {
        answer = await ask(psql.path, connectionText(withCertificates(source)), sourceQuery, {
          signal,
          ...withPassword(source),
        })
      } catch (error) {
        throw told(error, 'SOURCE_REFUSED', source)
      }
      const facts = readAnswer(answer)
      if (facts.major < oldestSource) {
        const problem = `it is Postgres ${facts.major}, and ${oldestSource} is the oldest that is read`
        throw new Fault('SOURCE_REFUSED', { problem })
      }
      return facts
    },

    async mustHaveTools(major) {
      await find('pg_dump', major)
    },

    async missingExtensions({ extensions }, target, signal) {
      if (extensions.length === 0) return []
      const psql = await find('psql', oldestSource)
      const listed = await ask(psql.path, at(target, 'postgres'), creatable, { signal })
      const known = new Set(listed.split('\n'))
      return extensions.filter((name) => !known.has(name))
    },

    async dump({ operation, source, facts, schemaOnly, tell, signal }) {
      const directory = await makeWorkDirectory(layout.imports, operation, serviceUser)
      await endStrays(directory, clock)
      const archive = join(directory, 'dump')
      await rm(archive, { recursive: true, force: true })
      await writeAnew(join(directory, 'facts.json'), JSON.stringify(facts))
      const program = await find('pg_dump', facts.major)
      await failpoint('transfer.dump:before')
      const onLine = tableByTable(facts, tell)
      try {
        await start(
          program.path,
          [
            ...['--format', 'directory', '--file', archive, '--verbose', '--no-password'],
            ...['--no-owner', '--no-privileges', '--no-publications', '--no-subscriptions'],
            ...['--no-security-labels', '--no-tablespaces', '--lock-wait-timeout', '120000'],
            ...(schemaOnly ? ['--schema-only'] : []),
            ...['--dbname', connectionText(withCertificates(source))],
          ],
          { signal, onLine, ...withPassword(source) },
        )
      } catch (error) {
        throw told(error, 'SOURCE_LOST', source)
      }
      await failpoint('transfer.dump:after')
    },

    async load({ operation, target, tell, signal }) {
      const directory = join(layout.imports, operation)
      const archive = join(directory, 'dump')
      const facts = JSON.parse(await readFile(join(directory, 'facts.json'), 'utf8')) as SourceFacts
      const program = await find('pg_restore', facts.major)
      const psql = besides(program, 'psql')
      await endStrays(directory, clock)
      try {
        await makeDatabase((sql) => ask(psql, at(target, 'postgres'), sql, { signal }), target)
        const whole = await start(program.path, ['--list', archive], { signal })
        const list = join(directory, 'list')
        await writeAnew(list, cutList(whole, facts.skipped))
        await failpoint('transfer.load:before')
        await start(
          program.path,
          [
            ...['--use-list', list, '--jobs', String(loadJobs), '--verbose', '--exit-on-error'],
            ...['--no-owner', '--no-privileges', '--dbname', at(target), archive],
          ],
          { signal, onLine: entryByEntry(facts, dataEntries(whole), tell) },
        )
        await failpoint('transfer.load:restored')
        await ask(psql, at(target), 'ANALYZE', { signal })
      } catch (error) {
        throw told(error, 'LOAD_FAILED')
      }
      await failpoint('transfer.load:after')
    },

    discard: (operation) => removeWorkDirectory(layout.imports, operation, clock),
    tar: (cluster) => tarOfCluster(cluster, clock),
  }
}

const quiet = ['--no-psqlrc', '--quiet', '--no-align', '--tuples-only', '--no-password']

/** What somebody who is no superuser may create. */
const creatable = `SELECT DISTINCT name FROM pg_available_extension_versions
WHERE trusted OR NOT superuser ORDER BY name`

const certificates = '/etc/ssl/certs/ca-certificates.crt'

/** Who asks for a verified server means the authorities that the machine trusts. */
const withCertificates = (source: ImportSource): ImportSource =>
  source.parameters.sslmode?.startsWith('verify-') === true
    ? { ...source, parameters: { ...source.parameters, sslrootcert: certificates } }
    : source

/** Root must not write through a link that the service user laid here. */
async function writeAnew(path: string, contents: string): Promise<void> {
  await rm(path, { force: true })
  await writeFile(path, contents, { mode: 0o644, flag: 'wx' })
}

async function makeDatabase(
  ask: (sql: string) => Promise<string>,
  { database }: LoadTarget,
): Promise<void> {
  const literal = `'${database.replaceAll("'", "''")}'`
  const found = await ask(`SELECT 1 FROM pg_database WHERE datname = ${literal}`)
  if (found.trim() === '1') return
  await ask(`CREATE DATABASE "${database.replaceAll('"', '""')}" OWNER databricks_owner`)
}

/** The program's own words, made fit for clients; whatever else happened stays what it is. */
function told(
  error: unknown,
  reason: 'SOURCE_REFUSED' | 'SOURCE_LOST' | 'LOAD_FAILED',
  source?: ImportSource,
): unknown {
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new Fault(reason, { problem: 'it did not answer in time' })
  }
  if (!(error instanceof CommandFailed)) return error
  const problem = sayProblem(error.stderr, source?.password)
  return new Fault(reason, { problem })
}

/** When a table begins, those before it are done. */
function tableByTable(facts: SourceFacts, tell: TellProgress): (line: string) => void {
  const bytesOf = new Map(facts.tables.map(({ name, bytes }) => [name, bytes]))
  let begun = 0
  let done = 0
  let current = 0
  return (line) => {
    const table = dumpedTable(line)
    if (table === undefined) return
    done += current
    current = bytesOf.get(table) ?? 0
    begun += 1
    void tell({ tables_done: begun - 1, bytes_done: done })
  }
}

function entryByEntry(
  facts: SourceFacts,
  entries: ReadonlyMap<number, number>,
  tell: TellProgress,
): (line: string) => void {
  const bytesOf = new Map(facts.tables.map(({ oid, bytes }) => [oid, bytes]))
  let tables = 0
  let bytes = 0
  return (line) => {
    const entry = loadedEntry(line)
    if (entry === undefined) return
    tables += 1
    bytes += bytesOf.get(entries.get(entry) ?? 0) ?? 0
    void tell({ tables_done: tables, bytes_done: bytes })
  }
}
