/** What a reset or restore works on: the branch, and the snapshot that its previous state will be. */
import { type Branch, isLive } from '../domain/branch.ts'
import { Fault } from '../domain/faults.ts'
import type { BranchUid, SnapshotUid } from '../domain/names.ts'
import type { Snapshot } from '../domain/snapshot.ts'
import type { StepContext } from '../operations/kind.ts'
import type { EndpointContext } from '../ports/catalog.ts'
import { writerOf } from './readers.ts'
import type { Services } from './services.ts'

export const keptUid = ({ row }: StepContext) => row.input.kept as SnapshotUid

export interface Rows extends EndpointContext {
  /** Of the previous state; until the exchange its volume is the new one. */
  readonly kept: Snapshot
}

/** A branch that was deleted meanwhile is not worth the work: its delete waits for us. */
export async function rowsOf(
  { catalog }: Pick<Services, 'catalog'>,
  { row }: StepContext,
): Promise<Rows> {
  const uid = row.input.branch as BranchUid
  const { uid: endpoint } = await writerOf(catalog, { uid })
  const context = await catalog.endpoints.context(endpoint)
  const kept = await catalog.snapshots.byUid(row.input.kept as SnapshotUid)
  if (context === undefined || !isLive(context) || kept === undefined) {
    throw new Fault('BRANCH_NOT_FOUND')
  }
  return { ...context, kept }
}

/** Its volume was made for the snapshot, and is the branch's now. */
export const isExchanged = (branch: Pick<Branch, 'volumeUid'>, kept: string): boolean =>
  branch.volumeUid === kept

/** The snapshot while its volume is the new one, for undoing; `undefined`: there is nothing to undo. */
export async function unusedVolume(
  { catalog }: Pick<Services, 'catalog'>,
  context: StepContext,
): Promise<Snapshot | undefined> {
  const kept = await catalog.snapshots.byUid(keptUid(context))
  return kept?.volumeUid === (keptUid(context) as string) ? kept : undefined
}
