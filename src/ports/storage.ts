/**
 * Storage as the product needs it: volumes that hold one PGDATA each, on a copy-on-write pool where
 * there is one. A volume is made as a draft, which nobody uses and a restart throws away, and
 * becomes a volume by one atomic rename.
 */
import type { Point } from '../domain/point.ts'
import type { Brand } from '../lib/brand.ts'
import type { EpochMicros, EpochMs } from '../lib/time.ts'

/** `<project uid>/<branch or endpoint uid>`, or `templates/<name>`: two path segments of letters, digits, `-`. */
export type VolumeId = Brand<string, 'VolumeId'>
/** Names a draft: the uid of the operation that makes it. */
export type DraftId = Brand<string, 'DraftId'>

export type DriverName = 'btrfs' | 'reflink' | 'copy'

export interface Capabilities {
  /** The cost of a clone does not grow with the size of the data. */
  readonly instantClone: boolean
  /** A clone of a volume in use is one moment of it; else the source must be in backup mode. */
  readonly atomicClone: boolean
}

/** Why a rung of the ladder was passed over or taken; shown by `lakelet status`. */
export interface Rung {
  readonly driver: DriverName
  readonly isTaken: boolean
  readonly because: string
}

/** How full a file system is, and whether something new may be begun there. */
export interface Room {
  readonly totalBytes: number
  readonly freeBytes: number
  /** Below this nothing new is begun. */
  readonly reserveBytes: number
  readonly isEnough: boolean
}

export interface PoolStatus {
  readonly driver: DriverName
  readonly can: Capabilities
  readonly rungs: readonly Rung[]
  /** The loop image that Lakelet made and mounts itself, if it did. */
  readonly image: { readonly bytes: number } | undefined
  readonly totalBytes: number
  readonly freeBytes: number
  /** `disk`: the fuller of the file systems that hold WAL and catalog. */
  readonly room: { readonly pool: Room; readonly disk: Room }
}

/** A volume, or WAL alone, that no record knew. */
export interface SetAside {
  readonly id: VolumeId
  readonly since: EpochMs
}

/** What a clone must bring along so that recovery of it ends at one moment of the source. */
export type CloneMode =
  /** The source is stopped or the driver's clone is atomic: take all files as they are. */
  | { readonly kind: 'whole' }
  /** The source is in backup mode: `global/pg_control` is copied last. */
  | { readonly kind: 'backup' }

export interface LastCheckpoint {
  /** Of its own record in the log. */
  readonly position: bigint
  /** The cluster was shut down with it, so nothing follows it. */
  readonly isShutDown: boolean
  /** The first transaction id, epoch included, that had not been given out. */
  readonly nextXid: bigint
}

export interface CheckPages {
  /** Whether the cluster writes data checksums. */
  readonly hasChecksums: boolean
  /** Pages of one file of a relation: `segment_size`. */
  readonly segmentPages: number
  /** How many damaged pages are named; all are counted. */
  readonly most: number
  /** Called before each file. */
  readonly onFile?: (done: number, total: number) => void
  readonly signal?: AbortSignal
}

export interface DamagedPage {
  /** Oid of the database; 0 for what all databases share. */
  readonly database: number
  readonly filenode: number
  readonly fork: 'main' | 'fsm' | 'vm' | 'init'
  /** Of the fork, segments counted through. */
  readonly block: number
  /** Of its file, below the data directory. */
  readonly path: string
  readonly problem: string
}

export interface PagesChecked {
  readonly pages: number
  readonly damagedPages: number
  readonly damaged: readonly DamagedPage[]
}

export interface PointSearch {
  /** `undefined`: the end of the log. */
  readonly point: Point | undefined
  /** A record begins here, and the log is there from here on. */
  readonly start: bigint
  /** The point is here or later; the end of a record. */
  readonly from: bigint
  /** So far the log must reach; where its end is not known better, the last checkpoint. */
  readonly through: bigint
}

export interface FoundPoint {
  /** End of the last record that belongs to it. */
  readonly lsn: bigint
  /** Of the last commit from the segment of `from` to there; `undefined`: there is none. */
  readonly lastCommit: EpochMicros | undefined
  /** Nothing that was found lies behind it. */
  readonly isEnd: boolean
}

export interface WalExtent {
  /** Positions: where the oldest segment begins, and where the newest one ends. */
  readonly oldest: bigint
  readonly newest: bigint
}

export interface Storage {
  readonly can: Capabilities
  status(): Promise<PoolStatus>
  /** Throws STORAGE_UNAVAILABLE when the pool is not there (unmounted). */
  check(): Promise<void>
  /**
   * Asked before anything is begun that makes a volume. Throws STORAGE_UNAVAILABLE, and STORAGE_NEARLY_FULL
   * when the pool or the disk of WAL and catalog has less free than is kept for what is there.
   */
  checkRoom(): Promise<void>

  /**
   * Makes an empty directory as draft, owned by the compute user, and returns its path. A draft of
   * this id that is there already is thrown away first (a step that runs again after a crash).
   */
  createDraft(draft: DraftId): Promise<string>
  /**
   * Clones the data directory of a volume into a draft and returns the draft's path. The clone has
   * no postmaster.pid, no replication slots, no contents of pg_wal (the link is removed), and no
   * recovery signal files. Same rule for a draft that is there already. ENOSPC → STORAGE_FULL.
   */
  cloneToDraft(source: VolumeId, draft: DraftId, mode: CloneMode): Promise<string>
  /** Makes a draft the volume, durably: synced, then renamed. Absent draft and present volume: done. */
  publish(draft: DraftId, as: VolumeId): Promise<void>
  /** Whether the volume was published; a step that runs again after a crash asks first. */
  hasVolume(id: VolumeId): Promise<boolean>
  /** Absent is success. */
  deleteDraft(draft: DraftId): Promise<void>
  /** Moves the volume and its WAL out of the way, durably and at once; bytes go in the background. */
  deleteVolume(id: VolumeId): Promise<void>

  /** Path of the data directory of a draft that is there. */
  draftDirectory(draft: DraftId): string
  /** Path of the volume's data directory. */
  dataDirectory(id: VolumeId): string
  /** Directory of the volume's live WAL, on the ordinary file system. */
  walDirectory(id: VolumeId): string
  /** Makes the (empty, compute user's) live WAL directory and points the draft's `pg_wal` at it. */
  linkWal(draft: DraftId, to: VolumeId): Promise<void>
  /**
   * Copies from the source's live WAL what recovery of the draft needs: from the redo point in the
   * draft's pg_control (or `fromLsn`) to the last valid page. Returns segments and bytes copied.
   */
  copyWal(
    source: VolumeId,
    draft: DraftId,
    to: VolumeId,
    fromLsn?: bigint,
    /** Ends the copy there, at the end of a record. Throws WalDamaged where the log does not reach it. */
    untilLsn?: bigint,
  ): Promise<{ readonly segments: number; readonly bytes: number }>

  /** What the volume itself says of its cluster: where the last checkpoint is, and whether it is the end. */
  lastCheckpoint(id: VolumeId): Promise<LastCheckpoint>

  /** Where recovery of the volume, or of a clone of it, begins to read the log. */
  recoveryStart(id: VolumeId): Promise<bigint>
  /**
   * Looks for a point in the volume's live WAL, from a position that lies before it. What is needed on
   * the way is read, nothing is changed. Throws WalDamaged when the log ends before `through`.
   */
  findPoint(id: VolumeId, search: PointSearch): Promise<FoundPoint>
  /** Name of the file of the volume's live WAL that holds the position, or would. */
  segmentAt(id: VolumeId, position: bigint): Promise<string>
  /** What lies in the live WAL directory; `undefined`: no segment. */
  walExtent(id: VolumeId): Promise<WalExtent | undefined>
  /** Bytes that the live WAL holds on disk. */
  walBytes(id: VolumeId): Promise<number>
  /** Of the file system that all WAL is on. */
  walRoom(): Promise<{ readonly freeBytes: number; readonly totalBytes: number }>
  /** Replication slots that a stopped volume will have at its next start. */
  slotNames(id: VolumeId): Promise<readonly string[]>
  /** Removes segments that lie wholly before the position; answers how many. */
  removeWalBefore(id: VolumeId, position: bigint): Promise<number>

  /**
   * Makes the first start of a clone quick. When its source was not shut down, it recovers as a standby
   * that is promoted at the end of its WAL, which spares the checkpoint of a crash recovery. A clone of a
   * stopped source stays as it is, unless it has WAL from after its shutdown (`goesOn`).
   */
  prepareRecovery(draft: DraftId, goesOn?: boolean): Promise<void>
  /**
   * The same for a draft with more WAL than its source had when it was cloned, also when that was shut down.
   * With `consistent`, where the log of the clone itself ended, recovery may end at any point behind it.
   */
  prepareReplay(
    draft: DraftId,
    consistent: { readonly position: bigint; readonly timeline: number } | undefined,
  ): Promise<void>
  /** Puts the label of a backup-mode clone into the draft, where recovery looks for it. */
  writeBackupLabel(draft: DraftId, label: string): Promise<void>

  /** Every volume there is; for the sweep, as what follows. */
  listVolumes(): Promise<readonly VolumeId[]>
  /** Every volume that has WAL, also where the volume itself is gone. */
  listWal(): Promise<readonly VolumeId[]>
  listDrafts(): Promise<readonly DraftId[]>
  /**
   * Takes a volume and its WAL out of use, durably, and keeps both. No compute may run on it. Absent is
   * success.
   */
  setAside(id: VolumeId, now: EpochMs): Promise<void>
  /** The oldest first; one id may be there more than once. */
  listSetAside(): Promise<readonly SetAside[]>
  /** Puts the newest volume of this id that was set aside back into its place; `false`: there is none. */
  putBack(id: VolumeId): Promise<boolean>
  /** Deletes one of them for good. */
  deleteSetAside(stray: SetAside): Promise<void>
  /** Tries again what could not be deleted before. */
  emptyTrash(): Promise<void>
  /** Detaches loop devices on the image of the pool that are not its mount; says which. */
  detachStrayDevices(): Promise<readonly string[]>
  /** Throws away all drafts and finishes deletions that a crash cut short. Called once at start. */
  recover(): Promise<void>
  /** Bytes that only this volume holds, where the driver can tell. */
  exclusiveBytes(id: VolumeId): Promise<number | undefined>
  /**
   * Bytes of the volume and its WAL: `full` as if it shared nothing, `exclusive` as `exclusiveBytes`. Walks
   * all files; the volume must be there and nobody may be writing to it.
   */
  measure(id: VolumeId): Promise<{ readonly full: number; readonly exclusive: number | undefined }>
  /** Header and checksum of every page of a volume whose compute was shut down. */
  checkPages(id: VolumeId, how: CheckPages): Promise<PagesChecked>
  /** Resolves when every background deletion has ended. */
  settle(): Promise<void>
}
