/** Rows of what branches are bound to, and where it is looked for. */
import type { Binding, BoundTo, Finding, Gone } from '../domain/binding.ts'
import type { BindingUid, BranchId, BranchUid, ProjectUid } from '../domain/names.ts'
import type { EpochMs } from '../lib/time.ts'
import type { Slice } from './catalog.ts'

/** With what names the branch, which is a live one. */
export interface BindingOfBranch extends Binding {
  readonly projectUid: ProjectUid
  readonly branchId: BranchId
}

export interface NewlyGone {
  readonly uid: BindingUid
  readonly gone: { readonly since: EpochMs; readonly what: Gone } | undefined
  /** Its `updateTime` when it was looked for. */
  readonly asOf: EpochMs
}

export interface Bindings {
  /**
   * One a branch, host and directory of git's: the one that is there is told anew. It is then seen to be there; it stays the
   * branch's own, and keeps its process while none is named.
   */
  save(binding: Binding): Promise<Binding>
  /** Of a branch, deleted or not. */
  ofBranch(branch: BranchUid): Promise<readonly Binding[]>
  /** Of the live branches of a project, by branch id; of one host, or all. Key: `BRANCH_ID/UID`. */
  list(
    project: ProjectUid,
    query: Slice & { readonly host: string | undefined },
  ): Promise<readonly BindingOfBranch[]>
  /** Of the live branches of all live projects. */
  ofHost(host: string): Promise<readonly BindingOfBranch[]>
  /** Those that are there, of live branches of the project. */
  byUids(project: ProjectUid, uids: readonly BindingUid[]): Promise<readonly BindingOfBranch[]>
  /** Passes over those that have been told anew since they were looked for. */
  setGone(changes: readonly NewlyGone[]): Promise<void>
  removeAll(branch: BranchUid): Promise<void>
}

/** The git repositories of this machine. */
export interface Repositories {
  /** As `BoundTo.host` names this machine. */
  readonly host: string
  /** In the order asked. Reads alone, and never throws: what cannot be read is UNKNOWN. */
  look(bound: readonly BoundTo[]): Promise<readonly Finding[]>
}
