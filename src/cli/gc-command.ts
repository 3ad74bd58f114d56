/**
 * `lakelet gc`: asks the repositories of this machine which worktrees, git branches and pull requests are left, tells the
 * server, and deletes the branches of which nothing is.
 */
import { ApiError } from '../client/api-error.ts'
import type { LakeletClient } from '../client/lakelet-client.ts'
import type { Binding, CollectPlan } from '../client/resources.ts'
import { humanDurationForms, parseHumanDuration, toWireDuration } from '../lib/human-duration.ts'
import { hostId } from '../worktree/bound-to.ts'
import { findRepository } from '../worktree/git-worktree.ts'
import { type Found, findLeftOvers } from '../worktree/left-overs.ts'
import { pullRequestAsker } from '../worktree/pull-request.ts'
import { clientOf, type FillCommand, sharedOptions } from './command-context.ts'
import { withoutBindings } from './narrower-contract.ts'
import { findProject } from './psql-target.ts'
import { Refusal } from './refusal.ts'
import { type CliIo, printable, printJson } from './terminal.ts'

const details = `
A branch that lakelet dev made goes when its worktree, its git branch or its pull request is gone, and no other
worktree has it. What cannot be read, or is on a disk that is not mounted, counts as there. Protected and default
branches and those that have children stay. The server does the same by itself where it may read the directories.
Pull requests of GitHub and GitLab are asked for with GITHUB_TOKEN or GITLAB_TOKEN, if there is one.

Examples:
  lakelet gc --dry-run
  lakelet gc --all --grace 0`

interface GcFlags {
  readonly all?: boolean
  readonly project?: string
  readonly dryRun?: boolean
  readonly grace?: string
}

/** What became of a branch. */
interface Line {
  readonly branch: string
  readonly act: 'deleted' | 'would delete' | 'waits' | 'kept' | 'there'
  readonly why: string
}

/** Bindings that one request tells of, and deletes that are under way at once. */
const most = 500
const lanes = 8

export const fillGc: FillCommand = (command, context) => {
  const { io } = context
  command
    .option('--all', 'of all repositories of this machine, not only of this one')
    .option('--project <id>', 'of this project alone')
    .option('--grace <time>', "how long it must have been gone: 0, 30m, 1d; default: the server's")
    .option('--dry-run', 'say what would be deleted, and change nothing')
    .addHelpText('after', details)
    .action(async (flags: GcFlags) => {
      const grace = flags.grace === undefined ? {} : { grace: lengthOf(flags.grace) }
      const repository = flags.all === true ? undefined : await findRepository(io.cwd)
      const client = await clientOf(command, context)
      const lines: Line[] = []
      const done = await collect(client, { ...flags, grace, repository }, lines, io).then(
        () => undefined,
        (error: unknown) => ({ error }),
      )
      if (sharedOptions(command).output === 'json') printJson({ branches: lines }, io)
      else show(lines, io)
      if (done !== undefined) throw done.error // what was deleted by then has been said
    })
}

function lengthOf(grace: string): string {
  const length = parseHumanDuration(grace)
  if (length !== undefined) return toWireDuration(length)
  throw new Refusal(`--grace: ${JSON.stringify(grace)} is neither 0 nor ${humanDurationForms}`)
}

interface Asked extends Pick<GcFlags, 'project' | 'dryRun'> {
  readonly grace: { readonly grace?: string }
  /** Its directory of git's; `undefined`: all. */
  readonly repository: string | undefined
}

async function collect(
  client: LakeletClient,
  { project, dryRun = false, grace, repository }: Asked,
  lines: Line[],
  { env }: CliIo,
): Promise<void> {
  const host = await hostId()
  const ask = pullRequestAsker(env)
  // All lists before the first delete: one that breaks off half-way deletes nothing.
  const bindings = new Map<string, readonly Binding[]>()
  for (const name of await projectsOf(client, project)) {
    const all = await bindingsOf(client, name, host, project !== undefined)
    const ours = all.filter(
      ({ common_dir }) => repository === undefined || common_dir === repository,
    )
    if (ours.length > 0) bindings.set(name, ours)
  }
  for (const [name, ours] of bindings) {
    const found = await findLeftOvers(ours.map(soughtOf), ask)
    for (const part of parts(ours.map((binding, at) => ({ binding, found: found[at] })))) {
      const { branches = [] } = await client.noteFindings(name, {
        findings: part.map(({ binding, found: what = 'UNKNOWN' }) => ({
          binding: binding.uid,
          update_time: binding.update_time,
          found: what,
        })),
        ...grace,
        dry_run: dryRun,
      })
      await follow(client, branches, { grace, dryRun, part }, lines)
    }
  }
}

async function projectsOf(
  client: LakeletClient,
  project: string | undefined,
): Promise<readonly string[]> {
  if (project !== undefined) return [await findProject(client, project)]
  const names: string[] = []
  for await (const { name } of client.projects.list('')) names.push(name)
  return names
}

/** Of a project that was not asked for by name, only where the caller may know. */
async function bindingsOf(
  client: LakeletClient,
  project: string,
  host: string,
  isAskedFor: boolean,
): Promise<readonly Binding[]> {
  const bindings: Binding[] = []
  try {
    for await (const binding of client.listBindings(project, host)) bindings.push(binding)
    return bindings
  } catch (error) {
    if (!(error instanceof ApiError)) throw error
    if (error.status === 403 && !isAskedFor) return []
    throw withoutBindings(error, client.host)
  }
}

const soughtOf = (binding: Binding) => ({
  gitDir: binding.git_dir,
  commonDir: binding.common_dir,
  root: binding.root,
  device: binding.device,
  rootDevice: binding.root_device,
  ...(binding.git_ref === undefined ? {} : { gitRef: binding.git_ref }),
  ...(binding.pull_request === undefined ? {} : { pullRequest: binding.pull_request }),
  ...(binding.process === undefined ? {} : { process: binding.process }),
})

interface Seen {
  readonly binding: Binding
  readonly found: Found | undefined
}

/** What one request tells of: all bindings of a branch together, since they are judged together. */
function* parts(all: readonly Seen[]): Generator<readonly Seen[]> {
  let part: Seen[] = []
  for (const each of all) {
    const isNext = part.at(-1)?.binding.branch !== each.binding.branch
    if (part.length >= most && isNext) {
      yield part
      part = []
    }
    part.push(each)
  }
  if (part.length > 0) yield part
}

/** Deletes what is to go; the first refusal that is no matter of this one branch ends it. */
async function follow(
  client: LakeletClient,
  plans: readonly CollectPlan[],
  {
    grace,
    dryRun,
    part,
  }: Pick<Asked, 'grace'> & { readonly dryRun: boolean; readonly part: readonly Seen[] },
  lines: Line[],
): Promise<void> {
  const left = [...plans]
  const lane = async () => {
    for (let plan = left.shift(); plan !== undefined; plan = left.shift()) {
      const { branch, act, because } = plan
      const add = (what: Line['act'], why: string) => lines.push({ branch, act: what, why })
      if (act === 'wait') add('waits', `${sayGone(plan, part)}; until ${plan.collect_time}`)
      else if (act === 'keep') {
        add(because === 'BOUND' ? 'there' : 'kept', plan.problem ?? because)
      } else if (dryRun) add('would delete', sayGone(plan, part))
      else {
        try {
          await client.act(branch, 'collect', grace)
          add('deleted', sayGone(plan, part))
        } catch (error) {
          const isOfThis = error instanceof ApiError && [400, 404, 409].includes(error.status)
          if (!isOfThis) {
            left.length = 0
            throw error
          }
          add('kept', error.message)
        }
      }
    }
  }
  const ends = await Promise.allSettled(Array.from({ length: lanes }, lane))
  for (const end of ends) if (end.status === 'rejected') throw end.reason
}

function sayGone({ branch, because }: CollectPlan, part: readonly Seen[]): string {
  const { root, git_ref, pull_request } =
    part.find(({ binding, found }) => binding.branch === branch && found === because)?.binding ?? {}
  if (because === 'REF_GONE')
    return `its git branch is gone: ${git_ref?.replace('refs/heads/', '')}`
  if (because === 'PULL_REQUEST_GONE') return `its pull request is closed: ${pull_request}`
  return `its worktree is gone: ${root}`
}

const titles: Readonly<Record<Exclude<Line['act'], 'there'>, string>> = {
  deleted: 'Deleted',
  'would delete': 'Would delete',
  waits: 'Waits',
  kept: 'Kept',
}

function show(lines: readonly Line[], io: CliIo): void {
  const there = lines.filter(({ act }) => act === 'there').length
  for (const { act, branch, why } of lines) {
    if (act === 'there') continue
    const [, project, , id] = branch.split('/')
    io.stdout.write(`${titles[act].padEnd(12)} ${printable(`${project}/${id}  ${why}`)}\n`)
  }
  io.stdout.write(
    `${some(there, 'branch')} of ${there === 1 ? 'a worktree' : 'worktrees'} that ${there === 1 ? 'is' : 'are'} there.\n`,
  )
  const [first] = lines.filter(({ act }) => act === 'deleted')
  if (first === undefined) return
  io.stdout.write(
    `To bring one back: lakelet postgres undelete-branch ${printable(first.branch)}\n`,
  )
}

const some = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 'es'}`
