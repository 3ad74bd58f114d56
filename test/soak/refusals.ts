/** Refusals that a soak may meet: what passes after a fault, and points that lie before a window. */
import type { Ended } from './keeper.ts'
import type { Mark } from './line.ts'
import type { World } from './world.ts'

type Refused = Extract<Ended, { kind: 'refused' }>

/**
 * While servers and computes are killed work may end so, and where an error was armed in the start of a compute;
 * a log that cannot be read is never expected.
 */
export const isExpected = ({ code, message }: Refused): boolean =>
  (['TEMPORARILY_UNAVAILABLE', 'ABORTED', 'INTERNAL_ERROR'].includes(code) ||
    // Killed twice in one start.
    /cannot start: (its server could not run it|Postgres ended with signal)/.test(message)) &&
  !/WAL segment/.test(message)

/** The window of the branch began after the mark, or has not begun. */
export async function isBeforeHistory(
  world: World,
  branch: string,
  { time }: Mark,
  ended: Ended,
): Promise<boolean> {
  if (ended.kind !== 'refused') return false
  if (!['INVALID_PARAMETER_VALUE', 'INVALID_STATE'].includes(ended.code)) return false
  const { history } = (await world.keeper.postgres(branch)).body.status
  const start: string | undefined = history?.window_start_time
  return start === undefined || Date.parse(start) + 1 >= Date.parse(time)
}
