/**
 * What a branch that a worktree uses belongs to, told so that it can be looked for later on this machine
 * (`left-overs.ts`), and seen by people.
 */
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { hostname } from 'node:os'
import { CommandFailed } from '../lib/subprocess.ts'
import { git, type Worktree } from './git-worktree.ts'

/** As the API takes it. */
export interface BoundTo {
  readonly host: string
  readonly git_dir: string
  readonly common_dir: string
  readonly root: string
  readonly device: string
  readonly root_device: string
  readonly git_ref?: string
  readonly commit?: string
  readonly repository?: string
  readonly pull_request?: string
  readonly agent?: string
  readonly process?: string
}

type Environment = Readonly<Record<string, string | undefined>>

export async function boundTo(
  worktree: Worktree,
  {
    env,
    agent,
    pid,
  }: {
    readonly env: Environment
    readonly agent: string | undefined
    /** Of a program that works with the branch. */
    readonly pid?: number | undefined
  },
): Promise<BoundTo> {
  const { root, gitDir, commonDir, head } = worktree
  const [host, common, files, commit, remote, process] = await Promise.all([
    hostId(),
    stat(commonDir),
    stat(root),
    said(root, ['rev-parse', '--verify', '--quiet', 'HEAD']),
    said(root, ['config', '--get', 'remote.origin.url']),
    pid === undefined ? undefined : processId(pid),
  ])
  const pullRequest = pullRequestOf(env)
  return {
    host,
    git_dir: gitDir,
    common_dir: commonDir,
    root,
    device: String(common.dev),
    root_device: String(files.dev),
    // One that is not born yet is in no list of refs.
    ...(head.kind === 'branch' && commit !== undefined
      ? { git_ref: `refs/heads/${head.name.toString('utf8')}` }
      : {}),
    ...(commit === undefined ? {} : { commit }),
    ...(remote === undefined ? {} : { repository: withoutSecrets(remote) }),
    ...(pullRequest === undefined ? {} : { pull_request: pullRequest }),
    ...(agent === undefined ? {} : { agent }),
    ...(process === undefined ? {} : { process }),
  }
}

async function said(root: string, args: readonly string[]): Promise<string | undefined> {
  try {
    const text = (await git(root, args)).toString('utf8').trim()
    return text === '' ? undefined : text
  } catch (error) {
    if (error instanceof CommandFailed) return undefined
    throw error
  }
}

/** A remote may hold a token: `https://user:token@host/path`. Those of ssh (`git@host:path`) name a user alone. */
export function withoutSecrets(remote: string): string {
  if (!URL.canParse(remote)) return remote.slice(0, 400)
  const url = new URL(remote)
  url.username = ''
  url.password = ''
  url.search = ''
  url.hash = ''
  return url.href.slice(0, 400)
}

/**
 * Tells this machine from every other one, `HOSTNAME/HASH`: by its name and its machine-id, where it is a container also
 * by its own layer of files, since images carry machine-ids and names are given twice. A machine that is renamed is another
 * one: what was bound there is not looked for any more.
 */
export async function hostId(): Promise<string> {
  const name = hostname()
  const parts = [name, await machineId(), layerOf(await textOf('/proc/self/mountinfo'))]
  const hash = createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 12)
  return `${name.slice(0, 100)}/${hash}`
}

/** https://www.freedesktop.org/software/systemd/man/latest/machine-id.html */
async function machineId(): Promise<string> {
  return (await textOf('/etc/machine-id')) || (await textOf('/var/lib/dbus/machine-id'))
}

/** `upperdir` of an overlay on `/`: https://docs.kernel.org/filesystems/overlayfs.html; of anything else nothing. */
export function layerOf(mountinfo: string): string {
  const root = mountinfo.split('\n').filter((line) => line.split(' ')[4] === '/')
  const [, options = ''] = / - overlay \S+ (\S+)/.exec(root.at(-1) ?? '') ?? []
  return /(?:^|,)upperdir=([^,]+)/.exec(options)?.[1] ?? ''
}

const textOf = async (path: string): Promise<string> =>
  (await readFile(path, 'utf8').catch(() => '')).trim()

/**
 * `PID:START:BOOT`: with the moment of its start (field 22 of /proc/PID/stat) and the boot that it belongs to, since pids are
 * given anew. `undefined`: there is none, or no /proc.
 */
export async function processId(pid: number): Promise<string | undefined> {
  const line = await textOf(`/proc/${pid}/stat`)
  const boot = await textOf('/proc/sys/kernel/random/boot_id')
  // The command's name, in parentheses, may hold anything; the fields begin after its end.
  const [state, ...fields] = line.slice(line.lastIndexOf(')') + 2).split(' ')
  const start = fields[18]
  if (start === undefined || boot === '' || state === 'Z') return undefined
  return `${pid}:${start}:${boot}`
}

/** Whether that very program still runs. */
export async function isAlive(process: string): Promise<boolean> {
  const pid = Number(/^(\d{1,10}):/.exec(process)?.[1])
  return Number.isSafeInteger(pid) && (await processId(pid)) === process
}

/**
 * Web address of the pull or merge request that CI runs for: `LAKELET_PULL_REQUEST`, else as GitHub Actions
 * (https://docs.github.com/actions/reference/variables-reference) and GitLab CI
 * (https://docs.gitlab.com/ci/variables/predefined_variables/) tell it.
 */
export function pullRequestOf(env: Environment): string | undefined {
  if (env.LAKELET_PULL_REQUEST) return env.LAKELET_PULL_REQUEST.slice(0, 400)
  const number = /^refs\/pull\/(\d+)\//.exec(env.GITHUB_REF ?? '')?.[1]
  if (number !== undefined && env.GITHUB_SERVER_URL && env.GITHUB_REPOSITORY) {
    return `${env.GITHUB_SERVER_URL}/${env.GITHUB_REPOSITORY}/pull/${number}`
  }
  const { CI_MERGE_REQUEST_PROJECT_URL: project, CI_MERGE_REQUEST_IID: iid } = env
  return project && iid ? `${project}/-/merge_requests/${iid}` : undefined
}
