/**
 * `lakelet import`: a new root branch filled from another Postgres. The server reads the source; here is
 * what it is told, how far it is, and what it left out.
 */
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Operation } from '../client/resources.ts'
import { expirationField } from './body-flags.ts'
import { type CommandContext, clientOf, type FillCommand } from './command-context.ts'
import { awaitOperation } from './operation-output.ts'
import { findProject, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { type CliIo, printable, printJson } from './terminal.ts'

const details = `
The server connects to the source, so the address is one that it can reach. A password that the address
leaves out is taken from PGPASSWORD. With "--from -" the address is read from standard input, so that it
stands in no list of processes and no history.

Examples:
  lakelet import --from postgres://reader:secret@db.example.com/shop --into app/shop
  lakelet import --cancel projects/app/branches/shop/operations/OPERATION`

interface ImportFlags {
  readonly from?: string
  readonly into?: string
  readonly schemaOnly?: boolean
  readonly database?: string
  readonly ttl?: string
  readonly cancel?: string
  readonly wait?: boolean
  readonly timeout: string
}

export const fillImport: FillCommand = (command, context) => {
  command
    .option('--from <url>', 'postgres://user:password@host:port/database, or - for standard input')
    .option('--into <branch>', 'the new branch, PROJECT/BRANCH; default: named for the database')
    .option('--schema-only', 'no rows')
    .option('-d, --database <name>', 'what the database is called in the branch')
    .option('--ttl <time>', 'how long the branch lives: 168h, 7d, 3w; default: until it is deleted')
    .option('--cancel <operation>', 'end an import that is under way, and undo it')
    .option('--no-wait', 'do not wait for the end: print the operation')
    .option('--timeout <time>', 'how long to wait for the end', '24h')
    .addHelpText('after', details)
    .action(async (flags: ImportFlags) => {
      if (flags.cancel !== undefined) return cancel(command, context, flags)
      await begin(command, context, flags)
    })
}

async function cancel(
  command: Command,
  context: CommandContext,
  { cancel: name = '', from }: ImportFlags,
): Promise<void> {
  if (from !== undefined) throw new Refusal('--from and --cancel exclude each other')
  if (!/^projects\/[^/]+\/branches\/[^/]+\/operations\/[^/]+$/.test(name)) {
    throw new Refusal(
      `--cancel: ${JSON.stringify(name)} is no operation of a branch`,
      'It looks like projects/PROJECT/branches/BRANCH/operations/OPERATION; the import printed it.',
    )
  }
  printJson(await (await clientOf(command, context)).act(name, 'cancel'), context.io)
}

async function begin(command: Command, context: CommandContext, flags: ImportFlags): Promise<void> {
  const { io } = context
  if (flags.from === undefined) {
    throw new Refusal('--from is missing', 'It looks like postgres://user:password@host/database.')
  }
  const source = withPassword(flags.from === '-' ? await readAll(io) : flags.from, io)
  const client = await clientOf(command, context)
  const { project, branch } = await placeOf(client, flags.into, source)
  const operation = await client.importBranch(project, branch, {
    spec: {
      source,
      ...(flags.schemaOnly === true ? { schema_only: true } : {}),
      ...(flags.database === undefined ? {} : { database: flags.database }),
      ...expirationField(flags.ttl === undefined ? {} : { ttl: flags.ttl })?.spec,
    },
  })
  if (flags.wait === false) return printJson(operation, io)
  if (io.stderr.isTTY === true) {
    io.stderr.write(`To end it: lakelet import --cancel ${operation.name}\n`)
  }
  const response = await awaitOperation(client, operation, flags, `Importing ${branch}`, io)
  tellLeftOut(await client.getOperation(operation.name), io)
  printJson(response, io)
}

async function placeOf(
  client: LakeletClient,
  into: string | undefined,
  source: string,
): Promise<{ readonly project: string; readonly branch: string }> {
  const target = readTarget(into, {})
  const project = await findProject(client, target.project)
  return { project, branch: target.branch ?? branchIdFor(source) }
}

/** Pure: an id that reads like the database of the source. */
export function branchIdFor(source: string): string {
  const [, path = ''] = /^[a-z]+:\/\/[^/?#]*\/([^?#]*)/.exec(source) ?? []
  let name = path
  try {
    name = decodeURIComponent(path)
  } catch {
    // the server says what is wrong with it
  }
  const id = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
    .slice(0, 60)
  return id.length < 3 ? 'imported' : id
}

/** Pure: what the address leaves out is PGPASSWORD's, as for every program of Postgres. */
export function withPassword(source: string, { env }: Pick<CliIo, 'env'>): string {
  const { PGPASSWORD: password } = env
  if (!password || /[?&]password=/.test(source)) return source
  const match = /^([a-z]+:\/\/)([^/?#@:]+)@(.*)$/.exec(source)
  if (match === null) return source
  const [, scheme = '', user = '', rest = ''] = match
  return `${scheme}${user}:${encodeURIComponent(password)}@${rest}`
}

async function readAll({ stdin }: CliIo): Promise<string> {
  let text = ''
  for await (const part of stdin) text += part.toString()
  return text.trim()
}

interface Report {
  readonly left_out?: Readonly<Record<string, readonly string[]>>
}

const reportOf = ({ metadata }: Operation): Report =>
  (metadata as { readonly report?: Report } | undefined)?.report ?? {}

function tellLeftOut(operation: Operation, io: CliIo): void {
  for (const [kind, names] of Object.entries(reportOf(operation).left_out ?? {})) {
    if (names.length === 0) continue
    const why = kind === 'roles' ? ' (what they had belongs to the shared owner of the branch)' : ''
    io.stderr.write(printable(`Left out: ${kind.replace('_', ' ')} ${names.join(', ')}${why}\n`))
  }
}
