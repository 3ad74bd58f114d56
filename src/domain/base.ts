/**
 * A base: a clone of a branch's data that no compute opens and nobody sees, from which points after it are
 * recovered. It has no WAL of its own: what recovery needs lies in the live WAL of the volume it was
 * taken of. Which base a point begins with, and which bases are kept, is decided here. Pure.
 */
import { days, type EpochMicros, type EpochMs, hours, type Millis, minutes } from '../lib/time.ts'
import type { Lsn } from './lsn.ts'
import type { BaseUid, BranchUid, ProjectUid, VolumeUid } from './names.ts'
import type { Point } from './point.ts'

/** TAKING → READY → DELETING → gone. */
export type BaseState = 'TAKING' | 'READY' | 'DELETING'

export interface Base {
  readonly uid: BaseUid
  readonly projectUid: ProjectUid
  readonly branchUid: BranchUid
  /** What it was taken of, and whose WAL it needs. */
  readonly volumeUid: VolumeUid
  readonly state: BaseState
  readonly createTime: EpochMs
}

export interface ReadyBase extends Base {
  /** Where recovery begins to read the log. */
  readonly redo: Lsn
  /** The first point that it can be recovered to. */
  readonly consistent: Lsn
  /** No earlier than any commit before `consistent`. */
  readonly time: EpochMicros
}

/** The newest base at or before the point, of those of one volume; any order. */
export function baseFor<B extends Pick<ReadyBase, 'consistent' | 'time'>>(
  bases: readonly B[],
  point: Point,
): B | undefined {
  const isBefore = (base: B) =>
    point.kind === 'time' ? base.time <= point.time : base.consistent <= point.lsn
  return bases
    .filter(isBefore)
    .reduce<B | undefined>(
      (best, base) => (best === undefined || base.consistent > best.consistent ? base : best),
      undefined,
    )
}

/** Bases of up to this age are spaced by at least so much; older ones by the last line. */
const spacings: readonly { readonly upTo: Millis; readonly spacing: Millis }[] = [
  { upTo: minutes(15), spacing: minutes(0) },
  { upTo: hours(24), spacing: minutes(15) },
  { upTo: days(7), spacing: hours(2) },
]
const longestSpacing = hours(12)

/**
 * Bases that are not kept. A base goes when the next younger one is older than the retention: so there is
 * always one at or before the beginning of the window. The others thin out with age: of those in one
 * stretch of the calendar the oldest stays. Stretches nest, so what was kept once stays until its
 * stretch grows.
 */
export function basesToDrop<B extends Pick<ReadyBase, 'uid' | 'time' | 'consistent'>>(
  bases: readonly B[],
  now: EpochMicros,
  retention: Millis,
): readonly B[] {
  const byAge = [...bases].sort((a, b) => (a.consistent < b.consistent ? -1 : 1))
  const end = now - micros(retention)
  const first = byAge.findLastIndex(({ time }) => time <= end)
  const within = byAge.slice(Math.max(0, first))
  const stretches = new Set<string>()
  const thinned = within.filter((base, at) => {
    const stretch = stretchOf(base.time, now)
    const isFirst = stretch === undefined || !stretches.has(stretch)
    if (stretch !== undefined) stretches.add(stretch)
    return !isFirst && at !== 0 && at !== within.length - 1
  })
  return [...byAge.slice(0, Math.max(0, first)), ...thinned]
}

const micros = (length: Millis): bigint => BigInt(Math.round(length)) * 1000n

/** `undefined`: all of this age stay. */
function stretchOf(time: EpochMicros, now: EpochMicros): string | undefined {
  const age = now - time
  const line = spacings.find(({ upTo }) => age <= micros(upTo))
  const spacing = micros(line?.spacing ?? longestSpacing)
  return spacing === 0n ? undefined : `${spacing} ${time / spacing}`
}

/** A point after a base is worth so much redo at most, where taking a base costs next to nothing. */
export const baseAfterBytes = 256n * 1024n * 1024n
/** A source that rests is quick: a base that spares so much redo is taken as soon as nobody writes to it. */
const atRestAfterBytes = 16n * 1024n * 1024n
/** After so long, a base that spares so much redo is taken as well. */
const sooner: readonly { readonly after: Millis; readonly bytes: bigint }[] = [
  { after: minutes(5), bytes: 16n * 1024n * 1024n },
  { after: hours(1), bytes: 1024n * 1024n },
]

/** Where every base is a full copy, as many bytes of log as it holds must lie between two of them. */
export function isBaseDue(
  newest: Pick<ReadyBase, 'consistent' | 'time'> | undefined,
  {
    end,
    now,
    isAtRest,
    copied,
  }: {
    /** Of the log. */
    readonly end: bigint
    readonly now: EpochMicros
    /** Asleep, or not written to for a while. */
    readonly isAtRest: boolean
    /** Bytes that one base costs; 0 where it shares them. */
    readonly copied: number
  },
): boolean {
  if (newest === undefined) return true
  const written = end - newest.consistent
  const enough = BigInt(copied)
  if (written >= (enough > baseAfterBytes ? enough : baseAfterBytes)) return true
  if (isAtRest && written >= atRestAfterBytes && written >= enough) return true
  const age = now - newest.time
  return sooner.some(
    ({ after, bytes }) => age >= micros(after) && written >= bytes && written >= enough,
  )
}
