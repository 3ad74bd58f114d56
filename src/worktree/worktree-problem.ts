/** What keeps a worktree from having a branch of its own: one sentence, and what to do about it. */
export class WorktreeProblem extends Error {
  override readonly name = 'WorktreeProblem'
  readonly hint: string | undefined
  /** There is none here; a command that can do without goes on. */
  readonly isNoWorktree: boolean

  constructor(message: string, hint?: string, isNoWorktree = false) {
    super(message)
    this.hint = hint
    this.isNoWorktree = isNoWorktree
  }
}
