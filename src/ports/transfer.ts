/** Moving whole databases and clusters in and out, by the programs of Postgres. */
import type { ImportReport, LeftOut } from '../domain/import-report.ts'
import type { ImportSource } from '../domain/import-source.ts'
import type { OperationUid } from '../domain/names.ts'
import type { PostgresMajor } from '../domain/project.ts'

/** What an import has to know of its source. */
export interface SourceFacts {
  readonly major: number
  /** With data of their own; bytes on disk. */
  readonly tables: readonly {
    readonly oid: number
    readonly name: string
    readonly bytes: number
  }[]
  readonly extensions: readonly string[]
  readonly leftOut: LeftOut
  /** Entries of a dump that are not loaded: policies for roles, event triggers, user mappings. */
  readonly skipped: readonly { readonly oid: number; readonly name: string }[]
}

export type TellProgress = (
  progress: Pick<ImportReport, 'tables_done' | 'bytes_done'>,
) => void | Promise<void>

/** The branch's Postgres, through its Unix socket. */
export interface LoadTarget {
  readonly socketDirectory: string
  /** Login role: a manager of the branch, so that what it makes is everybody's. */
  readonly user: string
  /** Made when it is not there. */
  readonly database: string
}

export interface Transfers {
  /** Whether this directory of a Unix socket is one inside of this server's state directory. */
  isOurs(directory: string): Promise<boolean>
  /**
   * Connects to the source as a dump of it would. Throws SOURCE_REFUSED with what the source said,
   * TOOL_MISSING when there is no program to ask it with.
   */
  inspect(source: ImportSource, signal: AbortSignal): Promise<SourceFacts>
  /** Throws TOOL_MISSING when no program here can dump a source of this major. */
  mustHaveTools(major: number): Promise<void>
  /** Those of the source that the branch's Postgres lacks, or lets nobody but a superuser create. */
  missingExtensions(
    facts: SourceFacts,
    target: LoadTarget,
    signal: AbortSignal,
  ): Promise<readonly string[]>
  /** A new dump, whatever an earlier attempt left. Throws SOURCE_LOST. */
  dump(job: {
    readonly operation: OperationUid
    readonly source: ImportSource
    readonly facts: SourceFacts
    readonly schemaOnly: boolean
    readonly tell: TellProgress
    readonly signal: AbortSignal
  }): Promise<void>
  /** Loads the dump into a fresh branch. Throws LOAD_FAILED. */
  load(job: {
    readonly operation: OperationUid
    readonly target: LoadTarget
    readonly tell: TellProgress
    readonly signal: AbortSignal
  }): Promise<void>
  /** Ends programs that an earlier life of the server left at work, and removes the files. Absent is success. */
  discard(operation: OperationUid): Promise<void>

  /**
   * A stopped cluster as a tar that plain Postgres starts from once it is unpacked: its data directory with
   * its WAL in it, and a configuration that needs nothing of ours. Reads a file at a time.
   */
  tar(cluster: {
    readonly major: PostgresMajor
    readonly dataDirectory: string
    readonly walDirectory: string
  }): AsyncIterable<Uint8Array>
}
