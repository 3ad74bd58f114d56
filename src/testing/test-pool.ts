/**
 * Copies of a migrated template, a few of them made ahead, so that a test file finds one at once. Only the process that owns the
 * pool hands out, in one thread: two files can never get the same copy, however many workers ask at a time.
 */

export interface Copies<T> {
  /** One at a time. */
  make(): Promise<T>
  remove(copy: T): Promise<void>
}

interface Waiting<T> {
  resolve(copy: T): void
  reject(error: unknown): void
}

export class TestPool<T> {
  readonly #copies: Copies<T>
  readonly #ahead: number
  /** Told what failed in the background, also when somebody was refused for it. */
  readonly #onTrouble: (error: unknown) => void
  readonly #ready: T[] = []
  readonly #waiting: Waiting<T>[] = []
  readonly #removing = new Set<Promise<void>>()
  #making: Promise<void> | undefined
  #isOver = false

  /** `ahead`: how many lie ready when nobody waits, 1 or more. */
  constructor(copies: Copies<T>, ahead: number, onTrouble: (error: unknown) => void) {
    this.#copies = copies
    this.#ahead = ahead
    this.#onTrouble = onTrouble
  }

  /** Makes what is missing; resolves when as many as asked for lie ready. */
  fill(): Promise<void> {
    if (this.#missing <= 0) return Promise.resolve()
    this.#making ??= this.#make()
    return this.#making
  }

  /** The first that is ready, else the next one that is made; whoever asked first gets it first. */
  take(): Promise<T> {
    if (this.#isOver) return Promise.reject(new Error('the test pool has ended'))
    const ready = this.#ready.shift()
    const taken =
      ready === undefined
        ? new Promise<T>((resolve, reject) => this.#waiting.push({ resolve, reject }))
        : Promise.resolve(ready)
    this.#replenish()
    return taken
  }

  /** Nobody has used it: whoever asked is gone. */
  giveBack(copy: T): void {
    this.#handOver(copy)
  }

  /** Somebody has used it: gone, in the background. */
  discard(copy: T): void {
    if (this.#isOver) return // whoever ends the pool removes what is left
    const removing = this.#copies.remove(copy).catch(this.#onTrouble)
    this.#removing.add(removing)
    void removing.then(() => this.#removing.delete(removing))
  }

  /** Nothing is made or removed after this; whoever still waits is refused. */
  async end(): Promise<void> {
    this.#isOver = true
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the test pool has ended'))
    await Promise.allSettled([this.#making, ...this.#removing])
  }

  get #missing(): number {
    return this.#isOver ? 0 : this.#ahead + this.#waiting.length - this.#ready.length
  }

  /** What is being made already looks again when it is done. */
  #replenish(): void {
    if (this.#making === undefined) this.fill().catch(this.#onTrouble)
  }

  async #make(): Promise<void> {
    try {
      while (this.#missing > 0) this.#handOver(await this.#copies.make())
    } catch (error) {
      for (const { reject } of this.#waiting.splice(0)) reject(error)
      throw error
    } finally {
      // Before anybody else runs: whoever asks from now on begins anew.
      this.#making = undefined
    }
  }

  #handOver(copy: T): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#ready.push(copy)
    else next.resolve(copy)
  }
}
