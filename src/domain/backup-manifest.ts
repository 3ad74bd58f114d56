/**
 * A backup as it lies at its place: a manifest names every file by the hashes of its chunks, is named by its
 * own hash, and names the one before it. What is read here may have been damaged or tampered with, so
 * nothing of it is believed before it was looked at.
 */
import { type EpochMs, rfc3339 } from '../lib/time.ts'
import { type CatalogExport, readCatalogExport, writeCatalogExport } from './backup-catalog.ts'
import { type Fields, fieldsOf, hexOf, listOf, numberOf, textOf } from './backup-fields.ts'
import { formatLsn, type Lsn, parseLsn } from './lsn.ts'
import { type PostgresMajor, postgresMajors } from './project.ts'
import { parseTimestamp } from './timestamp.ts'
import { isHistoryFile, isSegmentFile } from './wal.ts'

/** Raised by a change that an older Lakelet would read wrongly. */
export const backupFormat = 1

/** Files are cut into chunks of this many bytes: a changed page costs one of them in the next full copy. */
export const chunkBytes = 4 * 1024 * 1024

export interface StoredFile {
  /** Relative to the data directory, with `/`; of WAL the file's name. */
  readonly path: string
  readonly size: number
  /** SHA-256 of each chunk, in hex; all but the last have `chunkBytes`. */
  readonly chunks: readonly string[]
}

export interface StoredData {
  /** Parents before what is in them. */
  readonly directories: readonly string[]
  readonly files: readonly StoredFile[]
}

/** The branch that all backups at one place are of. */
export interface BackupSource {
  readonly projectUid: string
  readonly projectId: string
  readonly branchUid: string
  readonly branchId: string
}

export interface Manifest {
  /** From 1, without gaps. */
  readonly sequence: number
  /** Hash of the manifest before; `undefined` of the first alone. */
  readonly previous: string | undefined
  /** The operation that made it: one that runs again after a crash finds its own. */
  readonly operation: string
  readonly source: BackupSource
  /** Of the cluster that wrote this. */
  readonly postgres: PostgresMajor
  readonly systemId: string
  readonly timeline: number
  /** The volume that was copied: after a reset it is another one, whose WAL does not follow this one's. */
  readonly volume: string
  /** Every commit acknowledged before this moment is in it. */
  readonly time: EpochMs
  /** No commit after this moment is in it: later ones can be told from it. */
  readonly until: EpochMs
  /** Where its WAL ends: the next backup begins here. */
  readonly reached: Lsn
  readonly walSegmentBytes: number
  /** A full copy; absent from an increment, which is WAL alone. */
  readonly data: StoredData | undefined
  readonly wal: readonly StoredFile[]
  readonly catalog: CatalogExport
}

/** A manifest with the hash that it is named by. */
export interface KnownManifest extends Manifest {
  readonly hash: string
}

export const manifestName = (sequence: number, hash: string): string =>
  `${String(sequence).padStart(8, '0')}-${hash}.json`

/** `undefined`: not the name of a manifest. */
export function parseManifestName(
  name: string,
): { readonly sequence: number; readonly hash: string } | undefined {
  const match = /^(\d{8})-([0-9a-f]{64})\.json$/.exec(name)
  if (match === null) return undefined
  return { sequence: Number(match[1]), hash: match[2] ?? '' }
}

export const writeManifest = (manifest: Manifest): string =>
  `${JSON.stringify({
    format: backupFormat,
    kind: manifest.data === undefined ? 'increment' : 'full',
    sequence: manifest.sequence,
    previous: manifest.previous ?? null,
    operation: manifest.operation,
    source: {
      project_uid: manifest.source.projectUid,
      project_id: manifest.source.projectId,
      branch_uid: manifest.source.branchUid,
      branch_id: manifest.source.branchId,
    },
    postgres: manifest.postgres,
    system_id: manifest.systemId,
    timeline: manifest.timeline,
    volume: manifest.volume,
    time: rfc3339(manifest.time),
    until: rfc3339(manifest.until),
    reached: formatLsn(manifest.reached),
    wal_segment_bytes: manifest.walSegmentBytes,
    catalog: writeCatalogExport(manifest.catalog),
    ...(manifest.data === undefined ? {} : { data: manifest.data }),
    wal: manifest.wal,
  })}\n`

/** The format that a text says it has; `undefined`: it is no manifest at all. */
export function formatOf(text: string): number | undefined {
  try {
    return numberOf(fieldsOf(JSON.parse(text)), 'format')
  } catch {
    return undefined
  }
}

/** Throws an Error that says what is wrong with it. */
export function readManifest(text: string): Manifest {
  const fields = fieldsOf(JSON.parse(text))
  if (numberOf(fields, 'format') !== backupFormat) throw new Error('its format is another one')
  const source = fieldsOf(fields.source)
  const postgres = postgresMajors.find((major) => major === fields.postgres)
  const time = parseTimestamp(textOf(fields, 'time'))
  const until = parseTimestamp(textOf(fields, 'until'))
  const reached = parseLsn(textOf(fields, 'reached'))
  const walSegmentBytes = numberOf(fields, 'wal_segment_bytes')
  if (postgres === undefined) throw new Error('it names no Postgres from 15 to 18')
  if (time === undefined || until === undefined || reached === undefined)
    throw new Error('it names no point')
  if (walSegmentBytes < 2 ** 20 || walSegmentBytes > 2 ** 30) {
    throw new Error('it names no size of WAL segments')
  }
  return {
    sequence: numberOf(fields, 'sequence'),
    previous: fields.previous === null ? undefined : hexOf(textOf(fields, 'previous')),
    operation: textOf(fields, 'operation'),
    source: {
      projectUid: textOf(source, 'project_uid'),
      projectId: textOf(source, 'project_id'),
      branchUid: textOf(source, 'branch_uid'),
      branchId: textOf(source, 'branch_id'),
    },
    postgres,
    systemId: textOf(fields, 'system_id'),
    timeline: numberOf(fields, 'timeline'),
    volume: textOf(fields, 'volume'),
    time,
    until,
    reached,
    walSegmentBytes,
    data: fields.data === undefined ? undefined : readData(fieldsOf(fields.data)),
    wal: listOf(fields, 'wal').map((file) => readFile(file, walFilePath)),
    catalog: readCatalogExport(fields.catalog),
  }
}

const readData = (fields: Fields): StoredData => ({
  directories: listOf(fields, 'directories').map(dataPath),
  files: listOf(fields, 'files').map((file) => readFile(file, dataPath)),
})

function readFile(value: unknown, readPath: (value: unknown) => string): StoredFile {
  const fields = fieldsOf(value)
  const path = readPath(fields.path)
  const size = numberOf(fields, 'size')
  const chunks = listOf(fields, 'chunks').map(hexOf)
  if (chunks.length !== Math.ceil(size / chunkBytes)) throw new Error(`${path} has other chunks`)
  return { path, size, chunks }
}

/** Stays below the directory that it is restored to. */
function dataPath(value: unknown): string {
  const isPath =
    typeof value === 'string' &&
    value.length < 1000 &&
    !/[\u0000-\u001f\\]/.test(value) &&
    value.split('/').every((part) => part !== '' && part !== '.' && part !== '..')
  if (!isPath || value === 'pg_wal' || value.startsWith('pg_wal/')) {
    throw new Error('it names a file outside of the data directory')
  }
  return value
}

function walFilePath(value: unknown): string {
  if (typeof value === 'string' && (isSegmentFile(value) || isHistoryFile(value))) return value
  throw new Error('it names a WAL file that is none')
}
