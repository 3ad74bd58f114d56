/** An endpoint: the stable address on a branch; it keeps uid and host while computes come and go. */
import type { EpochMs, Millis } from '../lib/time.ts'
import { rfc3339 } from '../lib/time.ts'
import { formatDuration } from './duration.ts'
import {
  type BranchId,
  type BranchUid,
  branchName,
  type EndpointId,
  type EndpointUid,
  endpointName,
  type ProjectId,
} from './names.ts'

export type EndpointType = 'ENDPOINT_TYPE_READ_WRITE' | 'ENDPOINT_TYPE_READ_ONLY'
/** INIT → ACTIVE ⇄ IDLE by use and timer. */
export type EndpointState = 'INIT' | 'ACTIVE' | 'IDLE'
/** Of the row: being made → there → deleted, its files still to go. */
export type EndpointLife = 'INIT' | 'READY' | 'DELETED'

export interface Endpoint {
  readonly uid: EndpointUid
  readonly branchUid: BranchUid
  readonly endpointId: EndpointId
  readonly type: EndpointType
  readonly life: EndpointLife
  readonly minCu: number
  readonly maxCu: number
  readonly isDisabled: boolean
  /** `undefined`: never suspended. */
  readonly suspendTimeout: Millis | undefined
  readonly pgSettings: Readonly<Record<string, string>>
  /** This endpoint's own loopback address, where the machine has them (`127.88.x.y`). */
  readonly address: string
  readonly lastActiveTime: EpochMs | undefined
  /** When its compute was last stopped in good order, whyever. */
  readonly suspendTime: EpochMs | undefined
  readonly createTime: EpochMs
  readonly updateTime: EpochMs
}

export const primary = 'primary' as EndpointId

/** Served by a hot standby of the branch's read-write compute, on a volume of its own. */
export const isReader = ({ type }: Pick<Endpoint, 'type'>): boolean =>
  type === 'ENDPOINT_TYPE_READ_ONLY'

/** Each holds one of the ten WAL senders of its branch's compute while it is awake. */
export const maxReadersPerBranch = 8

export interface EndpointView {
  readonly endpoint: Endpoint
  readonly projectId: ProjectId
  readonly branchId: BranchId
  readonly state: EndpointState
  readonly pendingState: EndpointState | undefined
  readonly host: string
}

export type EndpointResource = ReturnType<typeof renderEndpoint>

/** What GET answers. A never-suspended endpoint shows no `suspend_timeout_duration`. */
export function renderEndpoint(view: EndpointView) {
  const { endpoint, projectId, branchId, state, pendingState, host } = view
  return {
    name: endpointName(projectId, branchId, endpoint.endpointId),
    endpoint_id: endpoint.endpointId,
    parent: branchName(projectId, branchId),
    uid: endpoint.uid,
    create_time: rfc3339(endpoint.createTime),
    update_time: rfc3339(endpoint.updateTime),
    status: {
      endpoint_id: endpoint.endpointId,
      endpoint_type: endpoint.type,
      current_state: state,
      ...(pendingState === undefined ? {} : { pending_state: pendingState }),
      disabled: endpoint.isDisabled,
      autoscaling_limit_min_cu: endpoint.minCu,
      autoscaling_limit_max_cu: endpoint.maxCu,
      ...(endpoint.suspendTimeout === undefined
        ? {}
        : { suspend_timeout_duration: formatDuration(endpoint.suspendTimeout) }),
      settings:
        Object.keys(endpoint.pgSettings).length === 0 ? {} : { pg_settings: endpoint.pgSettings },
      group: { min: 1, max: 1, enable_readable_secondaries: false },
      hosts: {
        host,
        ...(endpoint.type === 'ENDPOINT_TYPE_READ_ONLY' ? { read_only_host: host } : {}),
      },
      ...(endpoint.lastActiveTime === undefined
        ? {}
        : { last_active_time: rfc3339(endpoint.lastActiveTime) }),
    },
  }
}
