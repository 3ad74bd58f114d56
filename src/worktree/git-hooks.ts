/**
 * Our lines in a repository's post-checkout hook (https://git-scm.com/docs/githooks), which git also runs after `git worktree add`.
 * The lines start the work in the background and are over in some milliseconds; whatever comes of it, the checkout is done.
 */
import { chmod, mkdir, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { writeDurableFile } from '../lib/durable-file.ts'
import { git, type Worktree } from './git-worktree.ts'
import { WorktreeProblem } from './worktree-problem.ts'

const hook = 'post-checkout'
const firstLine = '# >>> lakelet hooks'
const lastLine = '# <<< lakelet hooks'
/** Below the worktree's own directory of git's. */
export const hookLog = 'lakelet-hook.log'

/** `$3`: 1 when a branch was checked out, 0 for files. Never a way to fail: the last word is true. */
const linesFor = (program: string): string =>
  [
    `${firstLine}: after each checkout the worktree gets its database (lakelet hooks uninstall)`,
    'if [ "$3" = 1 ]; then',
    `  lakelet=$(command -v lakelet || printf %s ${quoted(program)})`,
    '  if [ -x "$lakelet" ]; then',
    `    log=$(git rev-parse --git-dir)/${hookLog}`,
    '    ("$lakelet" dev --no-migrate </dev/null >"$log" 2>&1 &)',
    '  fi',
    'fi || true',
    lastLine,
    '',
  ].join('\n')

export interface HookPlace {
  /** The file that gets our lines. */
  readonly path: string
  /** Who else writes hooks here. */
  readonly manager: 'husky' | 'lefthook' | undefined
}

/** Where git looks (`core.hooksPath` included), or where the repository's manager of hooks does. */
export async function findHook({ root }: Pick<Worktree, 'root'>): Promise<HookPlace> {
  const asked = ['rev-parse', '--path-format=absolute', '--git-path', `hooks/${hook}`]
  const path = (await git(root, asked)).toString('utf8').trimEnd()
  const directory = dirname(path)
  // Husky 9 points git at `.husky/_`, which it makes anew, and runs the files above it.
  if (basename(directory) === '_' && basename(dirname(directory)) === '.husky') {
    return { path: join(dirname(directory), hook), manager: 'husky' }
  }
  const text = await readIfPresent(path)
  return { path, manager: /lefthook/i.test(text ?? '') ? 'lefthook' : undefined }
}

/** Adds our lines, or brings them up to date; everybody else's stay. Answers whether the file changed. */
export async function installHook({ path }: HookPlace, program: string): Promise<boolean> {
  const text = (await readIfPresent(path)) ?? ''
  const shell = /^#!.*\b(sh|bash|dash|zsh|ksh)\b/.test(text)
  if (text.startsWith('#!') && !shell) {
    throw new WorktreeProblem(
      `${path} is not a shell script, so our lines cannot go into it`,
      'Let it run: lakelet dev --no-migrate, in the background.',
    )
  }
  const lines = linesFor(program)
  const kept = withoutOurs(text)
  // First, as a hook that ends early would end before ours.
  const head = /^#!.*(?:\n|$)/.exec(kept)?.[0] ?? ''
  const rest = kept.slice(head.length)
  const next = `${head === '' ? '#!/bin/sh\n' : withNewline(head)}${lines}${rest}`
  if (next === text) return false
  await write(path, next)
  return true
}

/** Takes our lines out again; answers whether there were any. */
export async function uninstallHook({ path }: HookPlace): Promise<boolean> {
  const text = await readIfPresent(path)
  if (text === undefined || !text.includes(firstLine)) return false
  await write(path, withoutOurs(text))
  return true
}

export const isInstalled = async ({ path }: HookPlace): Promise<boolean> =>
  ((await readIfPresent(path)) ?? '').includes(firstLine)

function withoutOurs(text: string): string {
  const start = text.indexOf(firstLine)
  if (start === -1) return text
  const end = text.indexOf(lastLine, start)
  if (end === -1) {
    throw new WorktreeProblem(
      'the last of our lines is missing in the hook, so where they end is unknown',
      `Remove them by hand: they begin with ${JSON.stringify(firstLine)}.`,
    )
  }
  const after = text.indexOf('\n', end)
  return text.slice(0, start) + (after === -1 ? '' : text.slice(after + 1))
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeDurableFile(path, text, 0o755)
  await chmod(path, 0o755) // whatever the umask: git passes over hooks that cannot be run
}

async function readIfPresent(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

const withNewline = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`)
const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
