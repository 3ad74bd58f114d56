/**
 * The file that a worktree's programs read their database from. It holds a password, so it is never one that git
 * keeps, never one that another worktree shares, and nobody else may read it.
 */
import { lstat, readFile, readlink } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { writeDurableFile } from '../lib/durable-file.ts'
import { type Block, placeBlock, readBlock } from './env-block.ts'
import { isIgnored, isTracked, type Worktree, worktreeKey } from './git-worktree.ts'
import type { ProjectFile } from './project-file.ts'
import { WorktreeProblem } from './worktree-problem.ts'

export interface EnvFile {
  readonly path: string
  readonly text: string
}

const another = 'Name another file in lakelet.toml, as env_file.'

/** What is there, perhaps nothing. Throws WorktreeProblem for what must not be written to. */
export async function openEnvFile(
  worktree: Worktree,
  { directory, env_file }: Pick<ProjectFile, 'directory' | 'env_file'>,
): Promise<EnvFile> {
  const path = join(directory, env_file)
  const shown = relative(worktree.root, path)
  if (await isTracked(worktree, path)) {
    throw new WorktreeProblem(
      `git keeps ${shown}: a password written into it would be committed`,
      `Take it out (git rm --cached ${shown}) and add it to .gitignore, or: ${another}`,
    )
  }
  const seen = await lstat(path).catch(() => undefined)
  if (seen?.isSymbolicLink()) {
    throw new WorktreeProblem(
      `${shown} is a link to ${await readlink(path)}, so whoever it belongs to would get this worktree's database`,
      `Make it a file of its own. ${another}`,
    )
  }
  if (seen !== undefined && !seen.isFile()) {
    throw new WorktreeProblem(`${shown} is not a file`, another)
  }
  return { path, text: await readText(worktree, path) }
}

/** Empty when it is not there. */
async function readText({ root }: Worktree, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
    if (code === 'ENOENT') return ''
    throw new WorktreeProblem(
      `${relative(root, path)} cannot be read (${code})`,
      `Mend its rights. ${another}`,
    )
  }
}

/** Replaces our block and keeps the rest; 0600, whatever it was. */
export async function writeEnvFile(
  { path, text }: EnvFile,
  worktree: Worktree,
  { branch, values }: Pick<Block, 'branch' | 'values'>,
): Promise<void> {
  const block = { key: worktreeKey(worktree), branch, values }
  await writeDurableFile(path, placeBlock(text, block), 0o600)
}

export const isSafeFromAdd = (worktree: Worktree, { path }: EnvFile): Promise<boolean> =>
  isIgnored(worktree, path)

/**
 * What an earlier `lakelet dev` wrote here; `undefined`: nothing. Throws WorktreeProblem for a file that
 * cannot be read, or that was copied from another worktree, whose database it names.
 */
export async function readOwnBlock(
  worktree: Worktree,
  { directory, env_file }: Pick<ProjectFile, 'directory' | 'env_file'>,
): Promise<Block | undefined> {
  const path = join(directory, env_file)
  const block = readBlock(await readText(worktree, path))
  if (block === undefined || block.key === worktreeKey(worktree)) return block
  throw new WorktreeProblem(
    `${relative(worktree.root, path)} was written for another worktree and copied here: it names ${block.branch}`,
    'Give this worktree its own: lakelet dev',
  )
}
