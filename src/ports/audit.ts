/**
 * The audit log as the product needs it. Append-only: the catalog refuses to change or remove an entry,
 * the sweep of what is older than its retention excepted.
 */
import type { AuditEntry, AuditResult } from '../domain/audit.ts'
import type { ProjectUid } from '../domain/names.ts'
import type { EpochMs } from '../lib/time.ts'

/** An entry that is there. */
export interface RecordedEntry extends AuditEntry {
  /** 1, 2, 3 … without gaps, in the order of the commits. */
  readonly seq: number
}

export interface AuditQuery {
  /** Entries of this project alone. */
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
  /** Older than this entry. */
  readonly before: number | undefined
  /** Younger than this entry. */
  readonly after: number | undefined
  readonly limit: number
}

/** Each entry's hash covers the hash of the one before, so a change anywhere shows. */
export interface AuditVerification {
  readonly entries: number
  readonly firstSeq: number | undefined
  readonly lastSeq: number | undefined
  /** Of the last entry, in hex: kept elsewhere, it shows whether the end was rewritten. */
  readonly lastHash: string | undefined
  /** The first entry that does not follow from the one before it, or does not hold what was written. */
  readonly broken: { readonly seq: number; readonly problem: string } | undefined
}

/** What a sweep removed: the entries up to `through`, whose hash was `hash`. */
export interface AuditSweep {
  readonly entries: number
  readonly through: number
  readonly hash: string
}

export interface Audit {
  /**
   * The last thing that a transaction does: it waits for others that append, and they wait for it until
   * it commits. Texts are cut to what an entry may hold.
   */
  append(entry: AuditEntry): Promise<void>
  /** Newest first. */
  list(query: AuditQuery): Promise<readonly RecordedEntry[]>
  /** Reads every entry; not inside of a transaction. `kept`: an entry as an earlier verification saw it. */
  verify(kept?: { readonly seq: number; readonly hash: string }): Promise<AuditVerification>
  /**
   * Removes the oldest entries, as far as all are older than this moment, at most 10 000 and never the
   * last one. Whoever calls appends an entry that tells of it, in the same transaction.
   */
  forget(before: EpochMs): Promise<AuditSweep | undefined>
}

/** The action of the entry that tells of a sweep; verification looks for it. */
export const sweepAction = 'forget-audit'
