/**
 * The computes behind an endpoint, as the contract's preview lists them: here always one, which keeps
 * its id while runs of Postgres come and go.
 */
import { type EpochMs, rfc3339 } from '../lib/time.ts'
import { type EndpointView, isReader } from './endpoint.ts'
import { type EndpointUid, endpointName } from './names.ts'

export const computeInstanceId = (endpoint: EndpointUid): string =>
  endpoint.replace(/^ep-/, 'compute-')

export type ComputeInstanceResource = ReturnType<typeof renderComputeInstance>

/** `startTime`: of the run that there is now, if there is one. */
export function renderComputeInstance(
  { endpoint, projectId, branchId, state, pendingState, host }: EndpointView,
  startTime: EpochMs | undefined,
) {
  const id = computeInstanceId(endpoint.uid)
  return {
    name: `${endpointName(projectId, branchId, endpoint.endpointId)}/compute-instances/${id}`,
    compute_instance_id: id,
    compute_host: host,
    current_state: state,
    ...(pendingState === undefined ? {} : { pending_state: pendingState }),
    role: isReader(endpoint) ? ('READ_ONLY' as const) : ('READ_WRITE' as const),
    ...(startTime === undefined ? {} : { start_time: rfc3339(startTime) }),
    ...(endpoint.suspendTime === undefined ? {} : { suspend_time: rfc3339(endpoint.suspendTime) }),
  }
}
