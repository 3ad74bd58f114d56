/** Rows of bases, as actions and reconcilers need them. */
import type { Base, ReadyBase } from '../domain/base.ts'
import type { BaseUid, BranchUid, ProjectUid } from '../domain/names.ts'

export interface Bases {
  /** In the state TAKING: the row comes before the volume. */
  insert(
    base: Pick<Base, 'uid' | 'projectUid' | 'branchUid' | 'volumeUid' | 'createTime'>,
  ): Promise<void>
  /** It was taken. */
  ready(base: ReadyBase): Promise<void>
  /** From now on nothing begins with it. */
  retire(uid: BaseUid): Promise<void>
  recordBytes(uid: BaseUid, exclusiveBytes: number | undefined): Promise<void>
  remove(uid: BaseUid): Promise<void>
  /** Those that a point can be recovered from, oldest first. */
  readyOf(branch: BranchUid): Promise<readonly ReadyBase[]>
  /** Whatever their state. */
  allOf(branch: BranchUid): Promise<readonly Base[]>
  /** In the making, or going: of a server that is gone. */
  unsettled(): Promise<readonly Base[]>
  everyUid(): Promise<readonly { readonly uid: BaseUid; readonly projectUid: ProjectUid }[]>
  /** Bases that are ready, and the bytes that only they hold, as far as is known. */
  totals(): Promise<{ readonly count: number; readonly bytes: number }>
}
