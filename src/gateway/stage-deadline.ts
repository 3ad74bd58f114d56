/**
 * One signal for a connection that is being set up: it aborts when the current stage or the whole
 * took too long. A stage's time is not prolonged by bytes, so trickling them buys nothing.
 */
import { type Millis, timer } from '../lib/time.ts'

export class StageDeadline {
  readonly #controller = new AbortController()
  readonly #whole: { cancel(): void }
  #stage: { cancel(): void } | undefined

  constructor(whole: Millis) {
    this.#whole = timer(whole, () => this.#controller.abort())
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  enter(length: Millis): void {
    this.#stage?.cancel()
    this.#stage = timer(length, () => this.#controller.abort())
  }

  /** Ends the wait now, as if the time were over. */
  expire(): void {
    this.#controller.abort()
  }

  cancel(): void {
    this.#stage?.cancel()
    this.#whole.cancel()
  }
}

/** What `work` gives, or a rejection by `late` when it takes longer; `work` itself goes on. */
export async function within<T>(length: Millis, work: Promise<T>, late: () => Error): Promise<T> {
  let cancel: () => void = () => undefined
  const tooLate = new Promise<never>((_, reject) => {
    cancel = timer(length, () => reject(late())).cancel
  })
  try {
    return await Promise.race([work, tooLate])
  } finally {
    cancel()
  }
}
