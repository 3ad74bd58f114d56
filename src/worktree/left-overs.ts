/**
 * Whether what branches are bound to is still there, by the repositories of this machine. Absence is proven, never
 * assumed: the directory above must be readable and lie on the same file system as before, and git's list must come
 * without a word of complaint. Whatever cannot be read, belongs to others or is not mounted is UNKNOWN.
 */
import { lstat, opendir, readFile, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { runForBytes } from '../lib/subprocess.ts'
import { seconds } from '../lib/time.ts'
import { isAlive } from './bound-to.ts'
import { ofOneRepository } from './git-worktree.ts'

/** What it takes to look for it. */
export interface Sought {
  readonly gitDir: string
  readonly commonDir: string
  readonly root: string
  readonly device: string
  readonly rootDevice: string
  readonly gitRef?: string
  readonly pullRequest?: string
  readonly process?: string
}

export type Found = 'THERE' | 'WORKTREE_GONE' | 'REF_GONE' | 'PULL_REQUEST_GONE' | 'UNKNOWN'

/** `gone`: closed or merged. */
export type AskPullRequest = (url: string) => Promise<'there' | 'gone' | 'unknown'>

/** Repositories that are looked at side by side. */
const lanes = 4

/** In the order asked. Never throws. `ask`: default: nobody knows of pull requests. */
export async function findLeftOvers(
  sought: readonly Sought[],
  ask: AskPullRequest = async () => 'unknown',
): Promise<readonly Found[]> {
  const found = new Map<Sought, Found>()
  const repositories = new Map<string, Sought[]>()
  for (const each of sought) {
    const of = `${each.device} ${each.commonDir}`
    repositories.set(of, [...(repositories.get(of) ?? []), each])
  }
  const left = [...repositories.values()]
  const lane = async () => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      await lookInOne(next, found, ask)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return sought.map((each) => found.get(each) ?? 'UNKNOWN')
}

/** All of one repository, whose refs are listed once, and only when somebody wants to know. */
async function lookInOne(
  all: readonly Sought[],
  found: Map<Sought, Found>,
  ask: AskPullRequest,
): Promise<void> {
  const [{ commonDir, device } = { commonDir: '', device: '' }] = all
  const repository = await presence(commonDir, device)
  // One that git would not take for one may be coming back.
  const isWhole =
    repository === 'there' && (await presence(join(commonDir, 'HEAD'), device)) === 'there'
  let listed: Promise<ReadonlySet<string> | undefined> | undefined
  const refs = () => {
    listed ??= refsOf(commonDir)
    return listed
  }
  for (const each of all) {
    if (each.process !== undefined && (await isAlive(each.process))) found.set(each, 'THERE')
    else if (repository === 'gone') found.set(each, 'WORKTREE_GONE')
    else found.set(each, isWhole ? await lookForOne(each, refs, ask) : 'UNKNOWN')
  }
}

async function lookForOne(
  sought: Sought,
  refs: () => Promise<ReadonlySet<string> | undefined>,
  ask: AskPullRequest,
): Promise<Found> {
  const worktree = await worktreeOf(sought)
  if (worktree !== 'there') return worktree === 'gone' ? 'WORKTREE_GONE' : 'UNKNOWN'
  if (sought.gitRef !== undefined) {
    const known = await refs()
    if (known === undefined) return 'UNKNOWN'
    if (!known.has(sought.gitRef)) return 'REF_GONE'
  }
  if (sought.pullRequest === undefined) return 'THERE'
  const request = await ask(sought.pullRequest).catch(() => 'unknown' as const)
  if (request === 'gone') return 'PULL_REQUEST_GONE'
  return request === 'there' ? 'THERE' : 'UNKNOWN'
}

type Presence = 'there' | 'gone' | 'unknown'

/** Its directory of git's, and its files, wherever git has them now. A locked one may be on a disk that is away. */
async function worktreeOf(sought: Sought): Promise<Presence> {
  const { gitDir, commonDir, device, root, rootDevice } = sought
  const own = await presence(gitDir, device)
  if (own !== 'there') return own
  const places = [root]
  if (gitDir !== commonDir) {
    const locked = await presence(join(gitDir, 'locked'), device)
    if (locked !== 'gone') return locked
    // https://git-scm.com/docs/gitrepository-layout, “worktrees/<id>/gitdir”
    const file = await readFile(join(gitDir, 'gitdir'), 'utf8').catch(() => undefined)
    if (file === undefined) return 'unknown'
    const now = dirname(file.trim())
    if (now !== root && now.startsWith('/')) places.push(now)
  }
  const seen: Presence[] = []
  for (const place of places) seen.push(await presence(place, rootDevice))
  if (seen.includes('there')) return 'there'
  return seen.includes('unknown') ? 'unknown' : 'gone'
}

/**
 * `gone` is proven by the nearest directory above that is there: it can be read, and it lies on the file system on
 * which `path` was. Where that one is not mounted, another one shows through.
 */
export async function presence(path: string, device: string): Promise<Presence> {
  const self = await look(path)
  if (self !== undefined) return self === 'unreadable' ? 'unknown' : 'there'
  for (let above = dirname(path); ; above = dirname(above)) {
    const seen = await look(above)
    if (seen === undefined && above !== dirname(above)) continue
    if (seen === undefined || seen === 'unreadable') return 'unknown'
    return (await isReadableOn(above, device)) ? 'gone' : 'unknown'
  }
}

/** `undefined`: it is not there. A link counts as there, wherever it leads. */
async function look(path: string): Promise<'there' | 'unreadable' | undefined> {
  try {
    await lstat(path)
    return 'there'
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    return code === 'ENOENT' || code === 'ENOTDIR' ? undefined : 'unreadable'
  }
}

async function isReadableOn(directory: string, device: string): Promise<boolean> {
  try {
    const { dev } = await stat(directory)
    if (String(dev) !== device) return false
    await (await opendir(directory)).close()
    return true
  } catch {
    return false
  }
}

/**
 * Every branch; `undefined`: git cannot tell, or left something out, of which it warns. Root asks as the repository's
 * owner and with no settings but the repository's own: git runs programs that these name.
 */
async function refsOf(commonDir: string): Promise<ReadonlySet<string> | undefined> {
  try {
    const owner = process.getuid?.() === 0 ? await stat(commonDir) : undefined
    const said = await runForBytes(
      'git',
      [`--git-dir=${commonDir}`, 'for-each-ref', '--format=%(refname)', 'refs/heads'],
      {
        cwd: '/',
        patience: seconds(20),
        without: ofOneRepository,
        isSilent: true,
        env: { GIT_OPTIONAL_LOCKS: '0', ...(owner?.uid ? asNobody : {}) },
        ...(owner?.uid ? { uid: owner.uid, gid: owner.gid } : {}),
      },
    )
    return new Set(said.toString('utf8').split('\n').filter(Boolean))
  } catch {
    return undefined
  }
}

const asNobody = {
  HOME: '/nonexistent',
  XDG_CONFIG_HOME: '/nonexistent',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
}
