/** A project: top of the hierarchy; owns branches and the defaults of their endpoints. */
import type { EpochMs, Millis } from '../lib/time.ts'
import { days, rfc3339, seconds } from '../lib/time.ts'
import { formatDuration } from './duration.ts'
import {
  type BranchId,
  type BranchUid,
  branchName,
  type IdentityUid,
  type ProjectId,
  type ProjectUid,
  projectName,
} from './names.ts'

export type PostgresMajor = 15 | 16 | 17 | 18
export const postgresMajors: readonly PostgresMajor[] = [15, 16, 17, 18]
export const defaultPostgresMajor: PostgresMajor = 17

export interface EndpointDefaults {
  readonly minCu: number
  readonly maxCu: number
  /** `undefined`: never suspended. */
  readonly suspendTimeout: Millis | undefined
  readonly pgSettings: Readonly<Record<string, string>>
}

/** A type, not an interface: it is part of stored JSON. */
export type CustomTag = { readonly key: string; readonly value: string }

export interface Project {
  readonly uid: ProjectUid
  readonly projectId: ProjectId
  readonly displayName: string
  readonly pgVersion: PostgresMajor
  readonly ownerUid: IdentityUid
  readonly historyRetention: Millis
  readonly defaultBranchUid: BranchUid | undefined
  readonly endpointDefaults: EndpointDefaults
  readonly enablePgNativeLogin: boolean
  readonly customTags: readonly CustomTag[]
  readonly budgetPolicyId: string | undefined
  readonly createTime: EpochMs
  readonly updateTime: EpochMs
  readonly deleteTime: EpochMs | undefined
  readonly purgeTime: EpochMs | undefined
}

export const projectDefaults = {
  historyRetention: days(7),
  endpoint: { minCu: 1, maxCu: 1, suspendTimeout: seconds(86_400), pgSettings: {} },
  /** How long a deleted project can be undeleted. */
  purgeAfter: days(7),
} as const satisfies { endpoint: EndpointDefaults; historyRetention: Millis; purgeAfter: Millis }

export interface ProjectView {
  readonly project: Project
  readonly owner: string
  readonly defaultBranchId: BranchId | undefined
  readonly lastActiveTime: EpochMs | undefined
  readonly branchLogicalSizeLimit: number
}

export type ProjectResource = ReturnType<typeof renderProject>

/** What GET answers: `status` alone, explicit falses and zeros, nothing else that is empty. */
export function renderProject(view: ProjectView) {
  const { project, owner, defaultBranchId, lastActiveTime } = view
  const { endpointDefaults: defaults } = project
  return {
    name: projectName(project.projectId),
    project_id: project.projectId,
    uid: project.uid,
    create_time: rfc3339(project.createTime),
    update_time: rfc3339(project.updateTime),
    ...(project.deleteTime === undefined ? {} : { delete_time: rfc3339(project.deleteTime) }),
    ...(project.purgeTime === undefined ? {} : { purge_time: rfc3339(project.purgeTime) }),
    status: {
      project_id: project.projectId,
      display_name: project.displayName,
      pg_version: project.pgVersion,
      owner,
      ...(defaultBranchId === undefined
        ? {}
        : { default_branch: branchName(project.projectId, defaultBranchId) }),
      history_retention_duration: formatDuration(project.historyRetention),
      default_endpoint_settings: {
        autoscaling_limit_min_cu: defaults.minCu,
        autoscaling_limit_max_cu: defaults.maxCu,
        ...(defaults.suspendTimeout === undefined
          ? { no_suspension: true }
          : { suspend_timeout_duration: formatDuration(defaults.suspendTimeout) }),
        ...(Object.keys(defaults.pgSettings).length === 0
          ? {}
          : { pg_settings: defaults.pgSettings }),
      },
      enable_pg_native_login: project.enablePgNativeLogin,
      ...(project.customTags.length === 0 ? {} : { custom_tags: project.customTags }),
      ...(project.budgetPolicyId === undefined ? {} : { budget_policy_id: project.budgetPolicyId }),
      branch_logical_size_limit_bytes: view.branchLogicalSizeLimit,
      synthetic_storage_size_bytes: 0,
      ...(lastActiveTime === undefined
        ? {}
        : { compute_last_active_time: rfc3339(lastActiveTime) }),
    },
  }
}
