/** Where a standby stands against what it should have replayed. Pure: the whole table is a unit test. */

/**
 * `late`: on its way, or held up. `paused`: it needs to be started with its source's settings of today.
 * `lost`: what it needs is nowhere any more.
 */
export type Standing = 'current' | 'late' | 'paused' | 'lost'

export function standingOf(
  seen: { readonly replayed: bigint; readonly received: bigint; readonly isPaused: boolean },
  /** `oldest`: where what its source still has begins; `undefined`: it has everything. */
  goal: { readonly through: bigint; readonly oldest?: bigint },
): Standing {
  if (seen.replayed >= goal.through) return 'current'
  if (seen.isPaused) return 'paused'
  return seen.received < (goal.oldest ?? 0n) ? 'lost' : 'late'
}
