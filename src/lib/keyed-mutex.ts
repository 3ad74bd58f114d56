/**
 * Mutual exclusion by name within this process. Enough for the server, which is the only one on its
 * state directory (it holds the catalog's lock).
 */

export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>()

  /** Runs `work` when every earlier holder of `key` is done; first come, first served. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve()
    let release: () => void = () => undefined
    const mine = new Promise<void>((resolve) => {
      release = resolve
    })
    const tail = before.then(() => mine)
    this.#tails.set(key, tail)
    await before
    try {
      return await work()
    } finally {
      release()
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
  }

  /** Whether someone holds or awaits `key` now. */
  isHeld(key: string): boolean {
    return this.#tails.has(key)
  }
}
