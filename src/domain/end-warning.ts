/** When somebody is told that a branch ends soon: once for an end, and again when that has moved well away. Pure. */
import { before, between, type EpochMs, type Millis, millis } from '../lib/time.ts'
import type { Branch } from './branch.ts'

/**
 * `lead` before the end, or for the last quarter of a life that is shorter than four times that; `undefined`: nothing is to be
 * told. `warnedEnd`: the end that was told of last; one that a session holds moves on every minute, which is no news.
 */
export function warningTimeOf(
  { expireTime, createTime }: Pick<Branch, 'expireTime' | 'createTime'>,
  { lead, warnedEnd }: { readonly lead: Millis; readonly warnedEnd: EpochMs | undefined },
): EpochMs | undefined {
  if (expireTime === undefined) return undefined
  const within = millis(Math.min(lead, between(createTime, expireTime) / 4))
  if (warnedEnd !== undefined && between(warnedEnd, expireTime) < within) return undefined
  return before(expireTime, within)
}
