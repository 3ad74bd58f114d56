/** What a reset or restore would lose, as far as it can be told without looking through the log. */
import { type EpochMs, rfc3339, rfc3339Micros } from '../lib/time.ts'
import { formatLsn, type Lsn } from './lsn.ts'
import {
  type BranchId,
  type BranchName,
  branchName,
  type ProjectId,
  type SnapshotId,
  snapshotName,
} from './names.ts'
import type { Point } from './point.ts'

/** What a branch's data is replaced by. */
export type Replacement =
  /** The source branch as it is when the operation runs. */
  | { readonly kind: 'source'; readonly branchId: BranchId }
  | { readonly kind: 'snapshot'; readonly snapshotId: SnapshotId }
  /** A point of the branch's own history. */
  | Point

/** A position in the log of a volume. */
export interface Position {
  readonly lsn: Lsn
  /** The first transaction id, epoch included, that had not been given out. */
  readonly xid: bigint
}

export interface Losses {
  /** What was committed after it is lost. */
  readonly since: EpochMs
  /** `undefined`: nobody wrote down where the branch's own writes began. */
  readonly written: Written | undefined
  /** Client sessions that would end. */
  readonly sessions: number
}

export interface Written {
  /** Transaction ids given out: of every transaction that wrote, also of those that were rolled back. */
  readonly transactions: number
  readonly walBytes: number
}

/** Never negative: a position of a sleeping branch that crashed is that of its last checkpoint. */
export const writtenBetween = (from: Position, to: Position): Written => ({
  transactions: Number(to.xid > from.xid ? to.xid - from.xid : 0n),
  walBytes: Number(to.lsn > from.lsn ? to.lsn - from.lsn : 0n),
})

export type ResetPreview = ReturnType<typeof renderPreview>

export const renderPreview = (
  { project, branch }: { readonly project: ProjectId; readonly branch: BranchId },
  replacement: Replacement,
  { since, written, sessions }: Losses,
) => ({
  branch: branchName(project, branch),
  ...renderReplacement(project, replacement),
  lost: {
    since: rfc3339(since),
    ...(written === undefined
      ? {}
      : { transactions: written.transactions, wal_bytes: written.walBytes }),
    sessions,
  },
})

function renderReplacement(project: ProjectId, replacement: Replacement) {
  const said: {
    source_branch?: BranchName
    source_snapshot?: string
    time?: string
    lsn?: string
  } = {}
  switch (replacement.kind) {
    case 'source':
      said.source_branch = branchName(project, replacement.branchId)
      break
    case 'snapshot':
      said.source_snapshot = snapshotName(project, replacement.snapshotId)
      break
    case 'time':
      said.time = rfc3339Micros(replacement.time)
      break
    case 'lsn':
      said.lsn = formatLsn(replacement.lsn)
  }
  return said
}
