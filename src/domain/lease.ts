/**
 * An end that moves away by itself, where a branch asked for it: with activity (`slidingTtl`), or while somebody is connected
 * (`isHeldBySessions`). It never comes nearer, and never farther than branches may be asked to live. Pure.
 */
import { after, type EpochMs, type Millis, minutes, seconds } from '../lib/time.ts'
import type { Branch } from './branch.ts'

export interface Lease extends Pick<Branch, 'expireTime' | 'slidingTtl' | 'isHeldBySessions'> {}

export interface SeenUse {
  /** Of all its endpoints, now. */
  readonly sessions: number
  /** The latest end of a query or transaction, as far as anybody knows. */
  readonly lastActive: EpochMs | undefined
}

/** A held branch ends so long after the last look that saw a session: a server that is gone holds nothing. */
export const heldFor = minutes(3)

/** Before an end, it is looked at once more. */
export const lookAhead = seconds(10)

/** The later end; `undefined`: it stays as it is. Short of its end it moves by steps, not with each query. */
export function planLease(
  { expireTime, slidingTtl, isHeldBySessions }: Lease,
  { sessions, lastActive }: SeenUse,
  { now, maximum }: { readonly now: EpochMs; readonly maximum: Millis },
): EpochMs | undefined {
  if (expireTime === undefined) return undefined
  const latest = after(now, maximum)
  let end = expireTime
  const isNear = expireTime <= after(now, lookAhead)
  const reach = (moment: EpochMs, step: number) => {
    const within = moment < latest ? moment : latest
    if (within > end && (isNear || within - expireTime >= step)) end = within
  }
  if (isHeldBySessions && sessions > 0) reach(after(now, heldFor), minutes(1))
  if (slidingTtl !== undefined && lastActive !== undefined) {
    reach(after(lastActive, slidingTtl), Math.min(seconds(30), slidingTtl / 4))
  }
  return end === expireTime ? undefined : end
}
