/**
 * When a key is followed by a new one, and how long its predecessors go on to verify. Pure. A key is
 * not needed any more when what it signed last has ended, counted from the day its successor took over.
 */
import { after, days, type EpochMs, type Millis } from '../lib/time.ts'

export interface RotationRule {
  /** A key signs for this long. */
  readonly renewAfter: Millis
  /** Longest life of what it signed. */
  readonly keepFor: Millis
}

/** Database credentials live for a day at most, ID tokens for an hour. */
export const signingRule: RotationRule = { renewAfter: days(90), keepFor: days(2) }
/** The longest-lived record is a grant, of half a year. */
export const sealingRule: RotationRule = { renewAfter: days(90), keepFor: days(200) }

/** Keys newest first, by the moment each was made. */
export function planRotation(
  made: readonly EpochMs[],
  now: EpochMs,
  { renewAfter, keepFor }: RotationRule,
): { readonly isDue: boolean; readonly keep: number } {
  const [newest] = made
  const isDue = newest === undefined || now >= after(newest, renewAfter)
  const keep = made.filter((_, at) => {
    const successor = at === 0 ? (isDue ? now : undefined) : made[at - 1]
    return successor === undefined || now < after(successor, keepFor)
  }).length
  return { isDue, keep }
}
