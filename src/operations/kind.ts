/**
 * A kind of operation is its steps. The row comes first, then the work; a crash at any line is a
 * resume, not a repair.
 */
import type { Progress } from '../domain/operation.ts'
import type { JsonObject, WorkRow } from '../ports/catalog.ts'

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
  /** The finished operation's response. Runs after the last step, perhaps more than once. */
  finish(context: StepContext): Promise<JsonObject>
}
