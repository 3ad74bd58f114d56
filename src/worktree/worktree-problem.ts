/** What keeps a worktree from having a branch of its own: one sentence, and what to do about it. */
export class WorktreeProblem extends Error {
  override readonly name = 'WorktreeProblem'
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}
