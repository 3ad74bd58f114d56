/** Why there is no database, and what to do about it. Test runners print messages alone, so both are in it. */
export class TestPoolProblem extends Error {
  override readonly name = 'TestPoolProblem'
  /** What to do. */
  readonly hint: string | undefined

  constructor(message: string, hint?: string, options?: ErrorOptions) {
    super(hint === undefined ? message : `${message}\n${hint}`, options)
    this.hint = hint
  }
}
