/**
 * What must be undone when measuring ends, in whatever way: processes, mounts, directories. Run once,
 * backwards; a failing ending does not keep the others from running.
 */
export class Endings {
  readonly #endings: (() => Promise<void> | void)[] = []
  #ended: Promise<void> | undefined

  /** Returns a function that runs this ending now instead of later. */
  add(ending: () => Promise<void> | void): () => Promise<void> {
    let done: Promise<void> | undefined
    const once = () => {
      done ??= (async () => await ending())()
      return done
    }
    this.#endings.push(once)
    return once
  }

  get isOver(): boolean {
    return this.#ended !== undefined
  }

  run(): Promise<void> {
    this.#ended ??= this.#runAll()
    return this.#ended
  }

  async #runAll(): Promise<void> {
    for (const ending of this.#endings.reverse()) {
      try {
        await ending()
      } catch (error) {
        process.stderr.write(`cleaning up: ${error instanceof Error ? error.message : error}\n`)
      }
    }
  }
}
