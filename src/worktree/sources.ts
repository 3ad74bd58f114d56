/** The files of a project as git sees them: what it keeps and what it would add, never what it ignores. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { git } from './git-worktree.ts'

export interface Sources {
  /** Relative to the project's directory, with `/`, sorted. */
  readonly paths: readonly string[]
  /** Text of one of them; empty when it cannot be read. */
  read(path: string): string
}

/** Throws WorktreeProblem when git is not there. */
export async function openSources(directory: string): Promise<Sources> {
  const list = async (...which: string[]) =>
    (await git(directory, ['ls-files', '-z', ...which])).toString('utf8').split('\0')
  const deleted = new Set(await list('--deleted'))
  const present = await list('--cached', '--others', '--exclude-standard')
  return {
    paths: [...new Set(present)].filter((path) => path !== '' && !deleted.has(path)).sort(),
    read: (path) => {
      try {
        return readFileSync(join(directory, path), 'utf8')
      } catch {
        return '' // a submodule, a link to nowhere, closed to us
      }
    },
  }
}
