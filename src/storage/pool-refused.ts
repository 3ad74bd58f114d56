/** The pool cannot be used as asked; said at start, to the person who runs the server. */
export class PoolRefused extends Error {
  override readonly name = 'PoolRefused'
  /** What to do about it. */
  readonly next: string

  constructor(problem: string, next: string, options?: ErrorOptions) {
    super(`${problem} ${next}`, options)
    this.next = next
  }
}
