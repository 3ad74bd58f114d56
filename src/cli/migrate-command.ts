/** `lakelet migrate`: the project's own migrations in a branch's database, and what the two say of each other. */
import type { Command } from 'commander'
import { openSession } from '../database/open-database.ts'
import { type CommandContext, type FillCommand, sharedOptions } from './command-context.ts'
import { statusBody, tellStatus } from './migration-status.ts'
import { findBranch, readTarget } from './psql-target.ts'
import { fillRehearse } from './rehearse-command.ts'
import {
  appliedSince,
  type Migrations,
  neededMigrations,
  readStatus,
  runMigrations,
  warningsOf,
} from './run-migrations.ts'
import { coloursFor, note, printable, printJson } from './terminal.ts'
import { accessTo, findOwnBranch, findPlace, reach } from './worktree-branch.ts'

const details = `
Runs what lakelet.toml says (migrate = "…"), else the tool whose files are there: alembic, prisma, drizzle,
knex, node-pg-migrate, flyway, dbmate, rails, django, sqitch, goose or atlas. The variables are those of
lakelet dev, and PGHOST and the like beside DATABASE_URL in any case; programs of .venv and node_modules go
first. Ends with the exit code of what ran.

Examples:
  lakelet migrate                            # this worktree's branch
  lakelet migrate status --branch store/production
  lakelet migrate rehearse                   # on a throw-away branch of the default branch`

interface BranchFlag {
  readonly branch?: string
}

const branchFlag = [
  '--branch <BRANCH>',
  "PROJECT/BRANCH or an id; default: this worktree's",
] as const

export const fillMigrate: FillCommand = (command, context) => {
  command
    .option(...branchFlag)
    .addHelpText('after', details)
    .action(async (flags: BranchFlag) => migrate(command, context, flags))
  const status = command
    .command('status')
    .description('Say what is pending, and whether the database is ahead of the code.')
  status
    .option(...branchFlag)
    .addHelpText(
      'after',
      `
Reads the files of the migrations and the table that the tool keeps of them. Exit code 1 when the database is ahead of
the code, the code has two heads, or a migration was begun and not finished.`,
    )
    .action(async () => showStatus(status, context))
  fillRehearse(
    command
      .command('rehearse')
      .description('Run the migrations on a throw-away branch, and tell their locks and times.'),
    context,
  )
}

async function migrate(
  command: Command,
  context: CommandContext,
  { branch }: BranchFlag,
): Promise<void> {
  const { io } = context
  const isJson = sharedOptions(command).output === 'json'
  const { file, migrations, access } = await opened(command, context, branch)
  const session = await openSession(access)
  try {
    const before = await readStatus(migrations, session)
    for (const warning of before === undefined ? [] : warningsOf(before)) note(warning, io)
    const exitCode = await runMigrations(migrations, access, file, io, { isQuiet: isJson })
    context.setExitCode(exitCode)
    const after = await readStatus(migrations, session)
    const done = appliedSince(before, after)
    if (isJson) {
      const { line } = migrations
      return printJson(
        { branch: access.branch, command: line, exit_code: exitCode, applied: done },
        io,
      )
    }
    if (exitCode !== 0) note(`migrations ended with ${exitCode}: ${migrations.line}`, io)
    for (const name of done ?? []) io.stdout.write(`Applied ${printable(name)}\n`)
    if (exitCode === 0 && done?.length === 0) io.stdout.write('Nothing was pending.\n')
  } finally {
    await session.close()
  }
}

async function showStatus(command: Command, context: CommandContext): Promise<void> {
  const { io } = context
  const { branch } = command.optsWithGlobals<BranchFlag>()
  const { migrations, access } = await opened(command, context, branch)
  const told = await tellStatus(migrations, access)
  const { setup, status } = told
  const isWrong = [status.ahead, status.heads, status.failed].some(({ length }) => length > 0)
  if (isWrong) context.setExitCode(1)
  if (sharedOptions(command).output === 'json') {
    return printJson(statusBody(access.branch, told), io)
  }
  const { bold, red } = coloursFor(io.stdout, io)
  const rows: readonly (readonly [string, string])[] = [
    ['Tool', `${setup.tool} (${setup.evidence})`],
    ['Branch', access.branch.replace(/^projects\/([^/]+)\/branches\//, '$1/')],
    ['Applied', `${status.appliedCount} of ${status.appliedCount + status.pending.length}`],
    ...(status.pending.length === 0 ? [] : [['Pending', status.pending.join(', ')] as const]),
  ]
  for (const [what, text] of rows) io.stdout.write(`${bold(what.padEnd(8))} ${printable(text)}\n`)
  for (const warning of warningsOf(status)) io.stdout.write(`${red('!')} ${printable(warning)}\n`)
}

interface Opened {
  readonly file: Awaited<ReturnType<typeof findPlace>>['file']
  readonly migrations: Migrations
  readonly access: Awaited<ReturnType<typeof accessTo>>
}

/** The migrations of where we are, and a way into the branch that is meant. What cannot run is refused first. */
async function opened(
  command: Command,
  context: CommandContext,
  branch: string | undefined,
): Promise<Opened> {
  const { io } = context
  const place = await findPlace(io)
  const { worktree, file } = place
  const migrations = await neededMigrations(place, io)
  const { client, connection } = await reach(command, context)
  const { userName: login } = await client.me()
  const target =
    branch === undefined
      ? await findOwnBranch(client, worktree, file, login)
      : await client.branches.get(await findBranch(client, readTarget(branch, project(file))))
  const access = await accessTo(client, connection, target, file, login, io)
  return { file, migrations, access }
}

/** What a bare id of a branch is in. */
const project = ({ project: id }: { readonly project?: string | undefined }) =>
  id === undefined ? {} : { project: id }
