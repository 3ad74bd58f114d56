/**
 * What a branch belongs to: a worktree of a repository of some machine, as the machine itself names them. A branch that
 * `lakelet dev` made is a left-over once nothing of that is there any more. Pure: no clock, no I/O.
 */
import { after, type EpochMs, type Millis, rfc3339 } from '../lib/time.ts'
import type { Branch } from './branch.ts'
import {
  type BindingUid,
  type BranchId,
  type BranchUid,
  branchName,
  type IdentityUid,
  type ProjectId,
} from './names.ts'

/** As the worktree's own machine tells it; paths are absolute, and mean something there alone. */
export interface BoundTo {
  /** Tells machines apart, containers included. */
  readonly host: string
  /** The worktree's own directory of git's: its identity. */
  readonly gitDir: string
  /** The repository's; the same as `gitDir` in its main worktree. */
  readonly commonDir: string
  /** Where its files are. */
  readonly root: string
  /** The file systems of `commonDir` and `root`: where one is not mounted, nothing can be said of what is on it. */
  readonly device: string
  readonly rootDevice: string
  /** `refs/heads/…`; absent: detached, or not born yet. */
  readonly gitRef?: string
  readonly commit?: string
  /** Address of its remote, without user and password. */
  readonly repository?: string
  /** Web address of the pull or merge request. */
  readonly pullRequest?: string
  /** The coding agent that works there. */
  readonly agent?: string
  /** Of a program that works with the branch: pid, start and boot, so that no other is taken for it. */
  readonly process?: string
}

/**
 * What was found where a branch is bound to. `UNKNOWN`: it could not be read, or lies on a file system that is not
 * there now; nothing follows from it.
 */
export const findings = [
  'THERE',
  'WORKTREE_GONE',
  'REF_GONE',
  'PULL_REQUEST_GONE',
  'UNKNOWN',
] as const
export type Finding = (typeof findings)[number]
export type Gone = Exclude<Finding, 'THERE' | 'UNKNOWN'>

export const isGone = (found: Finding): found is Gone => found !== 'THERE' && found !== 'UNKNOWN'

export interface Binding extends BoundTo {
  readonly uid: BindingUid
  readonly branchUid: BranchUid
  /** The branch was made for this worktree; else the worktree uses it, which keeps it alone. */
  readonly isOwn: boolean
  readonly boundBy: IdentityUid
  readonly createTime: EpochMs
  /** When it was told last. */
  readonly updateTime: EpochMs
  /** Since when it is seen as gone, and what of it. */
  readonly gone: { readonly since: EpochMs; readonly what: Gone } | undefined
}

/** What a finding makes of what was known before. The first sight of a loss counts, whatever is lost since. */
export function afterFinding(
  { gone }: Pick<Binding, 'gone'>,
  found: Finding,
  now: EpochMs,
): Binding['gone'] {
  if (found === 'THERE') return undefined
  if (found === 'UNKNOWN') return gone
  return { since: gone?.since ?? now, what: found }
}

/** Why a branch stays though something that it was bound to is gone. */
export type KeptFor =
  /** Somebody made it by other means. */
  | 'NOT_OWNED'
  | 'DEFAULT'
  | 'ROOT'
  | 'PROTECTED'
  | 'HAS_CHILDREN'
  /** A worktree has it. */
  | 'BOUND'
  | 'UNKNOWN'
  | 'OF_ANOTHER'

export type CollectPlan =
  | { readonly act: 'keep'; readonly because: KeptFor }
  | { readonly act: 'wait'; readonly because: Gone; readonly until: EpochMs }
  | { readonly act: 'collect'; readonly because: Gone }

export interface CollectFacts {
  readonly isDefault: boolean
  /** It came with its project. */
  readonly isFirst: boolean
  readonly isProtected: boolean
  readonly hasChildren: boolean
  /** All of the branch. `isUnknown`: it could not be read just now. */
  readonly bindings: readonly (Pick<Binding, 'isOwn' | 'gone'> & { readonly isUnknown?: boolean })[]
}

/**
 * Whether a branch is a left-over: a worktree of its own is gone, so is whatever else it is bound to, and all of that
 * for the length of the grace. What could not be read counts as there.
 */
export function planCollect(
  { isDefault, isFirst, isProtected, hasChildren, bindings }: CollectFacts,
  { now, grace }: { readonly now: EpochMs; readonly grace: Millis },
): CollectPlan {
  if (!bindings.some(({ isOwn }) => isOwn)) return { act: 'keep', because: 'NOT_OWNED' }
  if (bindings.some(({ isUnknown }) => isUnknown)) return { act: 'keep', because: 'UNKNOWN' }
  const last = lastGone(bindings)
  if (last === undefined) return { act: 'keep', because: 'BOUND' }
  if (isDefault) return { act: 'keep', because: 'DEFAULT' }
  if (isFirst) return { act: 'keep', because: 'ROOT' }
  if (isProtected) return { act: 'keep', because: 'PROTECTED' }
  if (hasChildren) return { act: 'keep', because: 'HAS_CHILDREN' }
  const until = after(last.since, grace)
  if (now < until) return { act: 'wait', because: last.what, until }
  return { act: 'collect', because: last.what }
}

/** The loss that came last; `undefined`: something is there. */
function lastGone(bindings: CollectFacts['bindings']): NonNullable<Binding['gone']> | undefined {
  let last: Binding['gone']
  for (const { gone } of bindings) {
    if (gone === undefined) return undefined
    if (last === undefined || gone.since > last.since) last = gone
  }
  return last
}

/**
 * When a collected branch is purged: until then it can be undeleted, yet no longer than it would have lived, so that
 * collecting never keeps bytes for longer than waiting would have.
 */
export const purgeTimeOf = (
  { expireTime }: Pick<Branch, 'expireTime'>,
  latest: EpochMs,
): EpochMs => (expireTime !== undefined && expireTime < latest ? expireTime : latest)

export type BindingResource = ReturnType<typeof renderBinding>

export function renderBinding(
  binding: Binding,
  { projectId, branchId }: { readonly projectId: ProjectId; readonly branchId: BranchId },
) {
  const { gone } = binding
  return {
    uid: binding.uid,
    branch: branchName(projectId, branchId),
    host: binding.host,
    git_dir: binding.gitDir,
    common_dir: binding.commonDir,
    root: binding.root,
    device: binding.device,
    root_device: binding.rootDevice,
    ...(binding.gitRef === undefined ? {} : { git_ref: binding.gitRef }),
    ...(binding.commit === undefined ? {} : { commit: binding.commit }),
    ...(binding.repository === undefined ? {} : { repository: binding.repository }),
    ...(binding.pullRequest === undefined ? {} : { pull_request: binding.pullRequest }),
    ...(binding.agent === undefined ? {} : { agent: binding.agent }),
    ...(binding.process === undefined ? {} : { process: binding.process }),
    is_own: binding.isOwn,
    create_time: rfc3339(binding.createTime),
    update_time: rfc3339(binding.updateTime),
    ...(gone === undefined ? {} : { gone: { since: rfc3339(gone.since), what: gone.what } }),
  }
}

/** For a refusal: `it is bound to a worktree that is there`. */
export const sayKept: Readonly<Record<KeptFor, string>> = {
  NOT_OWNED: 'no worktree owns it',
  DEFAULT: 'it is the default branch',
  ROOT: 'it came with its project',
  PROTECTED: 'it is protected',
  HAS_CHILDREN: 'it has child branches',
  BOUND: 'a worktree has it',
  UNKNOWN: 'whether its worktree is there could not be read',
  OF_ANOTHER: 'somebody else made it',
}
