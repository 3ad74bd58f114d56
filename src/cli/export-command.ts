/**
 * `lakelet export`: a branch in a file. A dump is made here, by pg_dump with a fresh credential; a base is
 * made by the server and comes as a tar. The file has its name when it is whole, and not before.
 */
import { createWriteStream } from 'node:fs'
import { lstat, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Endpoint } from '../client/resources.ts'
import { readableBytes } from '../lib/byte-size.ts'
import { findPostgresProgram, ProgramMissing } from '../lib/postgres-programs.ts'
import { runLong } from '../lib/streaming-process.ts'
import { CommandFailed } from '../lib/subprocess.ts'
import { type CommandContext, type FillCommand, sharedOptions } from './command-context.ts'
import { type Connection, clientFor, connect } from './connection.ts'
import { findBranch, findEndpoint, hostOf, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { type CliIo, coloursFor } from './terminal.ts'

const details = `
BRANCH is PROJECT/BRANCH, a branch id, or a full branch name.

custom, plain and directory are those of pg_dump, of one database, without owners and grants; a pg_dump of
the branch's Postgres version or newer is needed here. base is a tar of the whole cluster with its WAL,
which plain Postgres starts from: unpack it into an empty directory, and run "postgres -D" on that.

Examples:
  lakelet export app/production --to shop.dump
  lakelet export app/production --to shop.tar --format base`

const formats = ['custom', 'plain', 'directory', 'base'] as const
type Format = (typeof formats)[number]

interface ExportFlags {
  readonly to?: string
  readonly format: Format
  readonly database: string
}

export const fillExport: FillCommand = (command, context) => {
  command
    .argument('<BRANCH>', 'which branch')
    .option('--to <file>', 'what to write; it must not be there yet')
    .addOption(
      command.createOption('--format <format>', 'what to write').choices(formats).default('custom'),
    )
    .option('-d, --database <name>', 'database of a dump', 'databricks_postgres')
    .addHelpText('after', details)
    .action(async (branch: string, flags: ExportFlags) => {
      const { to } = flags
      if (to === undefined) throw new Refusal('--to is missing', 'Name the file to write.')
      const { io } = context
      const options = sharedOptions(command)
      const path = resolve(io.cwd, to)
      await mustBeFree(path)
      const connection = await connect(options, io)
      const client = clientFor(connection, options, io)
      const target = readTarget(branch, {})
      const screen = progressLine(io)
      try {
        await whole(path, context, (draft, signal) =>
          flags.format === 'base'
            ? writeBase(client, target, draft, { signal, screen })
            : writeDump({ connection, client, io }, target, draft, { flags, signal, screen }),
        )
      } finally {
        screen.clear()
      }
      const { size } = await stat(path)
      const length = flags.format === 'directory' ? '' : ` (${readableBytes(size)})`
      io.stderr.write(`Wrote ${to}${length}\n`)
    })
}

type Target = ReturnType<typeof readTarget>
type Screen = ReturnType<typeof progressLine>

async function mustBeFree(path: string): Promise<void> {
  const isThere = await lstat(path).then(
    () => true,
    (error: unknown) => {
      if (codeOf(error) === 'ENOENT') return false
      throw cannotWrite(path, error)
    },
  )
  if (isThere) throw new Refusal(`${path} is there already`, 'Name another file, or remove it.')
  const directory = await stat(dirname(path)).catch((error: unknown) => {
    throw cannotWrite(path, error)
  })
  if (!directory.isDirectory()) throw new Refusal(`${dirname(path)} is no directory`)
}

/** What is written is a draft until it is whole and on disk; whatever ends it early removes it. */
async function whole(
  path: string,
  { setExitCode }: CommandContext,
  write: (draft: string, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const draft = resolve(dirname(path), `.${basename(path)}.${process.pid}.partial`)
  const ending = new AbortController()
  const end = () => ending.abort(new Refusal('ended before it was whole; nothing was written'))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end)
  try {
    await write(draft, ending.signal)
    await mustBeFree(path)
    await rename(draft, path)
    const directory = await open(dirname(path), 'r')
    await directory.sync().finally(() => directory.close())
  } catch (error) {
    await rm(draft, { recursive: true, force: true })
    if (ending.signal.aborted) setExitCode(1)
    throw codeOf(error) === undefined ? error : cannotWrite(path, error)
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(signal, end)
  }
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'syscall' in error && 'code' in error ? String(error.code) : undefined

function cannotWrite(path: string, error: unknown): Refusal {
  const problem = error instanceof Error ? error.message.replace(/^[A-Z]+: /, '') : String(error)
  return new Refusal(
    `${path} cannot be written: ${problem}`,
    'Name a file in a directory that you may write to and that has room.',
  )
}

interface Writing {
  readonly signal: AbortSignal
  readonly screen: Screen
}

async function writeBase(
  client: LakeletClient,
  target: Target,
  draft: string,
  { signal, screen }: Writing,
): Promise<void> {
  const branch = await findBranch(client, target)
  screen.show('Cloning…')
  const chunks = await client.exportBranch(branch)
  let bytes = 0
  await pipeline(
    chunks,
    async function* counted(parts: AsyncIterable<Uint8Array>) {
      for await (const part of parts) {
        bytes += part.length
        screen.show(`Writing, ${readableBytes(bytes)}…`)
        yield part
      }
    },
    createWriteStream(draft, { flags: 'wx', mode: 0o600, flush: true }),
    { signal },
  ).catch((error: unknown) => {
    if (!isCutOff(error)) throw error
    throw new Refusal(
      'the server ended the connection before all was sent',
      "Try again; why it did is in the server's log.",
    )
  })
}

const isCutOff = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'ECONNRESET'

async function writeDump(
  { connection, client, io }: { connection: Connection; client: LakeletClient; io: CliIo },
  target: Target,
  draft: string,
  { flags, signal, screen }: Writing & { readonly flags: ExportFlags },
): Promise<void> {
  const endpoint = await findEndpoint(client, target)
  const program = await pgDump(await majorOf(client, endpoint), io)
  const host = hostOf(endpoint.name, endpoint.status, io)
  const [{ userName }, { token }] = await Promise.all([
    client.me(),
    client.generateDatabaseCredential({ endpoint: endpoint.name }),
  ])
  const port = connection.local?.pgPort ?? io.env.PGPORT ?? '5432'
  const mode = io.env.PGSSLMODE ?? ''
  let tables = 0
  try {
    await runLong(
      program,
      [
        ...['--format', flags.format, '--file', draft, '--verbose', '--no-password'],
        ...['--no-owner', '--no-privileges', '--host', host, '--port', String(port)],
        ...['--username', userName, '--dbname', conninfo(flags.database)],
      ],
      {
        cwd: io.cwd,
        signal,
        env: {
          HOME: io.env.HOME ?? '/',
          PGPASSWORD: token,
          PGSSLMODE: /^verify-(ca|full)$/.test(mode) ? mode : 'require',
          ...(io.env.PGSSLROOTCERT ? { PGSSLROOTCERT: io.env.PGSSLROOTCERT } : {}),
        },
        onLine: (line) => {
          if (!line.includes('dumping contents of table')) return
          tables += 1
          screen.show(`Dumping, table ${tables}…`)
        },
      },
    )
  } catch (error) {
    throw error instanceof CommandFailed ? dumpFailed(error) : error
  }
}

/** So that a name with `=` in it is a name. */
const conninfo = (database: string): string => `dbname='${database.replace(/['\\]/g, '\\$&')}'`

async function majorOf(client: LakeletClient, { name }: Endpoint): Promise<number> {
  const project = await client.projects.get(name.split('/').slice(0, 2).join('/'))
  return Number(project.status?.pg_version ?? 17)
}

async function pgDump(major: number, { env }: CliIo): Promise<string> {
  try {
    return (await findPostgresProgram({ name: 'pg_dump', atLeast: major, path: env.PATH })).path
  } catch (error) {
    if (!(error instanceof ProgramMissing)) throw error
    throw new Refusal(
      `pg_dump of Postgres ${major} or newer is not here; looked for in ${error.places}`,
      `Install it (Debian: apt install postgresql-client-${major}), or write the whole cluster, which needs no program: --format base`,
    )
  }
}

function dumpFailed({ stderr }: CommandFailed): Refusal {
  const lines = stderr.split('\n').filter((line) => /error:|FATAL:|detail:|hint:/i.test(line))
  return new Refusal(`pg_dump failed: ${lines.slice(0, 3).join(' ').slice(0, 1000) || stderr}`)
}

/** One line on a terminal that changes and is gone at the end; nothing at all in a pipe. */
function progressLine(io: CliIo) {
  if (io.stderr.isTTY !== true || io.env.TERM === 'dumb') {
    return { show: (_: string) => undefined, clear: () => undefined }
  }
  const { dim } = coloursFor(io.stderr, io)
  let last = ''
  return {
    show: (text: string) => {
      if (text !== last) io.stderr.write(`\r\u001b[K${dim(text)}`)
      last = text
    },
    clear: () => io.stderr.write('\r\u001b[K'),
  }
}
