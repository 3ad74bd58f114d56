/** A command that cannot go on and knows why: one sentence, and what to do about it. */

export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly hint: string | undefined

  constructor(message: string, hint?: string) {
    super(message)
    this.hint = hint
  }
}
