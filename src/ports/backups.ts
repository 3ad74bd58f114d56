/**
 * Copies of branches away from this machine. A place is a directory or a prefix of an S3 bucket and holds the
 * backups of one branch: chunks named by their SHA-256, and manifests, each written after all that it names.
 */
import type {
  BackupSource,
  KnownManifest,
  Manifest,
  StoredData,
  StoredFile,
} from '../domain/backup-manifest.ts'
import type { Lsn } from '../domain/lsn.ts'
import type { BranchUid } from '../domain/names.ts'
import type { EpochMs } from '../lib/time.ts'
import type { VolumeId } from './storage.ts'

export interface BackupPlace {
  /** `/absolute/path` or `s3://bucket/prefix`. */
  readonly place: string
  /** Of a store that speaks S3 and is not AWS. */
  readonly endpointUrl: string | undefined
}

export interface Effort {
  readonly signal: AbortSignal
  /** So many bytes more are to come. */
  expect(bytes: number): void
  /** Called after each chunk. */
  count(bytes: number, isNew: boolean): void
}

/** What lies in a data directory, before it is copied. */
export interface Cluster {
  readonly systemId: string
  readonly timeline: number
  readonly redo: Lsn
}

export interface WalRange {
  readonly from: Lsn
  /** What is known to be on disk for good; `undefined`: all that is there. */
  readonly through: Lsn | undefined
  readonly timeline: number
}

export interface StoredWal {
  readonly files: readonly StoredFile[]
  /** `through` of the range, or the end of the last valid page: what is in that page may end before. */
  readonly end: Lsn
  readonly segmentBytes: number
}

export interface VerifiedBackup {
  readonly objects: number
  readonly bytes: number
  /** A sentence for each thing that is wrong, at most a hundred. */
  readonly problems: readonly string[]
}

export interface BackupArchive {
  /** What was given, for refusals. */
  readonly place: string
  /** The branch that this is for; `undefined`: nothing has been begun here. Throws BACKUP_PLACE_OCCUPIED. */
  owner(): Promise<BackupSource | undefined>
  /** In their order; throws BACKUP_DAMAGED where the chain is broken, BACKUP_TOO_NEW. */
  manifests(): Promise<readonly KnownManifest[]>
  /** By its names alone; `undefined`: there is none, or the place is damaged. */
  lastWritten(): Promise<{ readonly branch: BranchUid; readonly sequence: number } | undefined>
  /** Proves that this can be written to, and marks it as begun by this operation. */
  begin(owner: BackupSource, operation: string): Promise<void>
  /** Reads the control file of a data directory. */
  cluster(dataDirectory: string): Promise<Cluster>
  /** A data directory that nobody writes to, WAL left out. */
  storeData(dataDirectory: string, effort: Effort): Promise<StoredData>
  /** `undefined`: part of the range is not there. Its last segment may be being written to. */
  storeWal(walDirectory: string, range: WalRange, effort: Effort): Promise<StoredWal | undefined>
  /** Last of all: from now on the backup is complete. */
  commit(manifest: Manifest): Promise<KnownManifest>
  /** Takes back the last backup, if this operation made it. */
  withdraw(operation: string): Promise<void>
  /** Forgets that the operation began here. After one that was cut short, removes what no manifest names. */
  end(operation: string): Promise<void>
  /** Into an empty directory; a chunk that is missing or not what it is named by throws BACKUP_DAMAGED. */
  fetchData(data: StoredData, dataDirectory: string, effort: Effort): Promise<void>
  fetchWal(
    files: readonly StoredFile[],
    walDirectory: string,
    segmentBytes: number,
    effort: Effort,
  ): Promise<void>
  /** Reads everything; only what keeps it from reading at all is thrown. */
  verify(effort: Effort): Promise<VerifiedBackup>
  close(): void
}

export interface BackupPlaces {
  /** Throws BACKUP_PLACE_INVALID; touches nothing yet. */
  open(place: BackupPlace): Promise<BackupArchive>
}

/** The last backup of a branch to one place. */
export interface LastBackup {
  readonly sequence: number
  /** Of its manifest. */
  readonly hash: string
  readonly volume: VolumeId
  readonly reached: Lsn
  readonly time: EpochMs
}

export interface Backups {
  last(branch: BranchUid, place: string): Promise<LastBackup | undefined>
  set(branch: BranchUid, place: string, backup: LastBackup): Promise<void>
  /**
   * From where on the WAL of a volume is still wanted, for increments of backups that were made at this
   * moment or later; `undefined`: by none.
   */
  heldFrom(volume: VolumeId, since: EpochMs): Promise<Lsn | undefined>
}
