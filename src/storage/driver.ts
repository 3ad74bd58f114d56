/**
 * What the rungs of the ladder have in common: few verbs on directory trees. Names, drafts, WAL,
 * trash and durable renames are the volume store's, the same for every driver.
 */
import type { Capabilities, CloneMode, DriverName } from '../ports/storage.ts'

export interface Driver {
  readonly name: DriverName
  readonly can: Capabilities
  /** Makes an empty directory of the service user at a path where nothing is. */
  create(path: string): Promise<void>
  /** Clones a data directory to a path where nothing is, without what `clone-contents` leaves out. */
  clone(from: string, to: string, mode: CloneMode): Promise<void>
  /** Contents of a draft are on disk when this returns; its name is the caller's affair. */
  sync(path: string): Promise<void>
  /** Absent is success; so is a tree that was made only in part. */
  remove(path: string): Promise<void>
  /** Waits, within bounds, for room that removed trees still hold. */
  reclaim(): Promise<void>
  /** Bytes that only this tree holds, where the driver can tell. */
  exclusiveBytes(path: string): Promise<number | undefined>
}
