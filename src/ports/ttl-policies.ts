/** Rows of the rules by which branches of a project end. */
import type { ProjectUid } from '../domain/names.ts'
import type { TtlRule } from '../domain/ttl-policy.ts'

export interface TtlPolicies {
  /** In their order; a project that never had any has none. */
  of(project: ProjectUid): Promise<readonly TtlRule[]>
  /** Replaces them all. */
  set(project: ProjectUid, rules: readonly TtlRule[]): Promise<void>
}
