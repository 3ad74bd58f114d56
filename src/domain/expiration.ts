/** When a branch or snapshot ends: what was asked for, judged against the rules. Pure. */
import { after, between, type EpochMs, type Millis, rfc3339 } from '../lib/time.ts'
import { sayDuration } from './duration.ts'
import { Fault } from './faults.ts'

export type Expiration =
  | { readonly kind: 'never' }
  | { readonly kind: 'ttl'; readonly ttl: Millis }
  | { readonly kind: 'at'; readonly time: EpochMs }

/**
 * The moment a branch ends, or `undefined` for never. A ttl counts from `createTime`, the maximum
 * from `now` (the two differ on an update). Throws EXPIRATION_INVALID and EXPIRATION_TOO_FAR.
 */
export function expireTimeOf(
  expiration: Expiration,
  {
    createTime,
    now,
    maximum,
    mustEnd = false,
  }: { createTime: EpochMs; now: EpochMs; maximum: Millis; mustEnd?: boolean },
): EpochMs | undefined {
  if (expiration.kind === 'never') {
    if (!mustEnd) return undefined
    throw new Fault('EXPIRATION_TOO_FAR', { maximum: sayDuration(maximum) })
  }
  if (expiration.kind === 'ttl' && expiration.ttl <= 0) {
    throw new Fault('EXPIRATION_INVALID', {
      problem: `a ttl of ${sayDuration(expiration.ttl)} is not above 0`,
    })
  }
  const end = expiration.kind === 'ttl' ? after(createTime, expiration.ttl) : expiration.time
  if (end <= now) {
    throw new Fault('EXPIRATION_INVALID', { problem: `${rfc3339(end)} is not in the future` })
  }
  if (between(now, end) > maximum) {
    throw new Fault('EXPIRATION_TOO_FAR', { maximum: sayDuration(maximum) })
  }
  return end
}
