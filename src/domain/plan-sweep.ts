/**
 * What becomes of files that no row knows. Nothing at first: the mistake may be in the catalog, and the data
 * is then all that is left. Pure: no clock, no I/O.
 */
import { after, type EpochMs, type Millis } from '../lib/time.ts'

/**
 * `volume`: a data directory with its WAL. `wal`: WAL whose volume is gone. `draft`: a volume in the making
 * that no operation makes. `process`, `run`, `log`: of a compute without an endpoint.
 */
export const strayKinds = ['volume', 'wal', 'draft', 'process', 'run', 'log'] as const
export type StrayKind = (typeof strayKinds)[number]

export type StrayAct =
  /** Seen for too short a time. */
  | 'wait'
  /** It holds data: it is kept where nobody uses it. */
  | 'set aside'
  /** It holds none: a draft, a socket, a log. */
  | 'remove'
  | 'end'

export function planStray(
  { kind, firstTime }: { readonly kind: StrayKind; readonly firstTime: EpochMs },
  { now, grace }: { readonly now: EpochMs; readonly grace: Millis },
): StrayAct {
  if (now < after(firstTime, grace)) return 'wait'
  switch (kind) {
    case 'volume':
    case 'wal':
      return 'set aside'
    case 'draft':
    case 'run':
    case 'log':
      return 'remove'
    case 'process':
      return 'end'
  }
}

/** What was set aside comes back when a row wants it, and goes when its time is over. */
export function planSetAside(
  { since, isWanted }: { readonly since: EpochMs; readonly isWanted: boolean },
  { now, retention }: { readonly now: EpochMs; readonly retention: Millis },
): 'keep' | 'put back' | 'delete' {
  if (isWanted) return 'put back'
  return now < after(since, retention) ? 'keep' : 'delete'
}
