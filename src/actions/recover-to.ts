/** The first start of a volume that has its WAL before it: recovery ends at a point, or where the WAL does. */
import type { BackupPoint } from '../domain/backup-chain.ts'
import { Fault } from '../domain/faults.ts'
import { formatLsn } from '../domain/lsn.ts'
import { rfc3339 } from '../lib/time.ts'
import type { ComputeSpec, Computes } from '../ports/compute.ts'

/**
 * The WAL reaches past the point, or ends where its source slept: then Postgres finds nothing behind a point
 * after the last commit to stop before, gives up, and the end of the WAL is what was asked for.
 */
export async function recoverTo(
  computes: Pick<Computes, 'ensureReady'>,
  spec: ComputeSpec,
  point: BackupPoint | undefined,
): Promise<void> {
  if (point === undefined) return computes.ensureReady(spec)
  try {
    await computes.ensureReady({ ...spec, settings: { ...spec.settings, ...targetOf(point) } })
  } catch (error) {
    if (!isBehindTheEnd(error)) throw error
    await computes.ensureReady(spec)
  }
}

const targetOf = (point: BackupPoint): Readonly<Record<string, string>> => ({
  recovery_target_action: 'promote',
  ...(point.kind === 'time'
    ? { recovery_target_time: rfc3339(point.time).replace('Z', '+00') } // zones by name are not read yet
    : { recovery_target_lsn: formatLsn(point.lsn) }),
})

const isBehindTheEnd = (error: unknown): boolean =>
  error instanceof Fault &&
  error.reason === 'COMPUTE_FAILED' &&
  /recovery ended before configured recovery target was reached/.test(String(error.facts.problem))
