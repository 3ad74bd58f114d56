/**
 * `lakelet dev`: in a git worktree, the one command between a checkout and a database of its own: finds or makes the
 * branch that belongs to it, writes the env file, runs the migrations.
 */
import { relative } from 'node:path'
import type { Command } from 'commander'
import type { Branch } from '../client/resources.ts'
import { openSession } from '../database/open-database.ts'
import { branchIdFor } from '../worktree/branch-id.ts'
import { isSafeFromAdd } from '../worktree/env-file.ts'
import { labelOf } from '../worktree/git-worktree.ts'
import { bindBranch } from './bind-branch.ts'
import { wireDuration } from './body-flags.ts'
import { type CommandContext, type FillCommand, sharedOptions } from './command-context.ts'
import { noticeEnd } from './end-notice.ts'
import { type Given, giveDatabase } from './give-database.ts'
import { branchArgument, findBranch, findProject, readTarget } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { findMigrations, readStatus, runMigrations, warningsOf } from './run-migrations.ts'
import { type CliIo, coloursFor, note, printable, printJson } from './terminal.ts'
import {
  type Found,
  findOrMakeBranch,
  findPlace,
  type Place,
  type Reached,
  reach,
} from './worktree-branch.ts'

const details = `
The branch is named for your login and for the git branch of this worktree (a detached worktree's
own name), and made when it is not there yet: of the branch of the git branch that this one was made
from, else of the project's default branch. lakelet.toml at the top of the worktree says more:

  project = "store"                  # else the only one
  source = "parent"                  # or the id of a branch
  env_file = ".env"
  migrate = "alembic upgrade head"   # else what lakelet migrate finds; "none" for nothing
  [[ttl]]
  match = "release/*"                # git branches; the first that fits
  ttl = "none"
  [[ttl]]
  ttl = "6h"
  [env]                              # names of your own
  DATABASE_URL = "url"               # url host port database user password sslmode sslrootcert
                                     # branch branch_expire_time endpoint credential_expire_time`

interface DevFlags {
  readonly project?: string
  readonly source?: string
  readonly ttl?: string
  readonly migrate: boolean
  readonly printName?: boolean
}

export const fillDev: FillCommand = (command, context) => {
  command
    .option('--project <id>', 'id of the project')
    .option('--source <branch>', 'id of the branch to make it from, when it is new')
    .option('--ttl <time>', 'how long it lives, when it is new: 6h, 7d or none')
    .option('--no-migrate', 'do not run migrations')
    .option('--print-name', 'print the id of the branch and do nothing')
    .addHelpText('after', details)
    .action(async (flags: DevFlags) => {
      const { io } = context
      const expiry = flags.ttl === undefined ? undefined : expiryOf(flags.ttl)
      const place = await findPlace(io)
      const { worktree, file } = place
      const server = await reach(command, context)
      if (flags.printName) {
        const { userName } = await server.client.me()
        io.stdout.write(`${branchIdFor(userName, labelOf(worktree))}\n`)
        return
      }
      await serve(command, context, { place, server, isMigrated: flags.migrate }, async (login) => {
        const project = await findProject(server.client, flags.project ?? file.project)
        const wanted = { project, source: flags.source, expiry }
        return findOrMakeBranch(server.client, worktree, file, login, wanted, io)
      })
    })
}

/** `lakelet branch use`: a branch that is there already, in place of the worktree's own. */
export const fillUse: FillCommand = (command, context) => {
  command
    .argument(...branchArgument)
    .option('--no-migrate', 'do not run migrations')
    .addHelpText(
      'after',
      '\nWrites the env file of this git worktree as lakelet dev does. Until the next lakelet dev, lakelet run,\nurl and psql here use this branch.',
    )
    .action(async (text: string, flags: { readonly migrate: boolean }) => {
      const place = await findPlace(context.io)
      const server = await reach(command, context)
      await serve(command, context, { place, server, isMigrated: flags.migrate }, async () => {
        const name = await findBranch(server.client, readTarget(text, {}))
        const branch = await server.client.branches.get(name)
        await bindBranch(server.client, place.worktree, { branch: name, isOwn: false }, context.io)
        return { branch, isNew: false }
      })
    })
}

interface Serving {
  readonly place: Place
  readonly server: Reached
  /** Whether migrations run, where there are any. */
  readonly isMigrated: boolean
}

async function serve(
  command: Command,
  { io }: CommandContext,
  { place, server, isMigrated }: Serving,
  pick: (login: string) => Promise<Found>,
): Promise<void> {
  const { worktree } = place
  const isJson = sharedOptions(command).output === 'json'
  const { found, access, env } = await giveDatabase(place, server, pick, io)
  const line = isMigrated ? await migrate(place, access, io, isJson) : undefined
  const shown = {
    branch: found.branch.name,
    is_new: found.isNew,
    source_branch: found.branch.status?.source_branch,
    expire_time: found.branch.status?.expire_time,
    endpoint: access.endpoint,
    host: access.host,
    port: Number(access.port),
    database: access.database,
    user: access.user,
    env_file: env.path,
    ...(line === undefined ? {} : { migrated: line }),
  }
  if (isJson) return printJson(shown, io)
  if (!found.isNew) noticeEnd(found.branch, io)
  show(found, { ...shown, envFile: relative(io.cwd, env.path) || env.path }, io)
  if (await isSafeFromAdd(worktree, env)) return
  const path = relative(worktree.root, env.path)
  note(`git does not ignore ${path}, which holds a password. Add it to .gitignore.`, io)
}

const expiryOf = (ttl: string) =>
  ttl === 'none' ? ({ no_expiry: true } as const) : { ttl: wireDuration('--ttl', ttl) }

/** The line that ran; `undefined`: there was none. What was found and cannot run is told, and no more. */
async function migrate(
  place: Place,
  access: Given['access'],
  io: CliIo,
  isQuiet: boolean,
): Promise<string | undefined> {
  const migrations = await findMigrations(place, io).catch((error: unknown) => {
    if (!(error instanceof Refusal)) throw error
    note(`${error.message}. ${error.hint ?? ''}`, io)
    return undefined
  })
  if (migrations === undefined) return undefined
  if (migrations.known !== undefined) {
    const session = await openSession(access)
    try {
      const status = await readStatus(migrations, session)
      for (const warning of status === undefined ? [] : warningsOf(status)) note(warning, io)
    } finally {
      await session.close()
    }
  }
  const code = await runMigrations(migrations, access, place.file, io, { isQuiet })
  if (code === 0) return migrations.line
  throw new Refusal(
    `migrations ended with ${code}: ${migrations.line}`,
    'The branch is there and the env file is written: mend them and run lakelet dev again.',
  )
}

interface Shown {
  readonly branch: string
  readonly host: string
  readonly port: number
  readonly database: string
  readonly user: string
  readonly envFile: string
  readonly migrated?: string | undefined
}

function show({ branch, isNew }: Found, shown: Shown, io: CliIo): void {
  const id = shown.branch.slice(shown.branch.lastIndexOf('/') + 1)
  const rows: readonly (readonly [string, string])[] = [
    ['Branch', `${id} (${isNew ? made(branch) : 'was there'}, ${ends(branch)})`],
    ['Postgres', `${shown.host}:${shown.port}, database ${shown.database}, as ${shown.user}`],
    ['Wrote', shown.envFile],
    ...(shown.migrated === undefined ? [] : [['Migrated', shown.migrated] as const]),
    ['Next', `lakelet psql ${shown.branch.split('/')[1]}/${id}`],
  ]
  const { bold } = coloursFor(io.stdout, io)
  for (const [what, text] of rows) io.stdout.write(`${bold(what.padEnd(9))} ${printable(text)}\n`)
}

const made = ({ status }: Branch): string => {
  const source = status?.source_branch
  return source === undefined ? 'new' : `new, of ${source.slice(source.lastIndexOf('/') + 1)}`
}

const ends = ({ status }: Branch): string =>
  status?.expire_time === undefined ? 'never ends' : `ends ${status.expire_time}`
