/**
 * Which manifests bring a branch back to a point. A full copy and the increments after it are one run; what
 * a run can reach is from the end of its full copy to the end of its last increment.
 */
import type { EpochMs } from '../lib/time.ts'
import { rfc3339 } from '../lib/time.ts'
import type { KnownManifest, StoredData, StoredFile } from './backup-manifest.ts'
import { formatLsn, type Lsn } from './lsn.ts'

export type BackupPoint =
  | { readonly kind: 'time'; readonly time: EpochMs }
  | { readonly kind: 'lsn'; readonly lsn: Lsn }

/** A full copy, then increments; never empty. */
export type Run = readonly [KnownManifest, ...KnownManifest[]]

export interface Restorable {
  /** The last one that is used. */
  readonly upTo: KnownManifest
  readonly data: StoredData
  readonly wal: readonly StoredFile[]
  /** Where the log of the full copy itself ends. */
  readonly consistent: { readonly position: Lsn; readonly timeline: number }
  /** Where recovery ends; `undefined`: at the end of the WAL. */
  readonly point: BackupPoint | undefined
}

export const runsOf = (manifests: readonly KnownManifest[]): readonly Run[] => {
  const runs: [KnownManifest, ...KnownManifest[]][] = []
  for (const manifest of manifests) {
    if (manifest.data !== undefined) runs.push([manifest])
    else runs.at(-1)?.push(manifest)
  }
  return runs
}

/** `undefined`: no run reaches the point, or there is none at all. */
export function restorable(
  manifests: readonly KnownManifest[],
  point: BackupPoint | undefined,
): Restorable | undefined {
  const runs = runsOf(manifests)
  if (point === undefined) {
    const run = runs.at(-1)
    return run && fromRun(run, run.length, undefined)
  }
  // Of two runs that reach it, the later one has less to replay.
  const run = runs.findLast(([full]) => isReached(full, point, 'at or before'))
  if (run === undefined) return undefined
  const last = run.findIndex((manifest) => isReached(manifest, point, 'at or after'))
  return last === -1 ? undefined : fromRun(run, last + 1, point)
}

/** A full copy is of one moment only at its end: there is no point inside of it. */
function isReached(
  { time, until, reached }: KnownManifest,
  point: BackupPoint,
  side: 'at or before' | 'at or after',
): boolean {
  if (point.kind === 'lsn')
    return side === 'at or before' ? reached <= point.lsn : reached >= point.lsn
  return side === 'at or before' ? until <= point.time : time >= point.time
}

/** A later manifest holds more of the segment that an earlier one ended in. */
function fromRun(run: Run, length: number, point: BackupPoint | undefined): Restorable | undefined {
  const used = run.slice(0, length)
  const upTo = used.at(-1)
  const { data } = run[0]
  if (data === undefined || upTo === undefined) return undefined
  const wal = new Map(used.flatMap(({ wal }) => wal.map((file) => [file.path, file] as const)))
  return {
    upTo,
    data,
    wal: [...wal.values()],
    consistent: { position: run[0].reached, timeline: run[0].timeline },
    // After the full copy alone there is nothing to stop before.
    point: length === 1 ? undefined : point,
  }
}

/** For a refusal: every stretch that can be restored. */
export const sayWindows = (manifests: readonly KnownManifest[]): string =>
  runsOf(manifests)
    .map((run) => {
      const [first] = run
      const last = run.at(-1) ?? first
      return `${rfc3339(first.until)} (${formatLsn(first.reached)}) to ${rfc3339(last.time)} (${formatLsn(last.reached)})`
    })
    .join(', ')
