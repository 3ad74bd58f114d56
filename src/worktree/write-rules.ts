/** Files of a project that people write in as well: what a change to one of them would be, and the change. */
import { chmod, lstat, mkdir, readFile, realpath } from 'node:fs/promises'
import { dirname } from 'node:path'
import { writeDurableFile } from '../lib/durable-file.ts'
import { withBlock } from './marked-block.ts'
import { WorktreeProblem } from './worktree-problem.ts'

export interface Change {
  readonly path: string
  readonly does: 'create' | 'change' | 'nothing'
  /** Each character is one byte, so that bytes that are no UTF-8 stay what they are. */
  readonly text: string
  readonly mode: number
}

/** Pure of writes. `undefined`: it is a link to one of the `others`, which gets the rules itself. Throws WorktreeProblem. */
export async function planRules(
  path: string,
  {
    head,
    rules,
    others,
  }: { readonly head: string; readonly rules: string; readonly others: readonly string[] },
): Promise<Change | undefined> {
  const seen = await lstat(path).catch(() => undefined)
  if (seen?.isSymbolicLink()) {
    const target = await realpath(path).catch(() => undefined)
    if (target !== undefined && others.includes(target)) return undefined
    throw new WorktreeProblem(
      `${path} is a link to ${target ?? 'nothing'}, which is not ours to write`,
      'Make it a file, or a link to AGENTS.md beside it.',
    )
  }
  if (seen === undefined) {
    const text = withBlock('', bytes(rules)) ?? ''
    return { path, does: 'create', text: bytes(head) + text, mode: 0o644 }
  }
  if (!seen.isFile()) throw new WorktreeProblem(`${path} is not a file`, 'Move it out of the way.')
  const text = await readFile(path, 'latin1')
  if (text.includes('\0')) {
    throw new WorktreeProblem(`${path} is no text of UTF-8`, 'Save it as UTF-8.')
  }
  const next = withBlock(text, bytes(rules))
  if (next === undefined) {
    throw new WorktreeProblem(
      `the last of our lines is missing in ${path}, so where they end is unknown`,
      'Remove them by hand: they begin with "<!-- >>> lakelet init".',
    )
  }
  return { path, does: next === text ? 'nothing' : 'change', text: next, mode: seen.mode & 0o777 }
}

/** A file that is there is left as it is. */
export async function planNewFile(path: string, text: string): Promise<Change> {
  const seen = await lstat(path).catch(() => undefined)
  return { path, does: seen === undefined ? 'create' : 'nothing', text: bytes(text), mode: 0o644 }
}

/** Whole or not at all; the file's rights stay. */
export async function apply({ path, does, text, mode }: Change): Promise<void> {
  if (does === 'nothing') return
  await mkdir(dirname(path), { recursive: true })
  await writeDurableFile(path, Buffer.from(text, 'latin1'), mode)
  if (does === 'change') await chmod(path, mode) // whatever the umask
}

const bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
