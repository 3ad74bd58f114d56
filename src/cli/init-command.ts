/** `lakelet init`: what a repository needs so that people and coding agents use Lakelet in it: `lakelet.toml` and rules for agents. Again is no harm. */
import { join, relative } from 'node:path'
import type { Command } from 'commander'
import { ConnectionFailed } from '../client/api-error.ts'
import { agentRules, rulesFiles } from '../worktree/agent-rules.ts'
import { isIgnored } from '../worktree/git-worktree.ts'
import { projectFileName } from '../worktree/project-file.ts'
import { apply, type Change, planNewFile, planRules } from '../worktree/write-rules.ts'
import { type CommandContext, type FillCommand, sharedOptions } from './command-context.ts'
import { Refusal } from './refusal.ts'
import { coloursFor, printJson } from './terminal.ts'
import { findPlace, reach } from './worktree-branch.ts'

const details = `
Writes lakelet.toml where there is none, and rules for coding agents into ${rulesFiles.map(({ path }) => path).join(', ')}:
between two marks; the rest of these files stays as it is. Everything goes beside the lakelet.toml that counts here,
else into the directory that you are in. Commit what it wrote.`

interface InitFlags {
  readonly project?: string
  readonly dryRun?: true
}

export const fillInit: FillCommand = (command, context) => {
  command
    .option('--project <id>', 'id of the project, for a new lakelet.toml; default: the only one')
    .option('--dry-run', 'say what would be written, and write nothing')
    .addHelpText('after', details)
    .action((flags: InitFlags) => init(command, context, flags))
}

async function init(
  command: Command,
  context: CommandContext,
  { project: named, dryRun }: InitFlags,
): Promise<void> {
  const { io } = context
  const { worktree, file } = await findPlace(io)
  if (named !== undefined && !/^[a-z][a-z0-9-]{0,62}$/.test(named)) {
    throw new Refusal(`--project: ${JSON.stringify(named)} is no id of a project`)
  }
  if (named !== undefined && file.path !== undefined && file.project !== named) {
    throw new Refusal(
      `${file.path} is there, and it is yours`,
      `Write project = "${named}" into it.`,
    )
  }
  const directory = file.path === undefined ? io.cwd : file.directory
  const project =
    file.path === undefined ? (named ?? (await onlyProject(command, context))) : file.project
  const rules = agentRules({ ...file, project })
  const paths = rulesFiles.map(({ path }) => join(directory, path))
  const plans = [
    await planNewFile(join(directory, projectFileName), newProjectFile(project)),
    ...(await Promise.all(
      rulesFiles.map(({ head }, at) => planRules(paths[at] ?? '', { head, rules, others: paths })),
    )),
  ]
  const changes = plans.filter((change) => change !== undefined)
  if (dryRun !== true) for (const change of changes) await apply(change)
  const shown = changes.map(({ path, does }) => ({ path: relative(io.cwd, path), does }))
  if (sharedOptions(command).output === 'json') return printJson({ files: shown }, io)
  for (const { path, does } of shown) {
    io.stdout.write(
      `${(dryRun === true ? would : did)[does].padEnd(dryRun === true ? 12 : 10)} ${path}\n`,
    )
  }
  const env = join(directory, file.env_file)
  if (await isIgnored(worktree, env)) return
  const { yellow } = coloursFor(io.stderr, io)
  io.stderr.write(
    `${yellow('Note:')} git does not ignore ${relative(io.cwd, env)}, which will hold a password. Add it to .gitignore.\n`,
  )
}

const did: Readonly<Record<Change['does'], string>> = {
  create: 'Wrote',
  change: 'Changed',
  nothing: 'As it was',
}
const would: Readonly<Record<Change['does'], string>> = {
  create: 'Would write',
  change: 'Would change',
  nothing: 'Is as wanted',
}

/** Id of the only project there is; `undefined` when there are several, or nobody to ask. */
async function onlyProject(command: Command, context: CommandContext): Promise<string | undefined> {
  try {
    const { client } = await reach(command, context)
    const names: string[] = []
    for await (const { name } of client.projects.list('')) names.push(name)
    return names.length === 1 ? names[0]?.replace('projects/', '') : undefined
  } catch (error) {
    if (error instanceof Refusal || error instanceof ConnectionFailed) return undefined
    throw error
  }
}

const newProjectFile = (project: string | undefined): string =>
  `# Which database the worktrees of this repository get: lakelet dev. Holds no secrets: commit it.
${project === undefined ? '# project = "store"                    # else the only one' : `project = "${project}"`}
# source = "parent"                    # or the id of a branch to begin from
# env_file = ".env"
# migrate = "alembic upgrade head"     # run by lakelet dev

[[ttl]]
ttl = "6h"                             # how long a new branch lives
`
