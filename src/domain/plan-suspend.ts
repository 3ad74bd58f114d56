/** When an awake endpoint goes to sleep. Pure: the whole truth table is a unit test. */
import { after, type EpochMs, type Millis } from '../lib/time.ts'

export interface AwakeEndpoint {
  readonly isDisabled: boolean
  /** `undefined`: never. */
  readonly suspendTimeout: Millis | undefined
  readonly awakeSince: EpochMs
  /** Sessions in a query or transaction, and replication. */
  readonly busy: number
  readonly lastActive: EpochMs | undefined
}

export type SuspendPlan =
  | { readonly do: 'suspend' }
  /** Look again at this moment. */
  | { readonly do: 'wait'; readonly until: EpochMs }
  | { readonly do: 'nothing' }

/** Activity is transactions, not sockets: an idle pool does not keep a compute awake. */
export function planSuspend(endpoint: AwakeEndpoint, now: EpochMs): SuspendPlan {
  if (endpoint.isDisabled) return { do: 'suspend' }
  const { suspendTimeout } = endpoint
  if (suspendTimeout === undefined) return { do: 'nothing' }
  if (endpoint.busy > 0) return { do: 'wait', until: after(now, suspendTimeout) }
  const last = Math.max(endpoint.awakeSince, endpoint.lastActive ?? 0) as EpochMs
  const due = after(last, suspendTimeout)
  return due <= now ? { do: 'suspend' } : { do: 'wait', until: due }
}
