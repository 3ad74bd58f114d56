/**
 * The audit log as the product needs it. Append-only: the catalog refuses to change or remove a line,
 * the sweep of what is older than its retention excepted.
 */
import type { AuditEntry, AuditResult } from '../domain/audit.ts'
import type { ProjectUid } from '../domain/names.ts'
import type { EpochMs } from '../lib/time.ts'

/** A line that is there. */
export interface AuditLine extends AuditEntry {
  /** 1, 2, 3 … without gaps, in the order of the commits. */
  readonly seq: number
}

export interface AuditQuery {
  /** Lines of this project alone. */
  readonly project: ProjectUid | undefined
  /** Login name, identity uid or agent. */
  readonly who: string | undefined
  readonly action: string | undefined
  /** This resource and everything below it. */
  readonly resource: string | undefined
  readonly result: AuditResult | undefined
  /** From this moment on. */
  readonly from: EpochMs | undefined
  /** Before this moment. */
  readonly to: EpochMs | undefined
  /** Older than this line. */
  readonly before: number | undefined
  /** Younger than this line. */
  readonly after: number | undefined
  readonly limit: number
}

/** Each line's hash covers the hash of the one before, so a change anywhere shows. */
export interface AuditVerification {
  readonly lines: number
  readonly firstSeq: number | undefined
  readonly lastSeq: number | undefined
  /** Of the last line, in hex: kept elsewhere, it shows whether the end was rewritten. */
  readonly lastHash: string | undefined
  /** The first line that does not follow from the one before it, or does not hold what was written. */
  readonly broken: { readonly seq: number; readonly problem: string } | undefined
}

/** What a sweep removed: the lines up to `through`, whose hash was `hash`. */
export interface AuditSweep {
  readonly lines: number
  readonly through: number
  readonly hash: string
}

export interface Audit {
  /**
   * The last thing that a transaction does: it waits for others that append, and they wait for it until
   * it commits. Texts are cut to what a line may hold.
   */
  append(entry: AuditEntry): Promise<void>
  /** Newest first. */
  list(query: AuditQuery): Promise<readonly AuditLine[]>
  /** Reads every line; not inside of a transaction. `kept`: a line as an earlier verification saw it. */
  verify(kept?: { readonly seq: number; readonly hash: string }): Promise<AuditVerification>
  /**
   * Removes the oldest lines, as far as all are older than this moment, at most 10 000 and never the
   * last one. Whoever calls appends a line that tells of it, in the same transaction.
   */
  forget(before: EpochMs): Promise<AuditSweep | undefined>
}

/** The action of the line that tells of a sweep; verification looks for it. */
export const sweepAction = 'forget-audit'
