/** Whether the history of a branch holds a point, and what is said when it does not. */
import { baseFor, type ReadyBase } from '../domain/base.ts'
import type { Branch } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import { formatLsn, lsn } from '../domain/lsn.ts'
import type { Point } from '../domain/point.ts'
import type { WalDamaged } from '../domain/wal-damage.ts'
import { type EpochMicros, rfc3339Micros } from '../lib/time.ts'
import type { FoundPoint } from '../ports/storage.ts'

/** A point that has not come yet is refused, and not answered with the head. */
export function mustBePast(point: Point, now: EpochMicros): void {
  if (point.kind === 'time' && point.time > now) {
    const [asked, said] = [rfc3339Micros(point.time), rfc3339Micros(now)]
    throw new Fault('POINT_IN_FUTURE', { time: asked, now: said })
  }
}

export function mustHaveBase(
  branch: Pick<Branch, 'branchId' | 'sourceBranchId'>,
  bases: readonly ReadyBase[],
  point: Point,
): ReadyBase {
  const base = baseFor(bases, point)
  if (base !== undefined) return base
  const first = bases[0]
  if (first === undefined) throw new Fault('HISTORY_NOT_BEGUN', { branch: branch.branchId })
  throw new Fault('POINT_OUTSIDE_HISTORY', {
    branch: branch.branchId,
    time: rfc3339Micros(first.time),
    lsn: formatLsn(first.consistent),
    elsewhere:
      branch.sourceBranchId === undefined
        ? ''
        : ` What was before may be in the history of its source, '${branch.sourceBranchId}'.`,
  })
}

/** A position that the log has not reached is refused as a time in the future is. */
export function mustBeWritten(
  branch: Pick<Branch, 'branchId'>,
  point: Point,
  { lsn: end, isEnd }: FoundPoint,
): void {
  if (point.kind !== 'lsn' || !isEnd || point.lsn <= end) return
  throw new Fault('POINT_AFTER_END', {
    branch: branch.branchId,
    lsn: formatLsn(point.lsn),
    end: formatLsn(lsn(end)),
  })
}

/** Names what is broken, and what is not. */
export function damaged(
  branch: Pick<Branch, 'branchId'>,
  bases: readonly ReadyBase[],
  damage: WalDamaged,
): Fault {
  const say = ({ time, consistent }: ReadyBase) =>
    `${rfc3339Micros(time)} (${formatLsn(consistent)})`
  const before = bases.find(({ consistent }) => consistent <= damage.at)
  const after = bases.find(({ redo }) => redo > damage.at)
  const parts = [
    ...(before === undefined ? [] : [`from ${say(before)} up to ${formatLsn(damage.at)}`]),
    ...(after === undefined ? [] : [`from ${say(after)} on`]),
  ]
  return new Fault(
    'HISTORY_DAMAGED',
    {
      branch: branch.branchId,
      segment: damage.segment,
      problem: damage.problem,
      reachable: parts.length === 0 ? 'nothing but its head' : parts.join(', and '),
    },
    { cause: damage },
  )
}
