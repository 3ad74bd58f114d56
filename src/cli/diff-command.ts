/** `lakelet diff`: how the schema and the rows of a branch differ from those of another one. */
import { constants } from 'node:os'
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Branch } from '../client/resources.ts'
import { compareSchemas } from '../database/compare-schemas.ts'
import type { Address } from '../database/open-database.ts'
import { readSchema } from '../database/read-schema.ts'
import {
  type Diff,
  diffBody,
  isSame,
  markdown,
  rowLines,
  schemaLines,
  shortName,
} from '../database/show-diff.ts'
import { humanDurationForms, parseHumanDuration, toWireDuration } from '../lib/human-duration.ts'
import { hours } from '../lib/time.ts'
import { findPair, type Pair, readDiff, withSessions } from './branch-difference.ts'
import { type CommandContext, type FillCommand, sharedOptions } from './command-context.ts'
import { makeSql } from './make-sql.ts'
import { Refusal } from './refusal.ts'
import { type CliIo, coloursFor, printable, printJson } from './terminal.ts'
import { onThrowawayBranch } from './throwaway-branch.ts'
import { accessTo, reach } from './worktree-branch.ts'

interface DiffFlags {
  readonly rows: boolean
  readonly patience: string
  readonly markdown?: boolean
  readonly sql?: boolean
  /** False when `--no-check` was given. */
  readonly check: boolean
  readonly exitCode?: boolean
  readonly copy?: boolean
  readonly database?: string
}

export const fillDiff: FillCommand = (command, context) => {
  command
    .argument('[A]', 'PROJECT/BRANCH or an id; default: the branch that B was made of')
    .argument('[B]', "the same; default: this worktree's")
    .option(
      '-d, --database <name>',
      'database; default: what lakelet.toml says, else databricks_postgres',
    )
    .option('--no-rows', 'compare the schema alone')
    .option('--patience <time>', 'longest time to read the rows of one table', '30s')
    .option('--markdown', 'print a comment for a pull request')
    .option('--sql', 'print the SQL that makes the schema of A that of B')
    .option('--no-check', 'with --sql: do not try it on a throw-away branch of A')
    .option('--copy', 'read A on a throw-away branch of it, where one may not log in to A itself')
    .option('--exit-code', 'end with 1 when something differs')
    .addHelpText(
      'after',
      `
+ is only in B, - only in A, ~ in both and not the same. With one argument that is A.
Compared are extensions, schemas, types, enums, sequences, tables, columns, constraints, indexes, views, functions,
triggers and policies; not owners, grants, comments and the order of columns. The rows of each table are hashed in the
database, which reads the whole of it on both branches. --sql needs the package @pgkit/migra in the project.

Examples:
  lakelet diff
  lakelet diff production --no-rows
  lakelet diff store/production store/demo --markdown`,
    )
    .action(async (a: string | undefined, b: string | undefined, flags: DiffFlags) => {
      await diff(command, context, [a, b], flags)
    })
}

async function diff(
  command: Command,
  context: CommandContext,
  names: readonly [string | undefined, string | undefined],
  flags: DiffFlags,
): Promise<void> {
  const { io } = context
  const patience = parseHumanDuration(flags.patience)
  if (patience === undefined || patience <= 0) {
    throw new Refusal(`--patience: ${JSON.stringify(flags.patience)} is not ${humanDurationForms}`)
  }
  if (flags.sql && flags.copy) {
    throw new Refusal('--copy and --sql do not go together', 'Leave one of them out.')
  }
  const isJson = sharedOptions(command).output === 'json'
  const opened = await openBoth(command, context, names, flags.database)
  const { from, to, client, open } = opened
  if (flags.sql) return printSql(opened, flags.check, context)
  const read = async (source: Branch) =>
    withSessions([await open(source), await open(to)], name, (sessions) =>
      readDiff(sessions, { from, to }, flags.rows ? patience : undefined),
    )
  const { result: found, stoppedBy } = flags.copy
    ? await onThrowawayBranch(client, copyOf(from), io, read)
    : { result: await read(from), stoppedBy: undefined }
  if (stoppedBy !== undefined) context.setExitCode(128 + constants.signals[stoppedBy])
  if (found === undefined || stoppedBy !== undefined) return
  if (flags.markdown) io.stdout.write(markdown(found))
  else if (isJson) printJson(diffBody(found), io)
  else show(found, io)
  if (flags.exitCode && !isSame(found)) context.setExitCode(1)
}

/** Of our sessions, as Postgres lists them. */
const name = 'lakelet diff'

const copyOf = ({ name: source }: Branch) => ({
  source,
  prefix: 'diff',
  ttl: toWireDuration(hours(1)),
})

interface Opened extends Pair {
  readonly client: LakeletClient
  open(branch: Branch): ReturnType<typeof accessTo>
}

async function openBoth(
  command: Command,
  context: CommandContext,
  [from, to]: readonly [string | undefined, string | undefined],
  database: string | undefined,
): Promise<Opened> {
  const { io } = context
  const { client, connection } = await reach(command, context)
  const { userName: login } = await client.me()
  const pair = await findPair({ from, to, database }, { client, login, io })
  const open = (branch: Branch) => accessTo(client, connection, branch, pair, login, io)
  return { ...pair, client, open }
}

/** SQL that does not do what it should is not printed: somebody may read it into psql. */
async function printSql(
  { from, to, client, open, directory }: Opened,
  isChecked: boolean,
  context: CommandContext,
): Promise<void> {
  const { io } = context
  const accesses = [await open(from), await open(to)] as const
  const sql = await makeSql(accesses, directory)
  const tried = async () => {
    const { result = [], stoppedBy } = await onThrowawayBranch(
      client,
      copyOf(from),
      io,
      async (branch) => leftOver([await open(branch), accesses[1]], sql),
    )
    return { left: result, stoppedBy }
  }
  if (isChecked) {
    const { left, stoppedBy } =
      sql.trim() === ''
        ? { left: await leftOver(accesses, ''), stoppedBy: undefined } // it may know less than we do
        : await tried()
    if (stoppedBy !== undefined) return context.setExitCode(128 + constants.signals[stoppedBy])
    if (left.length > 0) {
      const lines = [...schemaLines(left)].slice(0, 20).join('\n')
      throw new Refusal(
        `the SQL does not make ${from.name} like ${to.name}; left is:\n${lines}`,
        unchecked,
      )
    }
  }
  io.stdout.write(sql)
}

/** What the second still has that the first does not, and the other way, once the first had the SQL. */
const leftOver = (accesses: readonly [Address, Address], sql: string) =>
  withSessions(accesses, name, async ([scratch, wanted]) => {
    try {
      await scratch.runScript(sql)
    } catch (error) {
      const says = error instanceof Error ? error.message : String(error)
      throw new Refusal(`the SQL that @pgkit/migra made cannot be applied: ${says}`, unchecked)
    }
    return compareSchemas(await readSchema(scratch), await readSchema(wanted))
  })

const unchecked = 'See it all the same with --no-check, and mend it by hand.'

function show(found: Diff, io: CliIo): void {
  const { from, to, schema, rows } = found
  const { bold, green, red, yellow } = coloursFor(io.stdout, io)
  const say = (line: string) => io.stdout.write(`${line}\n`)
  say(bold(`${shortName(from)} → ${shortName(to)}`))
  if (isSame(found)) {
    return void say(
      rows === undefined ? 'The schema is the same.' : 'Schema and rows are the same.',
    )
  }
  const colour = (line: string) =>
    line.startsWith('+') ? green(line) : line.startsWith('-') ? red(line) : yellow(line)
  for (const line of schemaLines(schema)) {
    say(line.startsWith(' ') ? printable(line) : colour(printable(line)))
  }
  if (rows === undefined || rows.length === 0) return
  say(bold('Rows'))
  for (const line of rowLines(rows)) say(`  ${printable(line)}`)
}
