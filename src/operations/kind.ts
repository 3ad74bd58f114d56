/**
 * A kind of operation is its steps. The row comes first, then the work; a crash at any line is a
 * resume, not a repair.
 */
import type { Progress } from '../domain/operation.ts'
import type { CatalogSession, JsonObject, WorkRow } from '../ports/catalog.ts'

export interface StepContext {
  readonly row: WorkRow
  /** What steps tell later ones; saved with the step that wrote it. */
  memory: JsonObject
  /** Shown to whoever polls, until the next one or the end. */
  show(progress: Progress): void
  /** Shown to whoever polls, also at the end and after a restart; saves `memory` on the way. */
  report(report: JsonObject): Promise<void>
}

export interface Step {
  /** Stored; renaming one is a migration. */
  readonly name: string
  /**
   * May run again after a crash: recognises finished work, or undoes and redoes it. Absent: it was done
   * when the operation was accepted, and the step is there for its undo.
   */
  run?(context: StepContext, signal: AbortSignal): Promise<void>
  /**
   * Instead of `run`: all that it does is done in this transaction, which also saves that it is done. The last
   * step's is the one that ends the operation: nobody sees what it shows before, and whoever dies meets
   * the step once more. May run again.
   */
  write?(context: StepContext, session: CatalogSession): Promise<void>
  /** After a crash it simply runs again: to save that it is done costs more. Never the last one. */
  readonly isUnsaved?: true
  /** Undoes a finished or half-finished `run`. Absent is success. */
  undo?(context: StepContext): Promise<void>
}

export interface Kind {
  readonly name: string
  readonly steps: readonly Step[]
  /**
   * What a failing step leads to. `undo`: everything is undone, the operation fails. `retry`: tried
   * again, later each time, for ever: for what must end, such as a delete.
   */
  readonly onFailure: 'undo' | 'retry'
  /** Whoever may can end it before its last step is done; then everything is undone. */
  readonly isCancellable?: true
  /**
   * The finished operation's response. Runs after the last step, perhaps more than once; `session` is the
   * transaction of a last step that writes, else the catalog.
   */
  finish(context: StepContext, session: CatalogSession): Promise<JsonObject>
}
