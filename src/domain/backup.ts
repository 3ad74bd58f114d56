/** Backups as clients see them, and when one must be a full copy. */
import { days, rfc3339 } from '../lib/time.ts'
import { runsOf } from './backup-chain.ts'
import type { KnownManifest, Manifest } from './backup-manifest.ts'
import { formatLsn } from './lsn.ts'
import { type BranchId, branchName, type ProjectId } from './names.ts'

/**
 * How long after a backup the WAL that the next one needs is kept from collection. A place that nobody
 * backs up to any more must not fill the disk; a later backup there is a full copy.
 */
export const holdsWalFor = days(7)

/** Why a backup was not the increment that it might have been. */
export type FullReason =
  /** There was none before it. */
  | 'FIRST'
  | 'ASKED'
  /** A reset or restore gave the branch another volume, whose WAL does not follow. */
  | 'OTHER_VOLUME'
  /** WAL since the last backup is gone. */
  | 'WAL_GONE'

/** `undefined`: an increment may do, if its WAL is there. */
export function whyFull(
  last: KnownManifest | undefined,
  now: {
    readonly isAsked: boolean
    readonly volume: string
    readonly systemId: string
  },
): FullReason | undefined {
  if (last === undefined) return 'FIRST'
  if (now.isAsked) return 'ASKED'
  const isSame = last.volume === now.volume && last.systemId === now.systemId
  return isSame ? undefined : 'OTHER_VOLUME'
}

const sum = (sizes: readonly { readonly size: number }[]): number =>
  sizes.reduce((total, { size }) => total + size, 0)

export type BackupResource = ReturnType<typeof renderBackup>

export const renderBackup = (manifest: Manifest) => ({
  sequence: manifest.sequence,
  kind: manifest.data === undefined ? ('INCREMENT' as const) : ('FULL' as const),
  time: rfc3339(manifest.time),
  reached_lsn: formatLsn(manifest.reached),
  postgres_version: manifest.postgres,
  data_bytes: sum(manifest.data?.files ?? []),
  wal_bytes: sum(manifest.wal),
})

export interface BackupListing {
  readonly source_branch: string
  readonly backups: readonly BackupResource[]
  /** What can be restored: from and to may be given as points. */
  readonly windows: readonly {
    readonly from_time: string
    readonly from_lsn: string
    readonly to_time: string
    readonly to_lsn: string
  }[]
}

export const renderListing = (
  source: Manifest['source'],
  manifests: readonly KnownManifest[],
): BackupListing => ({
  source_branch: branchName(source.projectId as ProjectId, source.branchId as BranchId),
  backups: manifests.map(renderBackup),
  windows: runsOf(manifests).map((run) => {
    const [first] = run
    const last = run.at(-1) ?? first
    return {
      from_time: rfc3339(first.until),
      from_lsn: formatLsn(first.reached),
      to_time: rfc3339(last.time),
      to_lsn: formatLsn(last.reached),
    }
  }),
})
