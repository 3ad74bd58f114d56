/** Computes as the product needs them: one run of stock Postgres per awake endpoint. */
import type { EndpointUid } from '../domain/names.ts'
import type { PostgresMajor } from '../domain/project.ts'
import type { Position } from '../domain/reset-preview.ts'
import type { EpochMs, Millis } from '../lib/time.ts'

export interface ComputeSpec {
  /** Names socket directory and log; the endpoint's uid (or `catalog`). */
  readonly uid: EndpointUid
  readonly major: PostgresMajor
  /** PGDATA. */
  readonly dataDirectory: string
  /** Postgres settings on top of our own, effective from the next start. */
  readonly settings: Readonly<Record<string, string>>
  /** Makes it a hot standby: it replays what this compute writes, and takes no writes itself. */
  readonly follows?: EndpointUid
  /** Its WAL is history: Postgres removes none of it, we do. */
  readonly keepsWal?: boolean
  /**
   * Where clients are expected: the query that proves a start is asked there, when it exists, so that
   * their first session finds in memory what every session of a database needs.
   */
  readonly firstDatabase?: string
}

/** `stopped → starting → ready → stopping → stopped`; `crashed` is a stop that nobody asked for. */
export type ComputeState =
  | { readonly kind: 'stopped' }
  | { readonly kind: 'starting' }
  | { readonly kind: 'ready'; readonly pid: number; readonly since: EpochMs }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'crashed'; readonly problem: string }

/** `fast`: sessions are ended, clean shutdown. `immediate`: for a compute whose data is thrown away. */
export type StopMode = 'fast' | 'immediate'

export interface Activity {
  /** Client backends, those of this server not counted. */
  readonly sessions: number
  /** Sessions in a query or transaction, and replication connections. */
  readonly busy: number
  /** Latest end of a query or transaction of a live session. */
  readonly lastActive: EpochMs | undefined
}

/** How far the log of a compute that writes reaches, on disk. */
export interface LogReach {
  /** Everything before is flushed; commits acknowledged by `synchronous_commit = off` may lie behind. */
  readonly flushed: bigint
  /** The oldest position that is still there: a standby that needs older ones has to be made anew. */
  readonly oldest: bigint
}

export interface LogMark {
  /** Everything acknowledged before this moment is in the log. */
  readonly time: EpochMs
  /** Everything written before the mark lies before this position, and is on disk. */
  readonly end: bigint
}

export interface ReplayGoal {
  /** Everything before is to be replayed. */
  readonly through: bigint
  /** What its source still has; `undefined`: everything that it needs. */
  readonly oldest?: bigint
  readonly patience: Millis
}

/** How far a standby has come. */
export interface Replay {
  /** Everything before is visible to its sessions. */
  readonly replayed: bigint
  /** Everything before is on its own disk: where it asks its source to go on. */
  readonly received: bigint
  /** Replay waits for somebody: its source has settings that this one was not started for. */
  readonly isPaused: boolean
}

export interface ToolchainInfo {
  readonly major: PostgresMajor
  /** Full version, as `17.10`. */
  readonly version: string
  /** Came with Lakelet, or was named by its directory. */
  readonly origin: 'embedded' | 'directory'
}

/** Where a clone of a running source may begin and where it ends. */
export interface BracketSteps {
  /** Clone the data directory now. */
  clone(): Promise<void>
  /** Copy WAL now; `fromLsn` is where recovery starts. Called after `clone`, before WAL may go. */
  copyWal(fromLsn: bigint | undefined): Promise<void>
}

export interface InitializeOptions {
  /** Existing empty directory, the compute user's, that `pg_wal` becomes a link to. */
  readonly walDirectory?: string
  /** Whether the files are durable on return. Default: no, the caller's `publish` syncs them. */
  readonly sync?: boolean
}

/** Something of a compute that is there: a postmaster, its run directory, its log. */
export interface ComputeTrace {
  readonly kind: 'process' | 'run' | 'log'
  readonly uid: EndpointUid
}

export interface CheckRelations {
  /** How many problems are named; all are counted. */
  readonly most: number
  /** Called before each relation. */
  readonly onRelation?: (done: number, total: number) => void
  /** Asked between two relations. */
  readonly signal?: AbortSignal
}

/** Something that Postgres, or its extension amcheck, found wrong. */
export interface RelationProblem {
  readonly database: string
  /** `schema.table` as SQL writes it; `undefined`: the database as a whole. */
  readonly relation: string | undefined
  readonly block: number | undefined
  readonly message: string
}

export interface DatabaseChecked {
  readonly database: string
  readonly oid: number
  readonly tables: number
  readonly indexes: number
  /** What nobody could look into, and why: of no access method that amcheck knows, or refused. */
  readonly unchecked: readonly { readonly relation: string; readonly why: string }[]
}

/** A relation by the file that holds it. */
export interface RelationName {
  /** 0 for what all databases share. */
  readonly databaseOid: number
  readonly filenode: number
  readonly database: string | undefined
  readonly relation: string
}

export interface RelationsChecked {
  readonly hasChecksums: boolean
  /** Pages of one file of a relation. */
  readonly segmentPages: number
  /** Version of amcheck; `undefined`: the toolchain has none, so no structure was looked at. */
  readonly amcheck: string | undefined
  readonly databases: readonly DatabaseChecked[]
  readonly problemCount: number
  readonly problems: readonly RelationProblem[]
  readonly names: readonly RelationName[]
}

export interface CopyDatabase {
  /** There in both; empty in the second. */
  readonly database: string
  /** An empty directory of the service user's, for the dump. */
  readonly directory: string
  /** Called when the schemas are there, before anything that is in them. */
  readonly betweenSchemasAndRest: () => Promise<void>
  readonly signal: AbortSignal
}

export interface UpgradeCluster {
  /** Shut down, and thrown away afterwards. */
  readonly from: DataDirectory
  /** Fresh from `initialize`, never started. */
  readonly to: DataDirectory
  /** Empty and the service user's, for what it writes; another one, with a short path, for sockets. */
  readonly directory: string
  readonly socketDirectory: string
  /** Of files of tables: `clone` where the file system shares extents, else `link`. */
  readonly sharing: 'clone' | 'link'
  readonly signal: AbortSignal
}

export interface DataDirectory {
  readonly major: PostgresMajor
  readonly dataDirectory: string
}

export interface Computes {
  /** Installed toolchains, best first. */
  toolchains(): readonly ToolchainInfo[]
  /** `initdb` into an existing empty directory: superuser `cloud_admin`, UTF-8, trust on the socket. */
  initialize(major: PostgresMajor, directory: string, options?: InitializeOptions): Promise<void>

  /**
   * Starts the compute unless it runs, and resolves when a query was answered. Single flight: a
   * hundred callers start it once. Throws COMPUTE_FAILED with what Postgres said, COMPUTE_STARTING
   * when the signal aborted first (the start goes on).
   */
  ensureReady(spec: ComputeSpec, signal?: AbortSignal): Promise<void>
  /**
   * Makes a running compute follow these settings as far as Postgres can without a restart, after any start
   * or stop that is under way. One that does not run is left alone.
   */
  reload(spec: ComputeSpec): Promise<void>
  /** Resolves when no process is left. Stopped already is success. */
  stop(uid: EndpointUid, mode: StopMode): Promise<void>
  /** Stops it at once and removes what is left of it: sockets, configuration, log. Absent is success. */
  forget(uid: EndpointUid): Promise<void>
  /** What is there of endpoints' computes, whether or not anybody knows them. */
  traces(): Promise<readonly ComputeTrace[]>
  /** Ends the postmaster of an endpoint that nobody knows, in good order. Absent is success. */
  endUnknown(uid: EndpointUid): Promise<void>
  state(uid: EndpointUid): ComputeState
  /** The same, looked at now: a compute that died a moment ago is not told as ready. */
  look(uid: EndpointUid): Promise<ComputeState>
  /** Takes over a live postmaster on this data directory, if there is one. */
  adopt(spec: ComputeSpec): Promise<'adopted' | 'absent'>
  /** Called for every change of state; returns how to stop listening. */
  onChange(listener: (uid: EndpointUid, state: ComputeState) => void): () => void

  /** Directory of the Unix socket `.s.PGSQL.5432`; only the service user can reach it. */
  socketDirectory(uid: EndpointUid): string
  /** Asked of Postgres itself; the compute must be ready. */
  activity(uid: EndpointUid): Promise<Activity>
  /**
   * Holds the source so that clone and WAL recover to one moment: checkpoints when more
   * than 56 MB lie after the last one (kind `atomic`) or enters backup mode (kind `backup`), calls the
   * steps, lets go. For `backup` the returned label must be written into the clone as `backup_label`.
   */
  bracket(
    uid: EndpointUid,
    kind: 'atomic' | 'backup',
    steps: BracketSteps,
  ): Promise<LogMark & { readonly backupLabel: string | undefined }>
  /**
   * Makes sure that the log on disk holds every commit that was acknowledged before, those of
   * `synchronous_commit = off` included, and a commit of its own behind them.
   */
  markLog(uid: EndpointUid): Promise<LogMark>
  /** The oldest position that a replication slot asks for; `undefined`: none does. */
  oldestHeld(uid: EndpointUid): Promise<bigint | undefined>
  /** End of recovery of a compute that has just started on a clone: its branch point. */
  recoveredTo(uid: EndpointUid): Promise<bigint>
  /** The first transaction id, epoch included, that had not been given out when the compute had just started. */
  firstXid(uid: EndpointUid): Promise<bigint>
  /** How far a compute that writes has come. */
  position(uid: EndpointUid): Promise<Position>
  /** When the running compute was started, whoever started it. */
  startTime(uid: EndpointUid): Promise<EpochMs>
  /** Bytes of all databases, as Postgres counts them. */
  logicalSize(uid: EndpointUid): Promise<number>

  /**
   * Looks into the structure of every table and B-tree index of every database. The compute must be one
   * that nobody else uses and whose data is thrown away: it opens closed databases and adds amcheck.
   */
  checkRelations(uid: EndpointUid, how: CheckRelations): Promise<RelationsChecked>

  /** Of a compute that writes. */
  logReach(uid: EndpointUid): Promise<LogReach>
  /** Waits until a standby has come so far, or never will, or patience has ended; how far it came. */
  awaitReplay(uid: EndpointUid, goal: ReplayGoal): Promise<Replay>
  /** Tells a standby that what it follows may be there again; else it looks every few seconds. */
  followNow(uid: EndpointUid): Promise<void>

  /**
   * Contents of a database of one running compute into another one's, perhaps of a later major. Throws
   * UPGRADE_TOOL_MISSING, UPGRADE_FAILED with what Postgres said.
   */
  copyDatabase(from: EndpointUid, to: EndpointUid, how: CopyDatabase): Promise<void>
  /** Whether both installations hold all that `pg_upgrade` needs. */
  canUpgradeCluster(from: PostgresMajor, to: PostgresMajor): Promise<boolean>
  /** `pg_upgrade`. Throws UPGRADE_REFUSED with what it said. */
  upgradeCluster(job: UpgradeCluster): Promise<void>
  /** Ends what an upgrade of these data directories left running that was cut short. */
  endUpgrade(dataDirectories: readonly string[]): Promise<void>
  /** Which major a data directory is of; `undefined`: of none that runs here. */
  majorOf(dataDirectory: string): Promise<PostgresMajor | undefined>

  /** Removes copies of Postgres that nobody starts any more and nothing runs from; answers which. */
  sweepToolchains(): Promise<readonly string[]>

  /** How long a start may take before it counts as failed. */
  readonly startPatience: Millis
}
