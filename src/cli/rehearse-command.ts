/** `lakelet migrate rehearse`: what the migrations would mean for those who use production. */
import type { Command } from 'commander'
import type { LakeletClient } from '../client/lakelet-client.ts'
import { wireDuration } from './body-flags.ts'
import { type CommandContext, type FillCommand, sharedOptions } from './command-context.ts'
import { findBranch, findProject, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { rehearsalBody, rehearseOn, showRehearsal } from './rehearsal.ts'
import { neededMigrations } from './run-migrations.ts'
import { printJson } from './terminal.ts'
import { findPlace, type Place, reach } from './worktree-branch.ts'

interface RehearseFlags {
  readonly source?: string
  readonly ttl: string
  readonly keep?: boolean
}

export const fillRehearse: FillCommand = (command, context) => {
  command
    .option('--source <BRANCH>', "PROJECT/BRANCH or an id; default: the project's default branch")
    .option('--ttl <time>', 'when the branch ends by itself, should nobody remove it', '1h')
    .option('--keep', 'leave the branch there, to look into it')
    .addHelpText(
      'after',
      `
Told are the longest time that each lock on a table that was there before was held (locks that stop nobody's reads or
writes are left out, those of less than some 20 ms may be missed), how long a reader and a writer would have waited at
the worst moment, the slowest statements, and which tables were written anew. On production the same takes as
long, plus what it waits for others. Ends with the exit code of what ran.

Examples:
  lakelet migrate rehearse
  lakelet migrate rehearse --source store/staging --keep`,
    )
    .action(async (flags: RehearseFlags) => rehearse(command, context, flags))
}

async function rehearse(
  command: Command,
  context: CommandContext,
  flags: RehearseFlags,
): Promise<void> {
  const { io } = context
  const ttl = wireDuration('--ttl', flags.ttl)
  const place = await findPlace(io)
  const migrations = await neededMigrations(place, io)
  const server = await reach(command, context)
  const source = await findSource(server.client, flags.source, place)
  const isJson = sharedOptions(command).output === 'json'
  const isKept = flags.keep === true
  const work = { migrations, place, server, io, isJson }
  const { rehearsal, branch, exitCode } = await rehearseOn(source, work, { ttl, isKept })
  context.setExitCode(exitCode)
  if (rehearsal === undefined) return
  const kept = isKept ? { branch } : {}
  if (isJson) printJson({ ...rehearsalBody(rehearsal), source_branch: source, ...kept }, io)
  else showRehearsal(rehearsal, source, io)
}

/** Full name. */
async function findSource(
  client: LakeletClient,
  text: string | undefined,
  { file }: Place,
): Promise<string> {
  const project = file.project === undefined ? {} : { project: file.project }
  if (text !== undefined) return findBranch(client, readTarget(text, project))
  const { name, status } = await client.projects.get(await findProject(client, file.project))
  const { default_branch } = status ?? {}
  if (default_branch !== undefined) return default_branch
  throw new Refusal(`${name} has no default branch`, 'Say which branch to rehearse on: --source ID')
}
