/**
 * What git says of the directory that a command was called in: https://git-scm.com/docs/gitglossary, “worktree”. Read
 * only; names of branches are bytes to git, so they are kept as bytes until they are shown.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import { CommandFailed, runForBytes } from '../lib/subprocess.ts'
import { WorktreeProblem } from './worktree-problem.ts'

export type Head =
  | { readonly kind: 'branch'; readonly name: Buffer }
  /** `commit`: 12 digits; `undefined`: none yet. */
  | { readonly kind: 'detached'; readonly commit: string | undefined }

export interface Worktree {
  /** Its top directory. */
  readonly root: string
  /** Its own directory of git's: tells worktrees of one repository apart, and outlives their commits. */
  readonly gitDir: string
  /** The repository's directory of git's: `gitDir` itself in the main worktree. */
  readonly commonDir: string
  /** Made by `git worktree add`. */
  readonly isLinked: boolean
  readonly head: Head
}

/** Throws WorktreeProblem: no git, no repository, a bare one, or inside of `.git` itself. */
export async function findWorktree(directory: string): Promise<Worktree> {
  const [isBare, gitDir = '', commonDir = ''] = await about(directory)
  if (isBare === 'true') {
    throw new WorktreeProblem(
      `${directory} is in a bare repository, which has no files to work on`,
      'Make a worktree of it with: git worktree add',
      true,
    )
  }
  const root = await top(directory, gitDir)
  return { root, gitDir, commonDir, isLinked: gitDir !== commonDir, head: await readHead(root) }
}

/** The repository's directory of git's, of a bare one too. Throws WorktreeProblem: no git, no repository. */
export async function findRepository(directory: string): Promise<string> {
  const [, , commonDir = ''] = await about(directory)
  return commonDir
}

async function about(directory: string): Promise<readonly string[]> {
  const asked = ['--is-bare-repository', '--path-format=absolute', '--git-dir', '--git-common-dir']
  try {
    return lines(await git(directory, ['rev-parse', ...asked]))
  } catch (error) {
    if (error instanceof CommandFailed && /not a git repository/i.test(error.stderr)) {
      throw new WorktreeProblem(
        `${directory} is not in a git repository, after whose branch yours would be named`,
        'Go to one, or make one with: git init',
        true,
      )
    }
    if (error instanceof CommandFailed && /dubious ownership/.test(error.stderr)) {
      throw new WorktreeProblem(
        `git does not trust ${directory}: it belongs to somebody else`,
        `Say that you do: git config --global --add safe.directory ${directory}`,
      )
    }
    throw error
  }
}

async function top(directory: string, gitDir: string): Promise<string> {
  try {
    const [root = ''] = lines(
      await git(directory, ['rev-parse', '--path-format=absolute', '--show-toplevel']),
    )
    return root
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    throw new WorktreeProblem(
      `${directory} is inside of ${gitDir}, which is git's own`,
      'Go to the worktree itself.',
      true,
    )
  }
}

async function readHead(root: string): Promise<Head> {
  const name = await branchOf(root)
  if (name !== undefined) return { kind: 'branch', name }
  try {
    const [commit] = lines(await git(root, ['rev-parse', '--short=12', 'HEAD']))
    return { kind: 'detached', commit }
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error
    return { kind: 'detached', commit: undefined }
  }
}

async function branchOf(root: string): Promise<Buffer | undefined> {
  try {
    const ref = trimmed(await git(root, ['symbolic-ref', '--quiet', 'HEAD']))
    const heads = Buffer.from('refs/heads/')
    return ref.subarray(0, heads.length).equals(heads) ? ref.subarray(heads.length) : ref
  } catch (error) {
    if (error instanceof CommandFailed && error.exitCode === 1) return undefined
    throw error
  }
}

/** What a branch is named for: a text that tells it from every other one, and one to be read. */
export interface Label {
  readonly identity: Buffer
  readonly text: string
}

/** By its git branch; a detached worktree by its place, so that an agent that commits keeps its database. */
export function labelOf({ head, isLinked, gitDir, root }: Worktree): Label {
  if (head.kind === 'branch') return branchLabel(head.name)
  if (isLinked) return { identity: Buffer.from(`worktree ${gitDir}`), text: basename(gitDir) }
  if (head.commit === undefined) {
    throw new WorktreeProblem(
      `${root} has no commit yet and is on no branch`,
      'Commit something, or go to a branch: git switch -c NAME',
    )
  }
  return { identity: Buffer.from(`commit ${head.commit}`), text: `at-${head.commit}` }
}

export const branchLabel = (name: Buffer): Label => ({
  identity: Buffer.concat([Buffer.from('branch '), name]),
  text: name.toString('utf8'),
})

/** Tells this worktree from every other one, copies of it included. */
export const worktreeKey = ({ gitDir }: Pick<Worktree, 'gitDir'>): string =>
  createHash('sha256').update(gitDir).digest('hex').slice(0, 16)

/**
 * The git branch that this one was made from, as the reflogs of both remember; `undefined`: nobody knows, or it
 * was no branch.
 */
export async function parentBranch(worktree: Worktree): Promise<Buffer | undefined> {
  const { root, head } = worktree
  if (head.kind !== 'branch') return undefined
  const name = head.name.toString('latin1')
  const made = (await reflog(root, `refs/heads/${name}`)).at(-1) ?? ''
  const from = /^branch: Created from (.+)$/.exec(made)?.[1]
  const named = from === 'HEAD' ? await leftFor(root, name) : from
  const parent = named?.replace(/^refs\/heads\//, '').replace(/^(refs\/remotes\/)?origin\//, '')
  if (parent === undefined || parent === name || parent === 'HEAD') return undefined
  return Buffer.from(parent, 'latin1')
}

/** Which branch was checked out when this one was first gone to. */
async function leftFor(root: string, name: string): Promise<string | undefined> {
  const moves = (await reflog(root, 'HEAD')).flatMap((line) => {
    const match = /^checkout: moving from (.+) to (.+)$/.exec(line)
    return match?.[2] === name && match[1] !== undefined ? [match[1]] : []
  })
  return moves.at(-1)
}

/** Newest first, in latin1, which keeps every byte. */
async function reflog(root: string, ref: string): Promise<readonly string[]> {
  try {
    const said = await git(root, [
      'reflog',
      'show',
      '--format=%gs',
      Buffer.from(ref, 'latin1').toString(),
      '--',
    ])
    return said.toString('latin1').split('\n').filter(Boolean)
  } catch (error) {
    if (error instanceof CommandFailed) return [] // no reflog: it is kept for branches of worktrees alone
    throw error
  }
}

/** Whether git keeps this file: what is written into it would be committed. */
export async function isTracked({ root }: Worktree, path: string): Promise<boolean> {
  return (await git(root, ['ls-files', '-z', '--', path])).length > 0
}

/** Whether `git add .` passes it over. */
export async function isIgnored({ root }: Worktree, path: string): Promise<boolean> {
  try {
    await git(root, ['check-ignore', '--quiet', '--', path])
    return true
  } catch (error) {
    if (error instanceof CommandFailed) return false
    throw error
  }
}

/** What git says. A hook of another repository may have named that one in its environment: the directory alone counts. */
export async function git(directory: string, args: readonly string[]): Promise<Buffer> {
  try {
    return await runForBytes('git', ['-C', directory, ...args], { without: ofOneRepository })
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      throw new WorktreeProblem('git is not installed: it is not on your PATH', 'Install it.', true)
    }
    throw error
  }
}

/** `git rev-parse --local-env-vars`. */
export const ofOneRepository = [
  'GIT_ALTERNATE_OBJECT_DIRECTORIES',
  'GIT_CONFIG',
  'GIT_CONFIG_PARAMETERS',
  'GIT_CONFIG_COUNT',
  'GIT_OBJECT_DIRECTORY',
  'GIT_DIR',
  'GIT_WORK_TREE',
  'GIT_IMPLICIT_WORK_TREE',
  'GIT_GRAFT_FILE',
  'GIT_INDEX_FILE',
  'GIT_NO_REPLACE_OBJECTS',
  'GIT_REPLACE_REF_BASE',
  'GIT_PREFIX',
  'GIT_SHALLOW_FILE',
  'GIT_COMMON_DIR',
]

/** Whether another branch has been checked out since. */
export async function hasMoved({ root, head }: Worktree): Promise<boolean> {
  const now = await readHead(root)
  if (head.kind === 'detached' || now.kind === 'detached') return now.kind !== head.kind
  return !now.name.equals(head.name)
}

const trimmed = (said: Buffer): Buffer =>
  said.at(-1) === 0x0a ? said.subarray(0, said.length - 1) : said
const lines = (said: Buffer): readonly string[] => trimmed(said).toString('utf8').split('\n')
