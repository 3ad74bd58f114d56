/**
 * `lakelet branch promote`: the target gets the migrations that the source has had and it has not, after a rehearsal on a throw-away
 * branch of the target. Migrations alone: rows are never merged. Who dies in between begins again, and what is applied by then is
 * not pending any more.
 */
import type { Command } from 'commander'
import type { Branch } from '../client/resources.ts'
import { openSession } from '../database/open-database.ts'
import { toWireDuration } from '../lib/human-duration.ts'
import { hours } from '../lib/time.ts'
import type { MigrationStatus } from '../worktree/migration-history.ts'
import { type CommandContext, type FillCommand, sharedOptions } from './command-context.ts'
import { confirm } from './confirm.ts'
import { findBranch, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { rehearsalBody, rehearseOn, showRehearsal } from './rehearsal.ts'
import { neededMigrations, readStatus, runMigrations, warningsOf } from './run-migrations.ts'
import { printable, printJson } from './terminal.ts'
import { accessTo, findOwnBranch, findPlace, reach } from './worktree-branch.ts'

interface PromoteFlags {
  readonly to?: string
  readonly dryRun?: boolean
  readonly yes?: boolean
}

export const fillPromote: FillCommand = (command, context) => {
  command
    .argument('[SOURCE]', "PROJECT/BRANCH or an id; default: this worktree's")
    .option('--to <BRANCH>', 'the target; default: the branch that SOURCE was made of')
    .option('--dry-run', 'end after the rehearsal')
    .option('-y, --yes', 'do not ask')
    .addHelpText(
      'after',
      `
The target gets the migrations that SOURCE has had and it has not, by the project's own tool and from the files of this
checkout, which must be those that SOURCE has had. They run on a throw-away branch of the target first; nothing is done
to the target when they fail there. Rows stay where they are: data of SOURCE does not come along.

Examples:
  lakelet branch promote
  lakelet branch promote store/demo --to store/production --dry-run`,
    )
    .action(async (source: string | undefined, flags: PromoteFlags) =>
      promote(command, context, source, flags),
    )
}

/** End of the throw-away branch, should nobody remove it. */
const ttl = toWireDuration(hours(1))

async function promote(
  command: Command,
  context: CommandContext,
  text: string | undefined,
  flags: PromoteFlags,
): Promise<void> {
  const { io } = context
  const isJson = sharedOptions(command).output === 'json'
  const place = await findPlace(io)
  const { worktree, file } = place
  const migrations = await neededMigrations(place, io)
  if (migrations.known === undefined) {
    throw new Refusal(
      `nobody can say what ${JSON.stringify(migrations.line)} has applied, so nobody knows what is missing`,
      'It needs the files of one tool that Lakelet knows: lakelet migrate --help',
    )
  }
  const server = await reach(command, context)
  const { client, connection } = server
  const { userName: login } = await client.me()
  const named = async (branch: string) => {
    const project = file.project === undefined ? {} : { project: file.project }
    const target = { ...project, ...readTarget(branch, {}) }
    return client.branches.get(await findBranch(client, target))
  }
  const source =
    text === undefined ? await findOwnBranch(client, worktree, file, login) : await named(text)
  const target = await named(flags.to ?? madeOf(source))
  const look = async (branch: Branch) => {
    const access = await accessTo(client, connection, branch, file, login, io)
    const session = await openSession(access, 'lakelet promote')
    try {
      const status = await readStatus(migrations, session)
      if (status === undefined) throw new Error('the tool is known, but not its status')
      return { access, status }
    } finally {
      await session.close()
    }
  }
  const missing = missingOf(
    source,
    (await look(source)).status,
    target,
    (await look(target)).status,
  )
  const body = { source_branch: source.name, target_branch: target.name, missing }
  if (missing.length === 0) {
    if (isJson) return printJson({ ...body, applied: [] }, io)
    return void io.stdout.write(`${target.name} lacks no migration of ${source.name}.\n`)
  }

  const work = { migrations, place, server, io, isJson }
  const { rehearsal, exitCode, isStopped } = await rehearseOn(target.name, work, { ttl })
  if (rehearsal !== undefined && !isJson) showRehearsal(rehearsal, target.name, io)
  if (rehearsal === undefined || isStopped || exitCode !== 0) {
    context.setExitCode(exitCode)
    if (isJson)
      return printJson(
        { ...body, rehearsal: rehearsal && rehearsalBody(rehearsal), applied: [] },
        io,
      )
    return void io.stdout.write(`Nothing was done to ${target.name}.\n`)
  }
  const left = missing.filter((name) => rehearsal.applied?.includes(name) !== true)
  if (left.length > 0) {
    throw new Refusal(
      `in the rehearsal ${JSON.stringify(migrations.line)} ended well and left ${left.join(', ')} pending; nothing was done to ${target.name}`,
      'Look why it passes them over: lakelet migrate status',
    )
  }
  if (flags.dryRun === true) {
    if (isJson) printJson({ ...body, rehearsal: rehearsalBody(rehearsal), applied: [] }, io)
    return
  }
  if (flags.yes !== true && io.stdin.isTTY === true) {
    await confirm(`Apply ${missing.join(', ')} to ${target.name}?`, io)
  }
  const { access, status: now } = await look(target)
  if (now.pending.join('\n') !== missing.join('\n')) {
    throw new Refusal(
      `${target.name} was migrated by somebody else meanwhile; nothing was done to it`,
      'Promote again.',
    )
  }
  const code = await runMigrations(migrations, access, file, io, { isQuiet: isJson })
  context.setExitCode(code)
  const { status: after } = await look(target)
  const applied = missing.filter((name) => !after.pending.includes(name))
  if (isJson) return printJson({ ...body, rehearsal: rehearsalBody(rehearsal), applied }, io)
  for (const name of applied) io.stdout.write(`Applied ${printable(name)} to ${target.name}\n`)
}

function madeOf({ name, status }: Branch): string {
  if (status?.source_branch !== undefined) return status.source_branch
  throw new Refusal(`${name} was made of no other branch`, 'Say where to promote it: --to BRANCH')
}

/**
 * Names of what the target lacks. Refused where the tool would do something else than bring the target to where the source is: it
 * applies all that is pending in the checkout.
 */
function missingOf(
  { name: source }: Branch,
  had: MigrationStatus,
  { name: target }: Branch,
  has: MigrationStatus,
): readonly string[] {
  for (const [name, status] of [
    [source, had],
    [target, has],
  ] as const) {
    const [wrong] = warningsOf({ ...status, late: [] })
    if (wrong !== undefined) throw new Refusal(`${name}: ${wrong}`)
  }
  const untried = has.pending.filter((name) => had.pending.includes(name))
  if (untried.length === 0) return has.pending
  throw new Refusal(
    `the checkout has ${untried.join(', ')}, which ${source} has not had`,
    'Run lakelet migrate there first, or check out the code that it has had.',
  )
}
